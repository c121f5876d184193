"""Agents made with other frameworks: an object of theirs goes in, a function of (input, context) comes out.

It never loads a framework unless an object is from it, and never looks into what such an agent does by itself: its own tools and its own
calls to models do not go through the gates or under the caps.
"""

from tutti.transports.adapters.bring import FRAMEWORKS, Brought, bring, framework_of

__all__ = ["FRAMEWORKS", "Brought", "bring", "framework_of"]
