"""Settings of a workspace in this process: where its files are and how much it does at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from tutti.errors import Invalid

_SOCKET_LIMIT = 100  # bytes a path of a Unix socket may have (108 on Linux, 104 on macOS)


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

    @classmethod
    def from_environment(cls, workspace: str, environment: Mapping[str, str] = os.environ) -> Settings:
        """Settings with what `TUTTI_FOLDER`, `TUTTI_DATABASE`, `TUTTI_SLOTS`, `TUTTI_THREADS`, `TUTTI_PROCESSES` and `TUTTI_GRACE_SECONDS` say."""
        numbers = {}
        for name, smallest in (("slots", 1), ("threads", 1), ("processes", 1), ("grace_seconds", 0)):
            text = environment.get(f"TUTTI_{name.upper()}")
            if text is not None:
                if not text.isdigit() or int(text) < smallest:
                    raise Invalid(f"TUTTI_{name.upper()} is {text!r}.", hint=f"Give a whole number from {smallest} up, or unset it.")
                numbers[name] = int(text)
        grace = timedelta(seconds=numbers.pop("grace_seconds", 10))
        folder = Path(environment.get("TUTTI_FOLDER") or ".tutti")
        egress = tuple(part.strip() for part in environment.get("TUTTI_EGRESS", "").split(",") if part.strip())
        return cls(workspace, folder, environment.get("TUTTI_DATABASE", ""), grace=grace, egress=egress, **numbers)

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
