"""Plans on the road: a plan runs as a task of the house's own agent `planner`, its steps are that task's children.

The room `planning` decides what can be planned and what may begin; this asks, waits and records, and tells later how it went. Nothing is lost when
the process dies: the plan as it stands is kept with the task, children are found again by their steps' names, timers and questions by theirs.
What was decided is recorded as `plan.made`, `plan.changed` and `plan.ended`.
"""

from tutti.plans.agents import planner, played
from tutti.plans.making import preview
from tutti.plans.order import RUN
from tutti.plans.telling import told

__all__ = ["RUN", "planner", "played", "preview", "told"]
