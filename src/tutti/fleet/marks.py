"""Marks on the methods of a class that is one agent with several skills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def skill(name: str, **options: Any) -> Callable[[F], F]:
    """Mark a method as advice, for `fleet.add(object)`; options as in `fleet.agent`."""
    return _marked("skill", name, options)


def action(name: str, **options: Any) -> Callable[[F], F]:
    """Mark a method as an action, for `fleet.add(object)`; options as in `fleet.action`."""
    return _marked("action", name, options)


def _marked(kind: str, name: str, options: dict[str, Any]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        function.__tutti__ = (kind, name, options)  # type: ignore[attr-defined]
        return function

    return decorate
