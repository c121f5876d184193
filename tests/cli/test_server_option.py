"""Commands against a server elsewhere: over TCP with a token, nothing of the workspace at hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from certificates import certificate
from cli_site import Person

from tutti.cli import exits


@pytest.fixture
def away(beside: SimpleNamespace, tmp_path: Path) -> SimpleNamespace:
    """A person in an empty folder who knows the address and has the token's file."""
    return SimpleNamespace(call=Person(tmp_path), url=beside.ready["url"], token=beside.ready["token_file"])


def test_commands_work_from_elsewhere(away: SimpleNamespace) -> None:
    call, there = away.call, ("--server", away.url, "--token-file", away.token)
    sent = call("send", "ticket.opened", '{"text": "far", "refund": 300}', *there, "--json")
    assert sent.code == 0, sent.err
    done = call("run", "ticket.triage", '{"text": "far"}', *there)
    assert (done.code, done.out) == (0, "read far\n")
    waiting = call("tasks", "--waiting", *there, "--json").data
    task = next(task["id"] for task in waiting if task["amount"] == 300)
    said = call("approve", task, "--yes", *there)
    assert (said.code, "approved, and done: paid 300.00" in said.err) == (0, True), said.err
    assert call("why", task, *there).code == 0
    assert call("agents", *there, "--json").data
    assert not (away.call.folder / ".tutti").exists()


def test_the_environment_says_it_too(away: SimpleNamespace) -> None:
    token = Path(away.token).read_text().strip()
    assert away.call("tasks", TUTTI_SERVER=away.url, TUTTI_TOKEN=token).code == 0
    refused = away.call("tasks", TUTTI_SERVER=away.url)
    assert (refused.code, "needs a token" in refused.err) == (exits.NO_ACCESS, True)
    assert "Put it into TUTTI_TOKEN, or name its file with --token-file." in refused.err
    wrong = away.call("tasks", "--server", away.url, TUTTI_TOKEN="tutti_wrong")
    assert wrong.code == exits.NO_ACCESS
    assert "tutti_wrong" not in wrong.err
    missing = away.call("tasks", "--server", away.url, "--token-file", str(away.call.folder / "none"))
    assert missing.code == exits.NOT_FOUND


def test_an_address_that_is_none(away: SimpleNamespace) -> None:
    nowhere = away.call("tasks", "--server", "http://nobody.invalid:7777")
    assert (nowhere.code, "http://nobody.invalid:7777 is not found" in nowhere.err) == (exits.UNREACHABLE, True)
    plain = away.call("tasks", "--server", away.url.replace("http:", "https:"))
    assert (plain.code, "does not speak TLS" in plain.err) == (exits.UNREACHABLE, True)
    assert away.call("tasks", "--server", "tutti.example:7777").code == exits.USAGE
    assert away.call("run", "x", "--fleet", "f.py", "--server", away.url).code in (exits.USAGE, exits.NOT_FOUND)


def test_a_server_with_an_authority_of_its_own_that_asks_who_calls(tmp_path: Path) -> None:
    ca = certificate(tmp_path, "ca")
    for name in ("server", "caller"):
        certificate(tmp_path, name, ca)
    both = tmp_path / "both.pem"
    both.write_bytes((tmp_path / "caller.pem").read_bytes() + (tmp_path / "caller.key").read_bytes())
    someone = Person(tmp_path, "shoptls")
    tls = {"TUTTI_TLS_CERT": "server.pem", "TUTTI_TLS_KEY": "server.key", "TUTTI_TLS_CLIENT_CA": "ca.pem"}
    process = someone.start("up", "shoptls.py", "-o", "ndjson", "-q", **tls)
    assert process.stdout is not None
    try:
        ready = json.loads(process.stdout.readline())
        (tmp_path / "away").mkdir()
        call, there = Person(tmp_path / "away"), ("--server", ready["url"].replace("127.0.0.1", "localhost"), "--token-file", ready["token_file"])
        unknown = call("agents", *there)
        assert (unknown.code, "is not trusted" in unknown.err, "SSL_CERT_FILE" in unknown.err) == (exits.UNREACHABLE, True, True)
        silent = call("agents", *there, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
        assert (silent.code, "TUTTI_CLIENT_CERT" in silent.err) == (exits.UNREACHABLE, True), silent.err
        shown = call("agents", *there, "--json", SSL_CERT_FILE=str(tmp_path / "ca.pem"), TUTTI_CLIENT_CERT=str(both))
        assert (shown.code, bool(shown.data)) == (0, True), shown.err
        wrong = call("agents", *there, TUTTI_CLIENT_CERT=str(tmp_path / "caller.pem"))
        assert (wrong.code, "caller.pem cannot be shown" in wrong.err) == (exits.USAGE, True), wrong.err
    finally:
        process.terminate()
        process.communicate(timeout=60)


def test_settings_come_from_a_file_and_what_is_wrong_is_one_line(person: Person) -> None:
    file = person.folder / "tutti.toml"
    for text, code, says in [
        ("queue = 5\nquue = 5\n", exits.USAGE, "line 2: there is no setting quue"),
        ("# a word\nqueue = 0\n", exits.USAGE, "line 2: queue is 0"),
        ("queue = \n", exits.USAGE, "is no TOML"),
        ('listen = "0.0.0.0:0"\n', exits.USAGE, "there is no TLS"),
        ('listen = "127.0.0.1:0"\ntls_cert = "none.pem"\n', exits.USAGE, "none.pem cannot be read"),
        ('tls_key = "none.pem"\n', exits.USAGE, "without a certificate"),
    ]:
        file.write_text(text)
        process = person.start("up", str(person.file), "--config", str(file), TUTTI_LISTEN="" if "listen" in text else "127.0.0.1:0")
        _, err = process.communicate(timeout=60)
        assert (process.returncode, says in err) == (code, True), err
        assert "Traceback" not in err
        assert len([line for line in err.splitlines() if says in line]) == 1


def test_a_taken_port_is_one_line(beside: SimpleNamespace, tmp_path: Path) -> None:
    other = Person(tmp_path, "shopother")
    process = other.start("up", "shopother.py", "--listen", beside.ready["url"].removeprefix("http://"))
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "is taken by another process" in err) == (exits.CONFLICT, True), err
