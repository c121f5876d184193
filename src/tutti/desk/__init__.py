"""The desk: everything a door can ask of a workspace. Doors (CLI, HTTP, Python) call these, and print what comes back.

All answers are JSON data. Ids of tasks begin with `t-`, signals `s-`, approvals `a-`. It decides nothing: rooms do, and the corridor appends.
"""

from tutti.desk.counter import OWNER
from tutti.desk.governing import Governing
from tutti.desk.record import Record
from tutti.desk.roster import Roster
from tutti.desk.rules import Rules
from tutti.desk.searching import Searching
from tutti.desk.watching import Seen, Watching


class Desk(Governing, Roster, Record, Rules, Searching, Watching):
    """Operations on one open workspace."""


__all__ = ["OWNER", "Desk", "Seen"]
