"""`tutti tokens`: list, new, revoke."""

from __future__ import annotations

import click

from tutti.cli.options import Look, noun, pass_look
from tutti.cli.screen import Screen
from tutti.cli.wire import connect

_DAY_MS = 24 * 3600 * 1000


@noun(default="list")
def tokens() -> None:
    """What people and services come in with; make one, end one."""


@tokens.command("list")
@click.option("--holder", help="Only those of this account.")
@pass_look
def list_(look: Look, holder: str | None) -> None:
    """List tokens that hold; never the tokens themselves."""
    screen = Screen(look)
    with connect(look) as api:
        found = api.get("/v1/tokens", holder=holder)
    screen.list(
        found,
        {
            "TOKEN": lambda row: row["id"],
            "HOLDER": lambda row: row["holder"],
            "LABEL": lambda row: row["label"],
            "SCOPES": lambda row: "all of the holder's" if row["scopes"] is None else ", ".join(row["scopes"]),
            "UNTIL": lambda row: row["expires_at"],
        },
        empty="There are no tokens.",
        next="tutti tokens new ACCOUNT",
    )


@tokens.command()
@click.argument("account")
@click.option("--days", type=click.IntRange(1, 366), default=90, show_default=True, help="How long it holds.")
@click.option("--role", "roles", multiple=True, help="Narrow it to this role.")
@click.option("--department", "departments", multiple=True, help="Narrow it to this department.")
@click.option("--scope", "scopes", multiple=True, help="Narrow it to resource:id:action, such as tasks:*:read.")
@click.option("--label", default="", help="What it is for.")
@pass_look
def new(look: Look, account: str, days: int, roles: tuple[str, ...], departments: tuple[str, ...], scopes: tuple[str, ...], label: str) -> None:
    """Make a token for ACCOUNT (person/NAME or service/NAME). It is printed once, alone on stdout."""
    screen = Screen(look)
    narrowed = {name: values for name, values in (("roles", roles), ("departments", departments), ("scopes", scopes)) if values}
    with connect(look) as api:
        made = api.call("POST", "/v1/tokens", body={"holder": account, "life_ms": days * _DAY_MS, "label": label, **narrowed})
    if look.machine:
        screen.data(made)
        return
    screen.done(f"token {made['id']} of {account} holds until {made['expires_at']}; it is shown this once")
    screen.text(made["token"])


@tokens.command()
@click.argument("id")
@pass_look
def revoke(look: Look, id: str) -> None:
    """End the token ID at once: its id, an agent's token by its jti, or all tokens of an agent by agent/NAME."""
    screen = Screen(look)
    with connect(look) as api:
        gone = api.call("DELETE", "/v1/tokens/{}", id)
    if look.machine:
        screen.data(gone)
        return
    screen.done(f"{id} holds no more")
