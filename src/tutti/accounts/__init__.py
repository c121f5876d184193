"""Accounts: who may come in. People, services and agents, their tokens, sessions and keys; who somebody is, by what they bring.

Beside the desk and above it: enrolling an agent registers it too. What is secret is shown once and kept as a digest.
"""

from tutti.accounts.admitting import Admitted
from tutti.accounts.enrolling import Enrolling
from tutti.accounts.passes import Passes
from tutti.accounts.people import People
from tutti.accounts.sessions import SESSION_LIFE, Sessions
from tutti.accounts.tokens import LONGEST_TOKEN, Tokens


class Accounts(People, Tokens, Sessions, Enrolling, Passes):
    """Operations on one open workspace's accounts, and who a token or session belongs to."""


__all__ = ["LONGEST_TOKEN", "SESSION_LIFE", "Accounts", "Admitted"]
