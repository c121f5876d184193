"""Secrets by reference: `secret://name` stands in cards, options and the journal; the value is read at the moment of use."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

from tutti.errors import Invalid, NotFound, Refused

SCHEME = "secret://"
_REFERENCE = re.compile(r"secret://([A-Za-z0-9_-]*)")
_PREFIX = "TUTTI_SECRET_"
_SHORTEST = 6  # characters; hiding shorter values would hide ordinary words, and they protect nothing
_LARGEST = 65536  # bytes of a file
# What this workspace hands out is a secret wherever it turns up: opaque tokens, enrolment codes, signed tokens.
_TOKENS = re.compile(r"\btutti_[0-9a-f]{8}_[A-Za-z0-9_-]{43}|\b(?:enrol|link)_[A-Za-z0-9_-]{43}|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")
_HIDDEN = "[secret]"


class Secrets:
    """Values by name: from the environment (`TUTTI_SECRET_<NAME>`) or a file `<folder>/<name>` that only its owner may read."""

    def __init__(self, folder: Path | None = None, environment: Mapping[str, str] = os.environ) -> None:
        self._folder = folder
        self._environment = environment
        self._known = {value for name, value in environment.items() if name.startswith(_PREFIX) and len(value) >= _SHORTEST}

    def resolve(self, text: str) -> str:
        """A text with the value of every reference in its place ("Bearer secret://pricing"); any other text as it is.

        Raises: `NotFound`, `Refused` when others may read the file, `Invalid` for a value of several lines; all name the reference, never a value.
        """
        if SCHEME not in text:
            return text
        return _REFERENCE.sub(lambda match: self._value(match[1]), text)

    def redact(self, text: str) -> str:
        """A text without the values that were used here, and without anything that looks like a token of a workspace."""
        text = _TOKENS.sub(_HIDDEN, text)
        for value in self._known:
            if value in text:
                text = text.replace(value, _HIDDEN)
        return text

    def guard_logs(self) -> None:
        """From now on nothing that this process logs holds one of these values. For processes that are nothing but Tutti."""
        for handler in logging.getLogger().handlers:
            if not any(isinstance(found, _Redacting) and found.secrets is self for found in handler.filters):
                handler.addFilter(_Redacting(self))

    def _value(self, name: str) -> str:
        variable = _PREFIX + name.upper().replace("-", "_")
        value = self._environment.get(variable)
        if value is None and name and self._folder is not None:
            value = _read(self._folder / name, name)
        if not value:
            raise NotFound(f"There is no secret {name}.", hint=f"Set {variable}, or put it into the file secrets/{name} in the workspace's folder.")
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in value):
            raise Invalid(f"The secret {name} has line ends or other control characters in it.", hint="Write it on one line.")
        if len(value) >= _SHORTEST:
            self._known.add(value)
        return value


class _Redacting(logging.Filter):
    """Takes secrets out of a record after its arguments and its traceback have become text."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self.secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.secrets.redact(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = self.secrets.redact(record.exc_text)
        return True


def _read(path: Path, name: str) -> str | None:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & 0o077:
                raise Refused(f"Others may read the file of the secret {name}.", hint=f"chmod 600 {path.parent.name}/{name} in the workspace's folder.")
            return file.read(_LARGEST).decode().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(
            f"The file of the secret {name} cannot be read ({type(error).__name__}).", hint=f"See {path.parent.name}/{name} in the workspace's folder."
        ) from None
