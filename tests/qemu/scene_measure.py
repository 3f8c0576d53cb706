"""A scene: machines from off to ready, and what that cost the engine: `scene_measure.py STORE NODES SECONDS`.

One line of JSON: the verdict, seconds, the engine process's own processor seconds and memory, and the octets on the wire by service.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import planted
from scene import Scene

from engine.api.control import settled, summary, to_json


def main(store: Path, nodes: int, seconds: float) -> None:
    found: dict[str, Any] = {}
    with Scene(store, nodes) as scene:
        start = resource.getrusage(resource.RUSAGE_SELF)
        with planted.taken(store.parent / f"{store.name}.wire") as wire:
            try:
                found["seconds"] = scene.ready(seconds)
            except AssertionError as late:
                found["why"] = str(late)[:300]
            found["verdict"] = settled(scene.engine.world, nodes)
            planted.end(wire)
        used = resource.getrusage(resource.RUSAGE_SELF)
        found["cpu_s"] = round(used.ru_utime + used.ru_stime - start.ru_utime - start.ru_stime, 1)
        found["memory_mb"] = used.ru_maxrss // 1024
        found["services"] = wire["told"]["services"]
        found["summary"] = to_json(summary(scene.engine.world))
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
