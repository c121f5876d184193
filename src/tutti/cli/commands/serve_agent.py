"""`tutti serve-agent`: one agent as a service of its own, for this fleet or for anybody's."""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen, count
from tutti.errors import Invalid, NotFound


@command()
@click.argument("agent", metavar="MODULE:OBJECT")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default="a free one", help="Where to listen.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; another one needs a token, and TLS or a proxy.")
@click.option("--name", default="", help="What the agent is called.")
@click.option("--skill", default="", help="What a function does, as noun.verb; else its own name.")
@click.option("--agent", "agents", multiple=True, metavar="NAME", help="Only this agent of a fleet; may be given several times.")
@click.option("--public-url", default="", metavar="URL", help="Where callers find it, when that is not where it listens.")
@click.option("--key", type=click.Path(dir_okay=False), metavar="FILE", help="The file of its own key, made when there is none.")
@click.option("--server", default="", metavar="URL", help="The workspace that it belongs to; it is kept for later starts.")
@click.option(
    "--enrol", "code", default="", metavar="CODE", envvar="TUTTI_ENROL_CODE", help="Come in there with the code of `tutti agents enrol`. [TUTTI_ENROL_CODE]"
)
@click.option("--token-file", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="The bearer token that callers must send. [TUTTI_AGENT_TOKEN]")
@click.option("--tls-cert", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Its certificate.")
@click.option("--tls-key", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="The certificate's key.")
@click.option("--behind-proxy", is_flag=True, help="TLS ends at a proxy in front of it.")
@click.option("--takeover", is_flag=True, help="Listen beside the process that has the port, and go on when that one is stopped.")
@click.option("--with-parent", is_flag=True, help="Stop when standard input ends, as it does with whoever started this.")
@click.option("--grace", type=click.IntRange(0, 3600), default=10, show_default=True, help="Seconds for tasks under way when it is stopped.")
@pass_look
def serve_agent(look: Look, /, agent: str, **said: Any) -> None:
    """Serve a function, an object with skills, an LLM agent or a Fleet as an A2A service, until Ctrl-C.

    MODULE is an importable module or a file; OBJECT is what it is called there.
    """
    from tutti.service import Place, Service, offers_of

    screen = Screen(look)
    logging.basicConfig(level=logging.INFO if look.verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    offers = offers_of(_load(agent), name=said["name"], skill=said["skill"], agents=said["agents"])
    token = os.environ.get("TUTTI_AGENT_TOKEN", "")
    if said["token_file"]:
        token = Path(said["token_file"]).read_text(encoding="utf-8").strip()
    place = Place(
        said["host"], said["port"], said["public_url"], token, said["tls_cert"] or "", said["tls_key"] or "", said["behind_proxy"], said["takeover"],
        grace=timedelta(seconds=said["grace"]),
    )  # fmt: skip
    service = Service(
        offers, place, Path(said["key"] or f"{offers.name}.key"), server=said["server"], code=said["code"],
        certificate=os.environ.get("TUTTI_CLIENT_CERT", ""), guard_logs=True,
    )  # fmt: skip

    for remark in offers.remarks:
        screen.warn(remark)

    def ready(url: str, key: str) -> None:
        screen.done(f"{offers.name} {offers.version}: {count(len(offers.skills), 'skill')} at {url}")
        if service.joined is not None:
            screen.say(f"  enrolled as {service.joined['name']} {service.joined['version']}   its key is {key}")
        else:
            screen.say(f"  fleet.remote({url!r}, department=…)   its key is {key}")
        if look.machine:
            screen.data(
                {"name": offers.name, "version": offers.version, "url": url, "key": key, "skills": sorted(offers.skills), "pid": os.getpid()} | _joined(service)
            )
            sys.stdout.flush()

    async def serve() -> None:
        stop = asyncio.Event()
        if said["with_parent"]:
            watching = asyncio.create_task(_until_orphaned(stop))
        await service.run(ready=ready, stop=stop)
        if said["with_parent"]:
            watching.cancel()

    with asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(serve())
    screen.done("stopped")


def _joined(service: Any) -> dict[str, Any]:
    return {} if service.joined is None else {"enrolled": service.joined["name"], "registered": service.joined["version"]}


async def _until_orphaned(stop: asyncio.Event) -> None:
    """Stop when nobody holds the other end of standard input any more: whoever started this has ended, however that came."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(4096):
        pass
    stop.set()


def _loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The faster loop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _load(address: str) -> Any:
    """What `module:object` or `file.py:object` names. Raises: `Invalid`, `NotFound`."""
    place, _, name = address.rpartition(":")
    if not place or not name:
        raise Invalid(f"{address!r} names no agent.", hint="Write module:object, for example pricing:agent or pricing.py:agent.")
    path = Path(place)
    folder = str(path.resolve().parent) if path.suffix == ".py" else os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module_name = path.stem if path.suffix == ".py" else place
    if path.suffix == ".py" and not path.is_file():
        raise NotFound(f"There is no file {place}.")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not module_name.startswith(error.name):
            raise Invalid(f"{place} needs {error.name}, which is not installed.", hint=f"pip install {error.name.partition('.')[0]}") from error
        raise NotFound(f"There is no module {module_name}.", hint="Run it where the module is, or name the file: agent.py:agent.") from error
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        raise NotFound(f"{place} has no {name}.")
    return found
