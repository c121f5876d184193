"""Settings of a workspace in this process: where its files are, how much it does at a time, and where it listens.

Each can be said by the environment (`TUTTI_QUEUE=500`) and in a file (`queue = 500` in tutti.toml); the environment wins.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from tutti.errors import Invalid, NotFound

_SOCKET_LIMIT = 100  # bytes a path of a Unix socket may have (108 on Linux, 104 on macOS)
FILE = "tutti.toml"
DEFAULT_LISTEN = "127.0.0.1:7777"  # where `tutti up` listens when nothing is said
_YES, _NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")


@dataclass(frozen=True, slots=True)
class Settings:
    """`folder` holds everything; `database` is a SQLite file in it, or a postgresql:// address."""

    workspace: str = "default"
    folder: Path = field(default_factory=lambda: Path(".tutti"))
    database: str = ""
    slots: int = 256  # runs at a time
    threads: int = 16  # for sync agents
    processes: int = 2  # for cpu=True agents
    grace: timedelta = timedelta(seconds=10)  # that running agents get when the process stops
    egress: tuple[str, ...] = ()  # special addresses (loopback, private) that may be called all the same: host:port, host, network
    listen: str = ""  # host:port; empty or "off": only on the workspace's own socket
    tls_cert: str = ""  # file with the certificate and its chain
    tls_key: str = ""
    tls_client_ca: str = ""  # whose certificates callers must show (mTLS)
    client_cert: str = ""  # file with the certificate and key that servers are shown that ask who calls
    behind_proxy: bool = False  # a proxy in front has the TLS; what it forwards is believed
    proxies: tuple[str, ...] = ("127.0.0.1",)  # addresses and networks of such proxies
    hosts: tuple[str, ...] = ()  # names that requests may be made to; empty: any, and on loopback only loopback's
    public_url: str = ""  # where others reach this process, if not where it listens
    queue: int = 10_000  # ready tasks that may wait until new ones are refused with 429
    connections: int = 1000  # at a time
    connections_per_address: int = 100  # of them from one address (IPv6: one network of 64 bits); the proxies in front have no such bound
    telemetry: str = ""  # where spans go: an OTLP/HTTP address, or "otlp" for what OTEL_* variables say; empty: nowhere

    @classmethod
    def from_environment(cls, workspace: str, environment: Mapping[str, str] = os.environ, file: Path | None = None) -> Settings:
        """Settings with what `TUTTI_…` variables say, then what `file` says (without one: `TUTTI_CONFIG`, then tutti.toml here, if it is there).

        Raises: `Invalid` for a value that is none and for a name in the file that nobody knows, `NotFound` for a file that is not there.
        """
        named = file or (Path(environment["TUTTI_CONFIG"]) if environment.get("TUTTI_CONFIG") else None)
        said = read_file(named or Path(FILE), required=named is not None)
        for name, parse in _KNOBS.items():
            text = environment.get(f"TUTTI_{name.upper()}")
            if text is not None and (text or name not in said):  # set to nothing, a variable leaves the file its say
                said[name] = parse(f"TUTTI_{name.upper()}", text)
        if "grace_seconds" in said:
            said["grace"] = timedelta(seconds=said.pop("grace_seconds"))
        if "folder" in said:
            said["folder"] = Path(said["folder"] or ".tutti")
        return cls(workspace, **said)

    @property
    def place(self) -> str:
        """Where the journal is."""
        return self.database or str(self.folder / f"{self.workspace}.db")

    @property
    def home(self) -> Path:
        """The folder of the workspace's keys, witness and socket."""
        return self.folder / self.workspace

    @property
    def witness(self) -> Path:
        """The file of signed heads, outside the database. Keep a copy where the database's administrator cannot write."""
        return self.home / "heads.jsonl"

    @property
    def secrets(self) -> Path:
        """The folder of secrets that `secret://name` speaks of, a file each."""
        return self.home / "secrets"

    @property
    def socket(self) -> Path:
        """The local socket that `tutti up` listens on; in the system's folder for temporary files where the path would be too long."""
        path = (self.home / "socket").absolute()
        if len(str(path).encode()) <= _SOCKET_LIMIT:
            return path
        return Path(f"/tmp/tutti-{os.getuid()}-{sha256(str(path).encode()).hexdigest()[:16]}.sock")


def _whole(smallest: int) -> Callable[[str, Any], int]:
    def parse(name: str, value: Any) -> int:
        number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
        if not isinstance(number, int) or isinstance(number, bool) or number < smallest:
            raise Invalid(f"{name} is {value!r}.", hint=f"Give a whole number from {smallest} up, or leave it out.")
        return number

    return parse


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Invalid(f"{name} is {value!r}.", hint="Give a text.")
    return value.strip()


def _flag(name: str, value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text not in _YES + _NO:
        raise Invalid(f"{name} is {value!r}.", hint="Say 1 or 0.")
    return text in _YES


def _several(name: str, value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise Invalid(f"{name} is {value!r}.", hint="Give a list of texts; in the environment with commas between them.")
    return tuple(part.strip() for part in parts if part.strip())


# How each setting is read, from the environment (always a text) and from a file.
_KNOBS: dict[str, Callable[[str, Any], Any]] = {
    "folder": _text, "database": _text, "slots": _whole(1), "threads": _whole(1), "processes": _whole(1), "grace_seconds": _whole(0), "egress": _several,
    "listen": _text, "tls_cert": _text, "tls_key": _text, "tls_client_ca": _text, "client_cert": _text, "behind_proxy": _flag, "proxies": _several, "hosts": _several,
    "public_url": _text, "queue": _whole(1), "connections": _whole(1), "connections_per_address": _whole(1), "telemetry": _text,
}  # fmt: skip


def read_file(path: Path, *, required: bool = True) -> dict[str, Any]:
    """The settings that a TOML file holds, checked. Raises: `NotFound` when it is `required` and not there, `Invalid` with the line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if required:
            raise NotFound(f"There is no file {path}.", hint="Name another with --config, or leave it out.") from None
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is no text'}.", hint="See who may read it.") from error
    try:
        held = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path} is no TOML: {error}.") from error
    said = {}
    for name, value in held.items():
        parse = _KNOBS.get(name)
        place = f"{path}, line {_line_of(text, name)}"
        if parse is None:
            raise Invalid(f"{place}: there is no setting {name}.", hint=f"Settings are: {', '.join(sorted(_KNOBS))}.")
        said[name] = parse(f"{place}: {name}", value)
    return said


def _line_of(text: str, name: str) -> int:
    found = re.search(rf"^\s*\[*\s*[\"']?{re.escape(name)}\b", text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 1
