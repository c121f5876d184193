"""Access: who may call. A caller, what they want to do and to what comes in; yes or no with the reason goes out.

It keeps the accounts, tokens and keys as rows, never authenticates (that is `security` and the door's), and never speaks of what
agents may do (that is `gates`).
"""

from tutti.access.decide import ACTIONS, ROLES, Access, Resource, check_roles, check_scopes, decide, departments_of
from tutti.access.folds import FOLDS, TABLES

__all__ = ["ACTIONS", "FOLDS", "ROLES", "TABLES", "Access", "Resource", "check_roles", "check_scopes", "decide", "departments_of"]
