"""Whose agent an object is, told without loading anything. Stand-ins only: that the libraries work is tested against the libraries."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tutti import Fleet
from tutti.errors import Invalid
from tutti.transports import framework_of


def made(module: str, name: str, *bases: type) -> Any:
    return type(name, bases or (object,), {"__module__": module})


@pytest.mark.parametrize(
    ("module", "name", "root"),
    [
        ("langgraph.graph.state", "CompiledStateGraph", "langgraph"),
        ("crewai.crew", "Crew", "crewai"),
        ("crewai.agent.core", "Agent", "crewai"),
        ("agents.agent", "Agent", "agents"),
        ("agent_framework._agents", "Agent", "agent_framework"),
        ("pydantic_ai.agent", "Agent", "pydantic_ai"),
        ("langgraph.graph.state", "StateGraph", ""),
        ("agents_of_mine.agent", "Agent", ""),
        ("builtins", "object", ""),
    ],
)
def test_an_agent_is_known_by_the_module_of_its_class(module, name, root):
    assert framework_of(made(module, name)()) == root


def test_a_class_of_the_users_own_is_known_by_the_class_it_extends():
    assert framework_of(made("shop", "Mine", made("crewai.crew", "Crew"))()) == "crewai"


def test_what_is_no_agent_is_refused_with_what_is_known():
    with pytest.raises(Invalid, match="no agent of a framework") as raised:
        Fleet("x").add(object(), skill="a.do", department="x")
    assert "LangGraph, CrewAI, OpenAI Agents SDK, Microsoft Agent Framework, pydantic-ai" in raised.value.hint
    with pytest.raises(Invalid, match="no agent of a framework") as raised:
        Fleet("x").add(made("langgraph.graph.state", "StateGraph")(), skill="a.do", department="x")
    assert "Compile the graph first" in raised.value.hint


def test_an_agent_of_a_framework_needs_a_skill_and_its_options_are_checked():
    crew = made("crewai.crew", "Crew")()
    with pytest.raises(Invalid, match="without a skill"):
        Fleet("x").add(crew, department="x")
    with pytest.raises(Invalid, match="not both"):
        Fleet("x").add(crew, skill="a.b", action="a.b", department="x")
    with pytest.raises(Invalid, match="colour is no option"):
        Fleet("x").add(crew, skill="a.b", department="x", colour="red")


def test_nothing_is_loaded_to_recognise():
    script = "import sys; from tutti.transports import framework_of; framework_of(object()); print([n for n in ('langgraph', 'crewai', 'agents', 'agent_framework', 'pydantic_ai', 'httpx2', 'openai', 'pydantic') if n in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip() == "[]"
