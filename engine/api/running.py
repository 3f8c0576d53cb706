"""The part of the public API that runs an engine in this process, alone or with a virtual rack."""

from __future__ import annotations

from ..rehearsal.session import Rehearsal, begin_anew, finished, rack_spec, with_nodes
from ..runtime.attach_host import EngineHost
from ..runtime.engine import Engine
from ..runtime.member import Member

__all__ = ["Engine", "EngineHost", "Member", "Rehearsal", "begin_anew", "finished", "rack_spec", "with_nodes"]
