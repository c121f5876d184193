"""The server's description of itself, which the console's types are made of: `make openapi` writes it down anew, `--print` shows it."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from console_site import CONSOLE

from tutti import Fleet, Settings, Workspace
from tutti.api import build

PLACE = CONSOLE / "openapi.json"


async def described(folder: Path) -> str:
    """As text; equal for equal servers."""
    async with Workspace(Fleet("described"), Settings("described", folder)) as workspace:
        return json.dumps(build(workspace).openapi(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        text = asyncio.run(described(Path(folder)))
    if "--print" in sys.argv:
        sys.stdout.write(text)
    else:
        PLACE.write_text(text, encoding="utf-8")
