"""`tutti demo`: a whole company's fleet at work."""

from __future__ import annotations

import socket
from dataclasses import replace
from importlib import import_module

import click

from tutti.cli.options import Look, command, pass_look
from tutti.cli.places import settings_for
from tutti.errors import NotFound
from tutti.settings import DEFAULT_LISTEN


@command()
@click.option("--data", type=click.Path(exists=True, file_okay=False), metavar="DIR", help="Real tickets and accounts instead of the sample company.")
@click.option("--once", is_flag=True, help="End by itself when all is done; exit 0 only if its checks hold.")
@click.option("--seed", type=int, default=7, show_default=True, help="Of the sample company.")
@click.option("--tickets", type=click.IntRange(1), default=400, show_default=True, help="How many tickets of the sample company.")
@click.option("--accounts", type=click.IntRange(1), default=250, show_default=True, help="How many accounts of the sample company.")
@click.option("--services", is_flag=True, help="Some agents as services: processes of their own, called by A2A.")
@click.option("--pace", type=click.FloatRange(0, 100), default=1.5, show_default=True, help="Signals a second that keep coming in; 0: none.")
@pass_look
def demo(look: Look, data: str | None, once: bool, seed: int, tickets: int, accounts: int, services: bool, pace: float) -> int:
    """Run the customer-lifecycle fleet: a sample company, or your data. No key, no network. Ctrl-C stops it."""
    settings = settings_for(look, "acme-data" if data else "acme")
    if not settings.listen and not once:
        settings = replace(settings, listen=_listen())
    try:
        module = import_module("tutti.fleets.lifecycle.demo")
    except ModuleNotFoundError as error:
        raise NotFound(f"The demo needs {error.name}, which is not installed.", hint="pip install 'tutti[fleets]'") from error
    code: int = module.run(
        data=data, once=once, json_output=look.machine, seed=seed, tickets=tickets, accounts=accounts, settings=settings, services=services, pace=pace
    )
    return code


def _listen() -> str:
    """Where `tutti up` would listen; on a free port where that one is taken."""
    host, _, port = DEFAULT_LISTEN.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return f"{host}:0"
    return DEFAULT_LISTEN
