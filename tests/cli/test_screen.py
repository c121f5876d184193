"""What is printed: nothing that steers a terminal, spans as people say them, durations as people write them."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest

from tutti.cli.inputs import Duration, parsed
from tutti.cli.options import Look
from tutti.cli.screen import Screen, ago, brief, clean, colours, count
from tutti.errors import Invalid


def test_what_others_wrote_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "ok\x1b[2J\x1b]0;owned\x07\x9b31m\u202etxt"
    assert not set(clean(evil)) & {"\x1b", "\x07", "\x9b", "\u202e"}
    screen = Screen(Look())
    screen.list([{"a": evil}], {"A": lambda row: row["a"]}, empty="", next="nothing")
    screen.warn(evil)
    screen.done(evil)
    screen.text(evil)
    out, err = capsys.readouterr()
    assert "\x1b" not in out + err
    assert "\x07" not in out + err


def test_a_plain_table_is_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(Look()).table([["a", "x" * 300], ["bbb", "y"]], ["ONE", "TWO"])
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["ONE  TWO", f"a    {'x' * 300}", "bbb  y"]


def test_a_list_ends_with_what_to_do_next(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(Look()).list([], {}, empty="Nothing here.", next="tutti send")
    assert capsys.readouterr() == ("", "Nothing here.\nnext: tutti send\n")
    Screen(Look(output="json")).list([], {}, empty="Nothing here.", next="tutti send")
    assert capsys.readouterr() == ("[]\n", "")
    Screen(Look(quiet=True)).list([], {}, empty="Nothing here.", next="tutti send")
    assert capsys.readouterr() == ("", "")


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def __init__(self, is_one: bool) -> None:
            self.is_one = is_one

        def isatty(self) -> bool:
            return self.is_one

    for name in ("NO_COLOR", "CLICOLOR_FORCE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    assert colours(Look(), Terminal(True))
    assert not colours(Look(), Terminal(False))
    assert not colours(Look(no_color=True), Terminal(True))
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert colours(Look(), Terminal(False))
    monkeypatch.setenv("TERM", "dumb")
    assert not colours(Look(), Terminal(True))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colours(Look(), Terminal(True))


def test_small_words() -> None:
    assert [ago(s) for s in (0.24, 9.94, 59, 61, 3600, 7300, 86400, 200000)] == ["0.2 s", "9.9 s", "59 s", "1 min", "60 min", "2 h", "24 h", "2 d"]
    assert [count(n, "task") for n in (0, 1, 2000)] == ["0 tasks", "1 task", "2,000 tasks"]
    assert brief({"a": 1}) == '{"a":1}'
    assert len(brief("x" * 999)) == 400


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("30s", 30), ("30", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1.5 min", 90)])
def test_durations(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "-1s", "nan", "inf", "9999999d", "5 weeks"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Duration().convert(text, None, None)


def test_what_is_no_json_is_told_with_the_way_out() -> None:
    with pytest.raises(Invalid) as caught:
        parsed("hello", "the data")
    assert """'"hello"'""" in caught.value.hint
