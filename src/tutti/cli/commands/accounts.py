"""`tutti accounts`: list, add, set-role, set-password, remove."""

from __future__ import annotations

import sys

import click

from tutti.cli.options import Look, listed, noun, pass_look
from tutti.cli.screen import Screen
from tutti.cli.wire import connect

_ROLES = "owner, operator, approver, viewer or sender; viewer@finance is a viewer in finance only."


@noun(default="list")
def accounts() -> None:
    """Who may come in: people (person/ana), services (service/crm) and enrolled agents."""


@accounts.command("list")
@pass_look
def list_(look: Look) -> None:
    """List accounts."""
    screen = Screen(look)
    with connect(look) as api:
        found = api.get("/v1/accounts")
    screen.list(
        found,
        {
            "ACCOUNT": lambda row: row["id"],
            "ROLES": lambda row: ", ".join(row["roles"]),
            "DEPARTMENTS": lambda row: ", ".join(row["departments"]),
            "COMES IN BY": lambda row: "key" if row.get("key") else "password or token" if row["password"] else "token",
            "STATE": lambda row: row["state"],
            "SINCE": lambda row: row["since"],
        },
        empty="There is nobody yet but the owner.",
        next="tutti accounts add person/NAME --role viewer",
    )


@accounts.command()
@click.argument("id")
@click.option("--role", "roles", multiple=True, required=True, help=_ROLES)
@click.option("--department", "departments", multiple=True, help="Where the roles hold; all departments without one.")
@click.option("--password", "ask", is_flag=True, help="Ask for a password to log in with (people only).")
@pass_look
def add(look: Look, id: str, roles: tuple[str, ...], departments: tuple[str, ...], ask: bool) -> None:
    """Take in ID: person/NAME or service/NAME."""
    screen = Screen(look)
    body = {"id": id, "roles": roles, "departments": departments or ("*",)} | ({"password": _password()} if ask else {})
    with connect(look) as api:
        made = api.call("POST", "/v1/accounts", body=body)
    if look.machine:
        screen.data(made)
        return
    screen.done(f"{id} is {listed(made['roles'])} in {'all departments' if made['departments'] == ['*'] else listed(made['departments'])}")
    screen.next(f"tutti tokens new {id}")


@accounts.command("set-role")
@click.argument("id")
@click.argument("roles", nargs=-1, required=True)
@click.option("--department", "departments", multiple=True, help="Where the roles hold; as before without one.")
@pass_look
def set_role(look: Look, id: str, roles: tuple[str, ...], departments: tuple[str, ...]) -> None:
    """Give ID these ROLES in place of those it has, from its next request on."""
    screen = Screen(look)
    body = {"roles": roles} | ({"departments": departments} if departments else {})
    with connect(look) as api:
        made = api.call("PATCH", "/v1/accounts/{}", id, body=body)
    if look.machine:
        screen.data(made)
        return
    screen.done(f"{id} is {listed(made['roles'])} from the next request on")


@accounts.command("set-password")
@click.argument("id")
@pass_look
def set_password(look: Look, id: str) -> None:
    """Give the person ID a new password, which is asked for here. Their sessions end."""
    screen = Screen(look)
    body = {"password": _password()}
    with connect(look) as api:
        made = api.call("PATCH", "/v1/accounts/{}", id, body=body)
    if look.machine:
        screen.data(made)
        return
    screen.done(f"{id} has a new password; old sessions are over")


@accounts.command()
@click.argument("id")
@pass_look
def remove(look: Look, id: str) -> None:
    """Shut the account ID with its tokens and sessions; an agent (agent/NAME) is retired and its name is free."""
    screen = Screen(look)
    with connect(look) as api:
        gone = api.call("DELETE", "/v1/accounts/{}", id)
    if look.machine:
        screen.data(gone)
        return
    screen.done(f"{id} may not come in any more")
    if id.startswith("person/"):
        screen.next(f"tutti erase {id}   (forgets the password's hash too)")


def _password() -> str:
    """A password from the terminal, twice; from a pipe its first line."""
    if sys.stdin.isatty():
        return str(click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True))
    return sys.stdin.readline().rstrip("\n")
