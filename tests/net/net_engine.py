"""The real engine on a plan, as a program of its own: `python net_engine.py STORE PLAN INTERFACE [built]`.

Says `{"ready": true}` when it serves, then answers each line of standard input (`leases`, `nodes`, `sightings`, `counters`, `memory`, `profile`, `quit`) with one line of
JSON. Ends in order at the end of its input. `profile` starts a profile of the engine's loop; `quit` prints it to standard error.
With `built` it serves the images in STORE/images, else such as simulated machines take. An interface `lane:N` is a lane of loopback.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import resource
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from msgspec import to_builtins

from engine.effects import Accept
from engine.files.catalog import shipped
from engine.files.plan_file import read_file
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.wire.reach import Reach


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def counters(engine: Engine) -> dict[str, Any]:
    out: dict[str, Any] = {"live": engine.last_values.snapshot().counters, "seq": engine.seq, "failure": engine.failure}
    for service in engine.services.running:
        found = service.counters
        out[type(service).__name__.removesuffix("s")] = found() if callable(found) else to_builtins(found)
    out["loop"] = {k: v for k, v in to_builtins(engine.loop.health()).items() if k != "letters"}
    out["letters"] = [letter.error for letter in engine.loop.health().letters]
    used = resource.getrusage(resource.RUSAGE_SELF)
    out["cpu_s"] = used.ru_utime + used.ru_stime
    return out


def installed(engine: Engine, node: str, quirk: str = "") -> bool:
    """Puts the node into a state in which it is to boot its disk, without an install."""
    from msgspec.structs import replace

    from engine.core.world.work import Work
    from engine.model import Boot, Value, Way

    loop: Any = engine.loop

    def change() -> None:
        work = Work(loop.world)
        old = work.nodes[node]
        boot = Boot(
            generation=old.intent.generation + 1, way=Way.DISK, environment="debian-12", ordered=False, at=0.0, deadline=loop.now() + 3600
        )
        work.put_node(
            replace(old, boot=boot, intent=replace(old.intent, environment="debian-12", generation=boot.generation), runs="", alive=False)
        )
        if quirk:
            work.put(Value(layer="operator", scope=node, name="disk-boot", value=quirk))
        loop.world = work.finish(keep_touched=False)

    change()
    return True


def answer(engine: Engine, word: str, profile: cProfile.Profile) -> Any:
    if word.startswith("installed "):  # the node is to boot its disk from now on
        return installed(engine, *word.split()[1:])
    match word:
        case "leases":
            return [to_builtins(lease) for lease in engine.world.leases.values()]
        case "counters":
            return counters(engine)
        case "nodes":
            return [to_builtins(node) for node in engine.world.nodes.values()]
        case "sightings":
            return [to_builtins(one) for one in engine.world.sightings.values()]
        case "memory":
            return resident_bytes()
        case "profile":
            turn = engine.loop.turn
            engine.loop.turn = lambda: profile.runcall(turn)  # type: ignore[method-assign]
            return True
    return None


def main(store: str, plan: str, interface: str, images: str = "") -> None:
    lane = interface.removeprefix("lane:") if interface.startswith("lane:") else ""
    config = Config(
        store=Path(store),
        keys=Path(store + ".keys"),
        interface=None if lane else interface,
        reach=Reach(int(lane)) if lane else Reach(),
        synthetic=images != "built",
    )
    engine = Engine(config)
    profile = cProfile.Profile()
    engine.start()
    try:
        if engine.world.plan is None:
            answered = engine.commit(read_file(Path(plan), shipped()), "test")
            assert isinstance(answered, Accept), answered
        print(json.dumps({"ready": True}), flush=True)
        for line in sys.stdin:
            word = line.strip()
            if word == "quit":
                break
            print(json.dumps(answer(engine, word, profile)), flush=True)
    finally:
        engine.stop()
    if profile.getstats():
        pstats.Stats(profile, stream=sys.stderr).sort_stats("tottime").print_stats(40)


if __name__ == "__main__":
    main(*sys.argv[1:])
