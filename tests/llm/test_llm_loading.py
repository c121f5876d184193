"""The library of language models is large: it is loaded beside the loop, so that others go on meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import asyncio, sys, threading
from importlib.abc import MetaPathFinder
from pathlib import Path

from tutti import Fleet, Settings, Workspace
from tutti.errors import TuttiError

loading = {}


class Watching(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("pydantic_ai.agent", "pydantic_ai.models.openai"):
            loading.setdefault(name, threading.current_thread() is threading.main_thread())


sys.meta_path.insert(0, Watching())
fleet = Fleet("desk")
fleet.llm_agent("writer", instructions="Write.", department="d", skill="letter.write", model="scripted", base_url="http://127.0.0.1:1/v1", attempts=1)


async def main():
    async with Workspace(fleet, Settings("desk", Path(sys.argv[1]))) as workspace:
        assert not loading
        try:
            await workspace.result(await workspace.submit("letter.write", "Dear"))
        except TuttiError:
            print(sorted(loading.items()))


asyncio.run(main())
"""


def test_the_library_is_loaded_by_another_thread_than_the_loops(tmp_path):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False, env=environment)
    assert (done.stdout.strip(), done.returncode) == ("[('pydantic_ai.agent', False), ('pydantic_ai.models.openai', False)]", 0), done.stderr
