"""What all benchmarks share: a time limit that says what was waited for, and the figures as a last line of JSON.

    with waiting_for("the first row of a node"): ...
    figure("other event, 100 nodes", 24.1, "us")
    if __name__ == "__main__":
        raise SystemExit(run("core", main, limit_s=300))

At the limit the main thread gets `OutOfTime`, so that `with` and `finally` end helper processes; who hangs in that too is
ended GRACE_S later. `CROWBAR_BENCH_TIMES=3` makes every limit three times as long, for a slow or busy machine.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

GRACE_S = 30.0
OUT_OF_TIME = 124
"""Exit code at the limit, as that of timeout(1)."""

_figures: list[dict[str, Any]] = []
_waits: list[str] = []


class OutOfTime(BaseException):
    """The limit has come; `what` was waited for. No `Exception`, so that nothing on the way takes it for a failure of its own."""


@contextmanager
def waiting_for(what: str) -> Iterator[None]:
    """Names what the code inside waits for. It stays named when that fails, for the message."""
    _waits.append(what)
    yield
    _waits.remove(what)


def figure(name: str, value: float, unit: str, better: str = "less") -> None:
    """A figure of this run. `better`: `less` or `more`; `bench-against` takes the best of its rounds by it."""
    _figures.append({"name": name, "value": float(f"{value:.6g}"), "unit": unit, "better": better})


def run(bench: str, main: Callable[[], object], limit_s: float) -> int:
    """Runs a benchmark within its limit; the last line on stdout is {"bench", "figures"}. Exit code: that of `main` (None and True: 0,
    False: 1), or OUT_OF_TIME."""
    limit_s *= float(os.environ.get("CROWBAR_BENCH_TIMES", "1"))
    begun = time.monotonic()
    signal.signal(signal.SIGALRM, _stop)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        said = main()
        signal.setitimer(signal.ITIMER_REAL, 0)
    except OutOfTime as out:
        print(f"bench_{bench}: ended after {time.monotonic() - begun:.0f} s, its limit; waited for {out}", file=sys.stderr, flush=True)
        return OUT_OF_TIME
    print(json.dumps({"bench": bench, "figures": _figures}), flush=True)
    return int(not said) if isinstance(said, bool) else int(said) if isinstance(said, int) else 0


def _stop(*_: object) -> None:
    last = threading.Timer(GRACE_S, os._exit, [OUT_OF_TIME])
    last.daemon = True
    last.start()
    raise OutOfTime(_waits[-1] if _waits else "its own work: nothing else was named")
