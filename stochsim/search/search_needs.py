"""What a search will need, before any of it runs."""

from dataclasses import replace

from stochsim.search.evaluate import setting_plan
from stochsim.search.request import Request
from stochsim.studies import Needs, needs_of

ONCE = ("decoder", "reference", "float", "prior_samples", "float_samples")
"""Kinds of task that all settings share."""


def request_needs(request: Request, trials: int, workers: int) -> Needs:
    """At most what so many trials need: every one trains networks of its own, with the most reads
    that the space averages.
    """
    space = request.space
    dearest = max(space.corners, key=request.reads)
    plan = setting_plan(request, dearest)
    study = request.study(dearest)
    one = needs_of(study, plan.tasks.values(), workers, len(plan.cells), request.reads(dearest))
    own = [task for task in plan.tasks.values() if task.kind not in ONCE]
    each = needs_of(study, own, 1, len(plan.cells), request.reads(dearest))
    more = min(trials, space.size) - 1
    tasks = {kind: count + more * each.tasks.get(kind, 0) for kind, count in one.tasks.items()}
    return replace(
        one,
        tasks=tasks,
        cells=(more + 1) * one.cells,
        disk_bytes=one.disk_bytes + more * each.disk_bytes,
        seconds=one.seconds + more * each.seconds / one.workers,
    )
