"""`tutti erase`: forget a subject."""

from __future__ import annotations

import click

from tutti.cli import exits
from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen, count
from tutti.cli.wire import connect


@command()
@click.argument("subject")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_look
def erase(look: Look, subject: str, yes: bool) -> int:
    """Erase all that was stored about SUBJECT, and its name, for good. The record still verifies."""
    screen = Screen(look)
    with connect(look) as api:
        if not screen.sure(f"Erase all that is stored about {subject}, for good?", yes=yes, what="erase"):
            screen.say("Nothing was erased.")
            return exits.OK
        answer = api.post("/v1/erasures", subject=subject)
    if look.machine:
        screen.data(answer)
    elif answer["payloads"]:
        screen.done(f"erased {subject}: {count(answer['payloads'], 'payload')} gone, the facts stay under a pseudonym")
        screen.say("Backups and exports made before keep what they have.")
        screen.next("tutti audit verify")
    else:
        screen.text(f"Nothing was stored about {subject}.")
    return exits.OK
