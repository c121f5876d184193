"""Agents that are a language model with instructions: a task's input goes in as a message, text or data of a declared form comes out.

Every call is held against the caps before it is made and recorded when it returns. This room never reads a key from the environment, never
lets a tool go past the gates, and loads its library (the extra `llm`) when an agent is first called.
"""

from tutti.transports.llm.agent import llm_agent
from tutti.transports.llm.spec import Spec

__all__ = ["Spec", "llm_agent"]
