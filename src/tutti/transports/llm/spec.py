"""What an LLM agent is: everything that makes its answers what they are, and so its version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson

from tutti.model.usage import Price

MODES = ("tool", "native", "prompted")  # how a model is made to answer in a form: a tool's arguments, the API's own schema, words


@dataclass(frozen=True, slots=True)
class Spec:
    """An LLM agent. `input` and `output` are types, or JSON Schemas as mappings; `str` as output is text as it comes."""

    name: str
    model: str
    instructions: str
    base_url: str = ""
    api_key: str = ""  # a reference: secret://name
    input: Any = Any
    output: Any = str
    mode: str = "tool"
    tools: Mapping[str, bool] = field(default_factory=dict)  # skill → whether an action's end is waited for
    max_tokens: int = 4096  # of one answer; with the prompt's length, the most that a call can cost
    temperature: float | None = None
    timeout: timedelta = timedelta(seconds=60)
    retries: int = 2  # answers of the wrong form that are sent back
    max_calls: int = 16  # calls in one run
    stream: bool = False
    price: Price | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)  # what else the model takes

    def digest(self) -> str:
        """What makes this agent what it is, as 12 hexadecimal digits."""
        price = None if self.price is None else [self.price.input, self.price.cached, self.price.output]
        told = {
            "model": self.model, "instructions": self.instructions, "base_url": self.base_url, "input": _schema(self.input), "output": _schema(self.output),
            "mode": self.mode, "tools": dict(self.tools), "max_tokens": self.max_tokens, "temperature": self.temperature, "retries": self.retries,
            "max_calls": self.max_calls, "price": price, "settings": dict(self.settings),
        }  # fmt: skip
        return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str)).hexdigest()[:12]


def _schema(kind: Any) -> Any:
    if isinstance(kind, Mapping):
        return dict(kind)
    from pydantic import TypeAdapter

    return TypeAdapter(kind).json_schema()
