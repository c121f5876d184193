"""Accounts, tokens and enrolment by command."""

from __future__ import annotations

import json

from cli_site import Person


def test_people_and_tokens_are_made_listed_and_ended(person: Person) -> None:
    assert person.run("ticket.triage", {"text": "hello"}).code == 0
    added = person("accounts", "add", "person/ana", "--role", "viewer", "--password", input="four words are enough\n")
    assert (added.code, "person/ana is viewer in all departments" in added.err) == (0, True), added
    assert "four words" not in added.out + added.err
    assert person("accounts", "add", "person/eve", "--role", "viewer", "--password", input="short\n").code == 2
    assert person("accounts", "add", "person/eve", "--role", "king").code == 2
    made = person("tokens", "new", "person/ana", "--days", "1", "--scope", "tasks:*:read")
    assert made.code == 0
    token = made.out.strip()
    assert token.startswith("tutti_")
    kept = json.loads(person("tokens", "list", "--json").out)
    assert [(row["id"], row["scopes"]) for row in kept] == [(token[6:14], ["tasks:*:read"])]
    assert token[15:] not in str(kept)
    assert person("tokens", "revoke", token[6:14]).code == 0
    assert person("tokens", "revoke", token[6:14]).code == 3
    assert person("accounts", "set-role", "person/ana", "operator", "--department", "support").code == 0
    assert json.loads(person("accounts", "--json").out)[0]["departments"] == ["support"]
    assert person("accounts", "remove", "person/ana").code == 0
    assert person("tokens", "new", "person/ana").code == 3


def test_an_agent_gets_a_code_once(person: Person) -> None:
    assert person.run("ticket.triage", {"text": "hello"}).code == 0
    made = person("agents", "enrol", "pricing", "--department", "sales")
    assert made.code == 0
    assert made.out.startswith("enrol_")
    assert person("agents", "enrol", "a/b", "--department", "sales").code == 2
