"""The fleet in the README runs as it stands there."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


async def test_the_fleet_of_the_readme_does_what_it_says(tutti):
    [block] = [text for text in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "@fleet.agent" in text]
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), names)
    fleet = names["fleet"]
    assert fleet.problems() == []
    run = await tutti(fleet).send("ticket.opened", subject="account/7", data={"account": "7", "text": "I want a refund!"})
    assert run.task("ticket.triage").output == 0.9
    assert (run.task("refund.pay").waiting_for, run.task("refund.pay").amount) == ("person", 20)
    await run.approve("refund.pay")
    assert run.task("refund.pay").output.startswith("paid 20.0 to 7 under t-")


@contextmanager
def started(folder: Path, *words: str) -> Iterator[dict[str, Any]]:
    """A command of tutti that serves; what it says of itself in its first line."""
    command = [sys.executable, "-m", "tutti.cli", *words, "--output", "ndjson"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, f"{words} did not start"
        yield json.loads(line)
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


def test_the_agent_outside_and_the_client_of_the_readme(tmp_path):
    """As it stands there, but for the ports, and with a service of ours in the place of the other framework's (`make test-interop` has theirs)."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    [fleet] = [text for text in blocks if "fleet.remote(" in text]
    [client] = [text for text in blocks if "import Client" in text]
    (tmp_path / "greeter.py").write_text("async def greet(asked: str) -> str:\n    return f'Thank you for writing: {asked}'\n")
    with started(tmp_path, "serve-agent", "greeter.py:greet", "--name", "greeter", "--skill", "greeter") as agent:
        (tmp_path / "fleet.py").write_text(fleet.replace("http://127.0.0.1:9001", agent["url"]))
        with started(tmp_path, "up", "fleet.py", "--listen", "127.0.0.1:0") as up:
            token = (tmp_path / up["token_file"]).read_text().strip()
            done = subprocess.run(
                [sys.executable, "-c", f"token = {token!r}\n" + client.replace("http://127.0.0.1:7777", up["url"])], capture_output=True, text=True, check=False
            )
    assert (done.stdout.strip(), done.stderr) == ("Thank you for writing: hello", "")
