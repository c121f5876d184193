"""`tutti audit`: checking the record without trusting who keeps it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tutti.cli import exits
from tutti.cli.inputs import file_text
from tutti.cli.options import Look, noun, pass_look
from tutti.cli.places import existing, settings_for, stamp
from tutti.cli.screen import Screen, count
from tutti.clock import to_text
from tutti.errors import Invalid, NotFound
from tutti.settings import Settings


@noun(default="verify")
def audit() -> None:
    """Verify the record offline, or export it for others to verify."""


@audit.command()
@click.argument("place", required=False)
@click.option("--head", metavar="FILE|SEQ:ROOT|ROOT", help="An earlier head to hold it against: a copy of heads.jsonl, what `--json` printed, or its numbers.")
@click.option("--public-key", metavar="FILE|HEX", help="The journal's public key, as you keep it. [the workspace's]")
@pass_look
def verify(look: Look, place: str | None, head: str | None, public_key: str | None) -> int:
    """Verify PLACE (a workspace's file, an exported folder, a postgresql:// address), or the workspace. Nothing needs to run, and nothing is trusted but the key and the heads."""
    from tutti.journal import verify as check

    screen = Screen(look)
    settings = None if place else existing(settings_for(look))
    target = place or (settings.place if settings else "")
    beside = settings or _beside(target)
    key = _key(public_key) if public_key else _kept_key(beside)
    given, witness, root = _head(head)
    if witness is None and beside is not None and beside.witness.is_file():
        witness = beside.witness
    if root is not None and witness is not None:
        given, root = _known(root, witness), None if _known(root, witness) else root
    with screen.bar("records") as report:
        found = check(target, given, key, report, witness=witness, workspace=look.workspace or (settings.workspace if settings else None))
    ok, message = found.ok, found.message
    if ok and root is not None and root != found.head.root:
        ok, message = False, f"no known head has the root {root[:12]}…; the facts end with {found.head.root[:12]}…"
    if look.machine:
        screen.data({
            "schema": "tutti.audit/1", "ok": ok, "message": message, "place": _shown(target), "workspace": found.workspace, "records": found.facts, "payloads": found.payloads,
            "heads": found.heads, "set_aside": found.set_aside, "first_bad": found.first_bad, "between": found.between,
            "head": {"seq": found.head.seq, "root": found.head.root, "at": to_text(found.head.at)}, "key": found.key, "key_given": key is not None, "witness": str(witness) if witness else None,
        })  # fmt: skip
    elif ok:
        screen.text(f"✓ {found.facts:,} records, no gaps, head {_short(found.head.root)}")
        screen.say(
            f"{count(found.payloads, 'payload')} and {count(found.heads, 'signed head')} fit"
            + (f"; {found.set_aside} heads were given up by a stated restore" if found.set_aside else "")
        )
        screen.say(f"signatures held against {'the key given' if public_key else 'the key in ' + str(beside.home / 'keys') if key and beside else 'the keys that the heads name (give --public-key)'}"
                   + (f", heads against {witness}" if witness else ""))  # fmt: skip
        if settings is not None:
            screen.next("tutti replay --check")
    else:
        screen.text(f"✗ {message}")
        if found.first_bad is not None:
            screen.say(f"The first bad record is {found.first_bad:,}; the {found.first_bad - 1:,} before it hold.")
        elif found.between is not None:
            screen.say(f"What was rewritten is among records {found.between[0]:,} to {found.between[1]:,}.")
        if "://" in target:
            screen.say("Restore the database from a copy with its own tools; then `tutti backup --restored` takes it as it is.")
        else:
            screen.next("tutti backup --restore FILE")
    return exits.OK if ok else exits.UNVERIFIED


def _short(root: str) -> str:
    return f"{root[:4]}…{root[-4:]}"


def _shown(place: str) -> str:
    """A place without the password that an address may hold."""
    from urllib.parse import urlsplit

    if "://" not in place:
        return place
    parts = urlsplit(place)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def _beside(place: str) -> Settings | None:
    """The workspace that a file is the journal of, if it lies where workspaces have it."""
    path = Path(place)
    if "://" in place or not path.is_file() or not (path.parent / path.stem / "keys").is_dir():
        return None
    return Settings(path.stem, path.parent)


def _kept_key(settings: Settings | None) -> bytes | None:
    path = settings.home / "keys" / "journal.pub" if settings else None
    return _key(str(path)) if path and path.is_file() else None


def _key(text: str) -> bytes:
    if Path(text).is_file():
        text = file_text(text, "a public key")
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise Invalid("The public key is neither a file nor 32 bytes in hex.", hint="It is in the workspace's folder: keys/journal.pub")
    return key


def _head(text: str | None) -> tuple[tuple[int, str] | None, Path | None, str | None]:
    """What --head says: a head, a file of witnessed heads, or a root alone."""
    if text is None:
        return None, None, None
    if Path(text).is_file():
        import orjson

        content = file_text(text, "a head")
        try:
            value: Any = orjson.loads(content.splitlines()[0] if content.strip() else content)
        except ValueError:
            try:
                value = orjson.loads(content)
            except ValueError:
                raise Invalid(f"{text} holds no head.", hint="Give a copy of heads.jsonl, or what `tutti audit verify --json` printed.") from None
        if isinstance(value, dict) and "origin" in value:
            return None, Path(text), None
        value = value.get("head", value) if isinstance(value, dict) else None
        if isinstance(value, dict) and isinstance(value.get("seq"), int) and isinstance(value.get("root"), str):
            return (value["seq"], value["root"]), None, None
        raise Invalid(f"{text} holds no head.", hint="Give a copy of heads.jsonl, or what `tutti audit verify --json` printed.")
    seq, _, root = text.rpartition(":")
    if len(root) != 64 or set(root.lower()) - set("0123456789abcdef") or (seq and not seq.isdigit()):
        if not seq and "/" not in root and "." not in root:
            raise Invalid(f"{text!r} is no head.", hint="Give a file, SEQ:ROOT, or a root of 64 hex digits.")
        raise NotFound(f"There is no file {text}, and it is no head.", hint="Give a file, SEQ:ROOT, or a root of 64 hex digits.")
    return ((int(seq), root.lower()), None, None) if seq else (None, None, root.lower())


def _known(root: str, witness: Path) -> tuple[int, str] | None:
    """The witnessed head with this root: a root alone does not say after which record it stands."""
    import orjson

    with witness.open("rb") as lines:
        for line in lines:
            try:
                value = orjson.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and value.get("root") == root:
                return value["seq"], root
    return None


@audit.command()
@click.argument("target", metavar="[FOLDER]", required=False, type=click.Path(path_type=Path))
@pass_look
def export(look: Look, target: Path | None) -> None:
    """Write the record into FOLDER as JSON lines; `tutti audit verify FOLDER` checks it anywhere."""
    from tutti.journal import export as write

    screen = Screen(look)
    settings = existing(settings_for(look))
    target = target or Path(f"{settings.workspace}-{stamp()}.export")
    with screen.bar("records") as report:
        head = write(settings.place, target, witness=settings.witness, workspace=settings.workspace, progress=report)
    if look.machine:
        screen.data({"folder": str(target), "seq": head.seq, "root": head.root})
        return
    screen.done(f"{head.seq:,} records in {target}, head {_short(head.root)}")
    screen.say("It holds customers' data in the clear: keep it like the database.")
    screen.next(f"tutti audit verify {target} --public-key {settings.home / 'keys' / 'journal.pub'}")
