"""`tutti console`: a link that signs its reader in, once."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.request import Request, urlopen

import pytest
from cli_site import Person

from tutti.cli import exits


def enter(url: str, code: str) -> int:
    request = Request(f"{url}/v1/session", f'{{"code": "{code}"}}'.encode(), {"content-type": "application/json", "origin": url})
    with urlopen(request) as answer:
        return int(answer.status)


def test_the_link_signs_in_once(beside: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    said = beside.call("console")
    base, _, code = said.out.strip().partition("/console/enter#code=")
    assert (said.code, base) == (0, beside.ready["url"])
    assert enter(base, code) == 201
    with pytest.raises(OSError, match="401"):
        enter(base, code)
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: bool(opened.append(url)) or True)
    link = beside.call("console", "--open", "--json").data
    assert opened == [link["url"]]
    assert enter(base, link["code"]) == 201
    monkeypatch.setattr("webbrowser.open", lambda url: False)
    assert "open the link yourself" in beside.call("console", "--open").err


def test_where_nobody_serves_there_is_no_console(person: Person) -> None:
    assert person("console").code == exits.NOT_FOUND
    assert person.run("ticket.triage", {"text": "hello"}).code == 0
    left = person("console")
    assert (left.code, "tutti up" in left.err) == (exits.UNREACHABLE, True)
