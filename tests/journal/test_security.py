"""Keys, sealing and approvals."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tutti.clock import SystemClock
from tutti.errors import Invalid, JournalBroken, Refused
from tutti.ids import Ids
from tutti.security import Keys, canonical, digest, open_body, seal, sign_approval, statement, verify, verify_approval
from tutti.security.sealing import salt_at

IDS = Ids(SystemClock(), seed=3)
QUESTION = {
    "workspace": "acme", "approval": "ap-1", "task": "t-1", "answer": "approve", "input": "ab" * 32, "agent": "pricing",
    "version": "v1", "policy": "p1", "expires_at": 1_795_000_000_000_000, "nonce": "n-1",
}  # fmt: skip


def test_keys_are_made_once_and_kept_private(tmp_path: Path) -> None:
    keys = Keys.load_or_create(tmp_path, IDS)
    again = Keys.load_or_create(tmp_path, IDS)
    assert keys == again
    assert keys.journal != keys.owner
    for path in (tmp_path / "keys").glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(list((tmp_path / "keys").glob("*.key"))) == 4
    assert (tmp_path / "keys" / "owner.pub").read_text().strip() == keys.owner.public.hex()
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


def test_secrets_are_not_shown() -> None:
    keys = Keys.create(IDS)
    assert keys.journal.secret.hex() not in repr(keys)
    assert repr(keys.subject) not in repr(keys)


def test_keys_that_others_may_read_are_refused(tmp_path: Path) -> None:
    Keys.load_or_create(tmp_path, IDS)
    (tmp_path / "keys" / "owner.key").chmod(0o644)
    with pytest.raises(Refused) as caught:
        Keys.load_or_create(tmp_path, IDS)
    assert caught.value.hint.startswith("chmod 600")


@pytest.mark.parametrize("content", [None, "", "zz", "ab" * 31])
def test_a_key_that_is_missing_or_damaged_is_not_replaced(tmp_path: Path, content: str | None) -> None:
    Keys.load_or_create(tmp_path, IDS)
    path = tmp_path / "keys" / "subject.key"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(JournalBroken):
        Keys.load_or_create(tmp_path, IDS)


def test_signatures() -> None:
    keys = Keys.create(IDS)
    signature = keys.sign(b"data")
    assert verify(keys.journal.public, b"data", signature)
    assert not verify(keys.journal.public, b"Data", signature)
    assert not verify(keys.owner.public, b"data", signature)
    assert not verify(keys.journal.public, b"data", signature[:-1])
    assert not verify(b"short", b"data", signature)


def test_pseudonyms_need_the_key() -> None:
    keys, others = Keys.create(IDS), Keys.create(IDS)
    assert keys.pseudonym("Anna") == keys.pseudonym("Anna") != others.pseudonym("Anna")
    assert len(keys.pseudonym("Anna")) == 28
    assert keys.pseudonym("Anna").startswith("u-")


def test_an_approval_counts_for_its_question_only() -> None:
    keys = Keys.create(IDS)
    signature = sign_approval(keys.owner, statement(**QUESTION))  # type: ignore[arg-type]
    assert verify_approval(keys.owner.public, statement(**QUESTION), signature)  # type: ignore[arg-type]
    for name, value in QUESTION.items():
        other = {**QUESTION, name: "reject" if name == "answer" else value + 1 if isinstance(value, int) else value + "x"}
        assert not verify_approval(keys.owner.public, statement(**other), signature)  # type: ignore[arg-type]
    assert not verify_approval(keys.journal.public, statement(**QUESTION), signature)  # type: ignore[arg-type]
    assert not verify_approval(keys.owner.public, statement(**QUESTION), "no hex")  # type: ignore[arg-type]
    with pytest.raises(Invalid):
        statement(**{**QUESTION, "answer": "perhaps"})  # type: ignore[arg-type]


def test_sealing() -> None:
    payload = seal({"b": 1, "a": [None, 1.5]}, b"salt", "u-1", "Anna")
    assert payload.body == b'{"a":[null,1.5],"b":1}'
    assert payload.id == digest(b"salt", payload.body) != digest(b"pepper", payload.body)
    assert open_body(payload.body) == {"b": 1, "a": [None, 1.5]}
    assert "Anna" not in repr(payload)
    assert "1.5" not in repr(payload)


def test_payloads_sort_by_the_time_they_were_sealed_at() -> None:
    ids = [seal(number, salt_at(at, IDS.bytes(16)), None, None).id for number, at in enumerate((0, 999_000, 1_795_000_000_000_000, 1_795_000_000_001_000))]
    assert ids == sorted(ids)
    payload = seal("x", salt_at(1_795_000_000_000_999, IDS.bytes(16)), None, None)
    assert payload.id[:12] == ids[2][:12]
    assert payload.id == digest(payload.salt, payload.body)
    assert payload.id != digest(bytes(6) + payload.salt[6:], payload.body)


@pytest.mark.parametrize("value", [float("nan"), {"x": [float("inf"), None]}, {1: 2}, b"x", 1 << 70, object(), "\udc00", [(1, {"x": (float("nan"),)})]])
def test_what_is_no_json(value: object) -> None:
    with pytest.raises(Invalid):
        canonical(value)


def test_deep_json_is_refused_or_taken_but_never_fatal() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(Invalid):
        canonical(deep)
    assert canonical([None, {"a": None}]) == b'[null,{"a":null}]'
