"""A service's own key: made at its first start, kept in a file that only its owner may read."""

from __future__ import annotations

import os
from pathlib import Path

from tutti.errors import Refused, StorageFailed
from tutti.security import SigningKey


def load_or_create(path: Path) -> SigningKey:
    """The Ed25519 key in this file (hex); made when there is none. Raises: `Refused` when others may read it, `StorageFailed`."""
    try:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _read(path)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            secret = os.urandom(32)
            file.write(secret.hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return SigningKey(secret)
    except OSError as error:
        raise StorageFailed(f"The key {path} cannot be read or made: {error.strerror or error}.", hint="Name another file with --key.") from error


def _read(path: Path) -> SigningKey:
    if path.stat().st_mode & 0o077:
        raise Refused(f"Others may read the key {path}.", hint=f"chmod 600 {path}")
    try:
        secret = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise StorageFailed(f"The key {path} is damaged.", hint="Put it back from where you keep it, or name another file with --key.")
    return SigningKey(secret)
