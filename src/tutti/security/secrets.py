"""Secrets by reference: `secret://name` stands in cards, options and the journal; the value is read at the moment of use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tutti.errors import NotFound

SCHEME = "secret://"


class Secrets:
    """Values by name: from the environment (`TUTTI_SECRET_<NAME>`) or a file `<folder>/<name>` that only its owner may read."""

    def __init__(self, folder: Path | None = None, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environment = environment

    def resolve(self, text: str) -> str:
        """The value of a reference; any other text as it is. Raises: `NotFound` (naming the reference, never a value)."""
        if not text.startswith(SCHEME):
            return text
        name = text.removeprefix(SCHEME)
        value = self._environment.get(f"TUTTI_SECRET_{name.upper().replace('-', '_')}")
        if value is None:
            raise NotFound(
                f"There is no secret {name}.", hint=f"Set TUTTI_SECRET_{name.upper().replace('-', '_')}, or put it into the workspace's secrets folder."
            )
        return value
