"""The SSH servers of installed systems, until `sshd` is there: none listens.

Their commands are carried out by `Installed.command`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .installed import Installed
from .state import System
from .wiring import Wiring


class FarmSide:
    def start(self, loop: asyncio.AbstractEventLoop, wiring: Wiring, engine_key: str) -> None:
        self._loop, self._wiring, self._engine_key = loop, wiring, engine_key

    def close(self) -> None:
        return

    def listen(self, address: str, system: System, installed: Installed) -> Callable[[], None]:
        return lambda: None
