"""A scene: a machine from off to a claim that its BMC confirms. `scene_confirm.py STORE 1 SECONDS`; prints what confirmed it, and how fast."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

from scene import Scene


def main(store: Path, seconds: float) -> None:
    found: dict[str, Any] = {}
    with Scene(store, change=lambda text: re.sub(r"(roles|attributes): \{.*\}", r"\1: {}", text)) as scene:
        scene.until(lambda: any(node.runs for node in scene.servers()), "hello", seconds)
        found["hello_s"] = round(time.monotonic() - scene.began, 1)
        scene.until(
            lambda: scene.node.confirmed or (scene.node.notice and scene.node.notice.code == "not_proved"), "a confirmation", seconds
        )
        node = scene.node
        rows = [row.fields for row in scene.run.engine.reader().journal(0, 10_000) if row.event == "Proved"]
        found |= {"confirmed": node.confirmed, "notice": str(node.notice), "challenges": rows}
        found["verdict"] = "ready" if node.confirmed else "not confirmed"
    print(json.dumps(found, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[3]))
