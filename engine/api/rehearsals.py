"""Which Crowbars are on this machine, and repairs by hand in a rehearsal. Separate from `control`, because a console that attaches does
not load the whole engine."""

from __future__ import annotations

from ..racks import RackError
from ..rehearsal.beside import beside, plan_path, rehearsed
from ..rehearsal.known import Crowbar, find, is_rehearsal, opened, plan_of, remember
from ..rehearsal.repair import Faulty, faulty, rack_runs, repair, unplug_server

__all__ = [
    "Crowbar",
    "Faulty",
    "RackError",
    "beside",
    "faulty",
    "find",
    "is_rehearsal",
    "opened",
    "plan_of",
    "plan_path",
    "rack_runs",
    "rehearsed",
    "remember",
    "repair",
    "unplug_server",
]
