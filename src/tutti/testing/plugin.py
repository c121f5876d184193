"""The pytest plugin: the fixture `tutti`, and virtual time for the tests that use it.

    async def test_refund_above_ten_asks(tutti):
        run = await tutti(fleet).send("ticket.opened", subject="account/7", data={...})
        assert run.task("refund.pay").waiting_for == "person"

An `async def` test that names the fixture runs on the fixture's own loop, with or without pytest-asyncio (in whichever mode) or anyio,
so it needs no marker and no configuration. `await asyncio.sleep(3600)` in it takes no time. A fixture that opened something on another
loop cannot be used in it.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tutti.testing.trial import Trials


@pytest.fixture
def tutti() -> Iterator[Trials]:
    """Fleets on trial: `await tutti(fleet).send(type, subject=..., data=...)` runs a fleet in virtual time until it is quiet."""
    from tutti.testing.trial import Trials  # loaded when a test asks for it: the plugin is present in every pytest run

    trials = Trials()
    yield trials
    try:
        trials.loop.run_until_complete(trials.close())
    finally:
        trials.loop.finish()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that uses `tutti` on the fixture's loop, before any other plugin takes it."""
    funcargs: dict[str, Any] = pyfuncitem.funcargs
    function = inspect.unwrap(pyfuncitem.obj)  # pytest-asyncio wraps what it collects
    trials = funcargs.get("tutti")
    if trials is None or not inspect.iscoroutinefunction(function):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    if inspect.ismethod(pyfuncitem.obj) and not inspect.ismethod(function):
        function = function.__get__(pyfuncitem.instance)
    trials.loop.run_until_complete(function(**{name: funcargs[name] for name in names}))
    return True
