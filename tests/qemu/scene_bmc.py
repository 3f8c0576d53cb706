"""A scene: a machine's BMC sets its BIOS and brings its firmware to wanted versions, while sledgehammer runs on it. `scene_bmc.py STORE 1 SECONDS
FIRMWARE`. Prints what the machine itself says of its processor and its BIOS, and how often it started."""

from __future__ import annotations

import importlib.resources
import json
import re
import sys
from pathlib import Path
from typing import Any

from scene import PLAN, Scene

from engine.api.control import plan_file, shipped
from engine.api.running import with_nodes
from engine.core.roles.derive import done
from engine.racks.bmc.redfish_insides import image
from engine.racks.qemu.spec import Own

ROLES = ("bios-bmc", "firmware-bmc")
LOOK = "grep -c -w svm /proc/cpuinfo || :; dmidecode -s bios-version"
WANTED = {"part": "bios", "version": "1.1.0", "file": "bios.bin"}
OF_BMC = {"part": "bmc", "version": "1.2.0", "file": "bmc.bin"}
STEPS: dict[str, dict[str, Any]] = {
    "as it is": {"bios-wanted": {"ProcVirtualization": "Enabled"}},
    "one setting": {"bios-wanted": {"ProcVirtualization": "Disabled", "ProcAes": "Enabled"}},
    "the same again": {"bios-wanted": {"ProcVirtualization": "Disabled"}},
    "firmware of the BMC": {"bios-wanted": {"ProcVirtualization": "Disabled"}, "firmware-wanted": [OF_BMC]},
    "firmware of the machine": {"bios-wanted": {"ProcVirtualization": "Disabled"}, "firmware-wanted": [OF_BMC, WANTED]},
}


def text_of(attributes: dict[str, Any]) -> str:
    text = (importlib.resources.files("crowbar_tui") / "plans" / PLAN).read_text(encoding="utf-8")
    text = text.replace("{target-os: debian-12}", json.dumps({"target-os": "debian-12"} | attributes))
    return re.sub(r"roles: \{.*\}", "roles: {bios-bmc: all, firmware-bmc: all}", text)


def is_done(scene: Scene) -> bool:
    world = scene.engine.world
    if not scene.servers() or not scene.node.alive:
        return False
    roles = [world.node_roles.get((scene.node.id, name)) for name in ROLES]
    return all(one is not None and done(world, one) for one in roles)


def seen(scene: Scene) -> dict[str, Any]:
    features, version = scene.ssh(LOOK).split()
    world = scene.engine.world
    gave = {name: world.node_roles[scene.node.id, name] for name in ROLES}
    return {
        "boots": scene.rack.machines()[0]["boots"],
        "svm": int(features) > 0,
        "version": version,
        "settings": gave["bios-bmc"].gave["bios-report"],
        "firmware": gave["firmware-bmc"].gave["firmware-report"],
    }


def main(store: Path, seconds: float, firmware: str) -> None:
    found: dict[str, Any] = {}
    (store / "firmware").mkdir(parents=True, exist_ok=True)
    for part, version in (("bios", "1.1.0"), ("bmc", "1.2.0")):
        (store / "firmware" / f"{part}.bin").write_bytes(image(part, version))
    machines = {"firmware": firmware, "disks_mb": (512,), "machines": {"m1": Own(bmc="redfish")}}
    first, *others = STEPS
    with Scene(store, machines=machines, change=lambda _: text_of(STEPS[first])) as scene:
        scene.until(lambda: is_done(scene), first, seconds)
        found[first] = seen(scene)
        for step in others:
            answer = scene.engine.commit(with_nodes(plan_file.read(text_of(STEPS[step]), PLAN, shipped()), 1), "tests")
            found[step] = {"took_s": scene.until(lambda: is_done(scene), step, seconds), **seen(scene)}
            print(step, found[step], answer, file=sys.stderr, flush=True)
        found["verdict"] = "ready"
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[3]), sys.argv[4])
