"""One of several engines on a shared store, as a program of its own: `python member_process.py STORE NAME LANE TAKE_OVER_S [PLAN [ADDRESS]]`.

It serves on a lane of loopback, and writes one JSON line for each batch of effects that it really carries out, and each time it leads:
`{"led": epoch}`, `{"effect": class, ...}`. It ends in order at SIGTERM. A plan is committed when it leads first. With ADDRESS it serves bytes there while it follows.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from engine.effects import Accept
from engine.files.catalog import shipped
from engine.files.paths import keys_beside
from engine.files.plan_file import read_file
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.runtime.member import Member
from engine.wire.reach import Reach


def say(**what: Any) -> None:
    print(json.dumps({**what, "at": time.monotonic()}), flush=True)


def note(engine: Engine) -> None:
    """Writes what the runner begins from now on."""
    runner = engine._runner
    run = runner.run

    def noted(effects: list[Any]) -> None:
        for effect in effects:
            say(effect=type(effect).__name__, node=getattr(effect, "node", ""))
        run(effects)

    runner.run = noted  # type: ignore[method-assign]


def main(store: str, name: str, lane: str, take_over_s: str, plan: str = "", address: str = "") -> int:
    path = Path(store)
    config = Config(
        store=path,
        keys=keys_beside(path),
        reach=Reach(int(lane)),
        synthetic=True,
        bmc_rest_s=0.0,
        name=name,
        address=address,
        take_over_s=float(take_over_s),
    )

    def led(engine: Engine) -> str:
        note(engine)
        assert engine.tenure is not None
        say(led=engine.tenure.epoch)
        if plan and engine.world.plan is None:
            answer = engine.commit(read_file(Path(plan), shipped()), "test")
            if not isinstance(answer, Accept):
                return str(answer)
        return ""

    member = Member(config, led=led)
    signal.signal(signal.SIGTERM, lambda *_: member.stop())
    found: list[str] = []
    worker = threading.Thread(target=lambda: found.append(member.run()))
    worker.start()
    worker.join()
    say(ended=found[0] if found else "it raised")
    return 0 if found == [""] else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
