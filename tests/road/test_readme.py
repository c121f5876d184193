"""The fleet in the README runs as it stands there."""

from __future__ import annotations

import re
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
