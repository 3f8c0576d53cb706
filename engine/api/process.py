"""The third part of the public API: the process that an engine runs in. Loads nothing else, so it can look before anything is loaded."""

from __future__ import annotations

from ..process.rights import REHEARSAL, Rights, RightsError, give_up, keep_root
from ..process.room import ran_out, tight

__all__ = ["REHEARSAL", "Rights", "RightsError", "give_up", "keep_root", "ran_out", "tight"]
