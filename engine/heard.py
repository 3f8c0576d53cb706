"""What agents say beside events, for the HTTP service: handed to the last values and the logs."""

from __future__ import annotations

from .jigs.logs import Logs
from .live import Live


class Heard:
    """What agents say beside events: that they are there, how far they are, and their logs."""

    def __init__(self, live: Live, logs: Logs) -> None:
        self._live = live
        self._logs = logs

    def contact(self, node: str) -> None:
        self._live.contact(node)

    def progress(self, node: str, attempt: str, percent: float, text: str) -> None:  # noqa: ARG002
        self._live.progress(node, percent, text)

    def log(self, node: str, attempt: str, offset: int, data: bytes) -> int | None:  # noqa: ARG002
        return self._logs.write(attempt, offset, data)
