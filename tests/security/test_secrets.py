"""Secrets: read where they are used, from places that only their owner can read, and never told."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest

from tutti.errors import Invalid, NotFound, Refused, TuttiError
from tutti.ids import Ids
from tutti.security import Secrets
from tutti.security.enrolment import new_code
from tutti.security.keys import SigningKey
from tutti.security.tokens import new_opaque, sign
from tutti.testing import ManualClock

CANARY = "canary-4f9a2c-value"


def folder(tmp_path: Path, mode: int = 0o600, text: str = CANARY + "\n") -> Path:
    (tmp_path / "pricing").write_text(text)
    (tmp_path / "pricing").chmod(mode)
    return tmp_path


def test_references_are_replaced_wherever_they_stand(tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path), {"TUTTI_SECRET_CRM_KEY": "from-the-environment"})
    assert secrets.resolve("Bearer secret://pricing") == f"Bearer {CANARY}"
    assert secrets.resolve("secret://crm-key") == "from-the-environment"
    assert secrets.resolve("a=secret://crm-key&b=secret://pricing.") == f"a=from-the-environment&b={CANARY}."
    assert secrets.resolve("no reference") == "no reference"


@pytest.mark.parametrize("name", ["", "absent", "../pricing", "/etc/passwd", "pricing/../pricing", ".."])
def test_what_is_not_there_is_named_and_no_other_file_is_read(name: str, tmp_path: Path) -> None:
    secrets = Secrets(folder(tmp_path) / "inner", {})
    (tmp_path / "inner").mkdir()
    with pytest.raises(NotFound) as missing:
        secrets.resolve(f"secret://{name}")
    assert CANARY not in f"{missing.value} {missing.value.hint}"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_read_is_refused(mode: int, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="Others may read"):
        Secrets(folder(tmp_path, mode), {}).resolve("secret://pricing")


def test_a_value_that_would_break_a_header_is_refused_and_not_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid) as refused:
        Secrets(folder(tmp_path, text=f"{CANARY}\r\nx-admin: 1"), {}).resolve("secret://pricing")
    assert CANARY not in f"{refused.value} {refused.value.hint}"


def test_logs_hold_no_secret_and_no_token(tmp_path: Path) -> None:
    ids = Ids(ManualClock())
    secrets = Secrets(folder(tmp_path), {"TUTTI_SECRET_CRM": "canary-of-the-environment"})
    secrets.resolve("secret://pricing")
    hidden = [CANARY, "canary-of-the-environment", new_opaque(ids).text, new_code(ids), sign(SigningKey(b"k" * 32), {"sub": "agent/x"}, "at+jwt")]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        secrets.guard_logs()
        secrets.guard_logs()
        for value in hidden:
            logging.getLogger("tutti.some.child").warning("called with %s", {"authorization": f"Bearer {value}"})
            try:
                raise TuttiError(f"the other side said {value}")
            except TuttiError:
                logging.getLogger("aiohttp.client").exception("failed")
        assert len(handler.filters) == 1
    finally:
        root.removeHandler(handler)
        for each in root.handlers:
            for found in [f for f in each.filters if getattr(f, "secrets", None) is secrets]:
                each.removeFilter(found)
    said = stream.getvalue()
    assert said.count("[secret]") == 2 * len(hidden)  # in the message, and in the last line of the traceback
    assert [value for value in hidden if value in said] == []
