"""The workspace's keys: one seals the journal, one is the owner's, one turns subjects' names into pseudonyms, one signs tokens."""

from __future__ import annotations

import contextlib
import hmac
import os
import shutil
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tutti.errors import JournalBroken, Refused
from tutti.ids import Ids

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_FOLDER = "keys"
_NAMES = ("journal", "owner", "subject", "token")
_SINCE_TOKENS = "token"  # workspaces made before there were tokens get this key when they are opened


@dataclass(frozen=True)
class SigningKey:
    """An Ed25519 key pair. Source: RFC 8032."""

    secret: bytes = field(repr=False)

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.secret)

    @cached_property
    def public(self) -> bytes:
        """The 32 bytes that others check signatures with."""
        return self._private.public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """64 bytes that only this key can make for this data."""
        return self._private.sign(data)


@lru_cache(maxsize=64)
def _public_key(public: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public)


def verify(public: bytes, data: bytes, signature: bytes) -> bool:
    """Whether the key pair with this public half signed exactly this data. Malformed input is simply not valid."""
    from cryptography.exceptions import InvalidSignature

    try:
        _public_key(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


@dataclass(frozen=True)
class Keys:
    """The keys of one workspace. They are not part of a backup: keep them apart from it."""

    journal: SigningKey
    owner: SigningKey
    subject: bytes = field(repr=False)
    token: SigningKey

    @classmethod
    def create(cls, ids: Ids) -> Keys:
        """Fresh keys in memory only."""
        return cls(SigningKey(ids.bytes(32)), SigningKey(ids.bytes(32)), ids.bytes(32), SigningKey(ids.bytes(32)))

    @classmethod
    def load_or_create(cls, folder: Path | str, ids: Ids) -> Keys:
        """The keys in `<folder>/keys/`, made on first use; files are readable by their owner only.

        Raises: `Refused` when others may read them, `JournalBroken` when one of them is missing or damaged.
        """
        place = Path(folder) / _FOLDER
        if not place.exists():
            cls._create(place, ids)
        elif not (place / f"{_SINCE_TOKENS}.key").exists():
            with contextlib.suppress(FileExistsError):  # another process was quicker
                _write(place / f"{_SINCE_TOKENS}.key", ids.bytes(32), 0o600)
        secrets = [_read(place / f"{name}.key") for name in _NAMES]
        return cls(SigningKey(secrets[0]), SigningKey(secrets[1]), secrets[2], SigningKey(secrets[3]))

    @classmethod
    def _create(cls, place: Path, ids: Ids) -> None:
        keys = cls.create(ids)
        making = place.with_name(f"{_FOLDER}.making-{os.getpid()}")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(mode=0o700, parents=True)
        for name, secret in zip(_NAMES, (keys.journal.secret, keys.owner.secret, keys.subject, keys.token.secret), strict=True):
            _write(making / f"{name}.key", secret, 0o600)
        _write(making / "journal.pub", keys.journal.public, 0o644)
        _write(making / "owner.pub", keys.owner.public, 0o644)
        try:
            making.rename(place)  # all keys or none: a crash here leaves no half set
        except OSError:
            shutil.rmtree(making, ignore_errors=True)
            if not place.exists():
                raise

    def pseudonym(self, name: str) -> str:
        """What stands for a subject's name in facts and views: the same for the same name, and no way back without the key."""
        return "u-" + hmac.digest(self.subject, name.encode(), "sha256").hex()[:26]

    def sign(self, data: bytes) -> bytes:
        """Sign with the journal's key."""
        return self.journal.sign(data)


def _write(path: Path, secret: bytes, mode: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.fchmod(handle, mode)
        os.write(handle, secret.hex().encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise Refused(f"others may read the key {path}", hint=f"chmod 600 {path}", path=str(path))
        secret = bytes.fromhex(path.read_text().strip())
    except FileNotFoundError:
        raise JournalBroken(f"the key {path} is missing", hint="put the workspace's keys folder back from where you keep it", path=str(path)) from None
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise JournalBroken(f"the key {path} is damaged", hint="put the workspace's keys folder back from where you keep it", path=str(path))
    return secret
