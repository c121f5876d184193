"""The front of the house: help, exit codes, what is loaded, and how errors are told."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from cli_site import Person

from tutti import errors
from tutti.cli import exits
from tutti.cli.group import SUMMARIES, tutti

HEAVY = ("fastapi", "starlette", "uvicorn", "numpy", "pydantic", "pydantic_core", "rich", "cryptography", "scipy", "sklearn", "orjson", "asyncio", "cedarpy")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["help", "exit-codes"], ["frob"]])
def test_help_loads_nothing_of_weight(words: list[str]) -> None:
    code = f"import sys; sys.argv = ['tutti', *{words!r}]\nfrom tutti.cli import main\ntry:\n    main()\nexcept SystemExit: pass\nprint('LOADED', *sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.rpartition("LOADED")[2].split())
    assert "click" in loaded
    assert not loaded & set(HEAVY)


def test_the_commands_that_talk_to_a_running_workspace_stay_light() -> None:
    code = "import sys\nfrom tutti.cli.commands import tasks, why, agents, send, run, approve, rate, switches\nprint(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())
    assert not loaded & {"fastapi", "uvicorn", "numpy", "pydantic", "rich", "cryptography"}


def _commands(group: click.Group, context: click.Context) -> list[tuple[str, click.Command]]:
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append((name, command))
        if isinstance(command, click.Group):
            found += [(f"{name} {verb}", sub) for verb, sub in _commands(command, click.Context(command, context, name))]
    return found


def test_every_command_has_help_and_takes_the_global_options(person: Person) -> None:
    found = dict(_commands(tutti, click.Context(tutti)))
    assert {name for name in found if " " not in name} == set(SUMMARIES)
    for name, command in found.items():
        assert command.help, name
        names = [param.name for param in command.params]
        assert len(names) == len(set(names)), name
        assert {"output", "workspace", "folder", "quiet", "verbose", "no_color", "json"} <= set(names), name
        left = person(*name.split(), "--help")
        assert (left.code, left.out.startswith("Usage:")) == (0, True), name
        assert all(record for param in command.params if isinstance(param, click.Option) for record in [param.help]), name


def test_the_root_help_names_every_command_with_its_summary(person: Person) -> None:
    out = person("--help").out
    assert all(f"{name} " in out and summary in out for name, summary in SUMMARIES.items())
    assert person("help").out == out
    assert person().code == exits.USAGE


def test_exit_codes_are_one_table(person: Person) -> None:
    told = person("help", "exit-codes", "--json").data
    assert told == {str(code): meaning for code, meaning in exits.MEANING.items()}
    assert {exits.of(cls.code) for cls in errors.TuttiError.__subclasses__()} <= set(exits.MEANING)
    assert [exits.of(code) for code in ("invalid", "not_found", "refused", "unreachable", "conflict", "journal_broken")] == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    "words", [["taks"], ["tasks", "--state", "asleep"], ["rate", "t-1", "2"], ["approve"], ["tasks", "--json", "--frob"], ["kill", "agent"]]
)
def test_wrong_usage_is_told_in_both_forms(person: Person, words: list[str]) -> None:
    left = person(*[word for word in words if word != "--json"])
    assert (left.code, left.out) == (exits.USAGE, "")
    assert left.err.startswith("error: ")
    assert "hint: `tutti" in left.err
    left = person(*words, "--json")
    assert (left.code, left.out) == (exits.USAGE, "")
    assert json.loads(left.err)["error"]["code"] == "usage"


def test_a_near_miss_is_guessed(person: Person) -> None:
    assert "Did you mean tasks?" in person("taks").err


def test_a_defect_becomes_words_and_a_traceback_only_with_vv(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a secret of the code")

    monkeypatch.setattr("tutti.cli.commands.tasks.connect", broken)
    left = person("tasks")
    assert (left.code, "Traceback" in left.err, "defect" in left.err) == (exits.FAILED, False, True)
    assert "Traceback" in person("tasks", "-vv").err


def test_topics(person: Person) -> None:
    assert "TUTTI_FOLDER" in person("help", "environment").out
    assert "ndjson" in person("help", "output").out
    assert person("help", "tasks").out.startswith("Usage:")
    assert person("help", "nothing").code == exits.NOT_FOUND
