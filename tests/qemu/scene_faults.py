"""Scenes of what goes wrong: `scene_faults.py STORE ... SCENE`. Prints how each machine ended, and what the scenario did.

A scene is over when all is ready, or when nothing has moved for SETTLED_S and all that is left waits for a person.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scene import Scene

from engine.api.control import image_states, servers, settled, summary, topology
from engine.events import Operate
from engine.model import Node, NodeRole, State
from engine.racks.qemu.spec import guests

SETTLED_S = 20.0
ASK = "hostname; findmnt -no SOURCE /; cat /etc/crowbar/installed; cat /proc/sys/kernel/random/boot_id"

DISKS = """\
scenario: 1
faults:
  m1: {disks_mb: []}
  m2: {disks_mb: [1024]}
"""

WIRES = """\
scenario: 1
patience: 0.5
faults:
  m1: {cables: {1g1: ""}}
  m2: {cables: {1g0: ""}}
then:
  - {when: {machine: m1, reaches: os-install, percent: 20}, do: {fault: {cables: {1g0: "", 1g1: ""}}}}
  - {when: {machine: m1, reaches: os-install, percent: 20}, after: 40s, do: {fault: {cables: {1g1: ""}}}}
  - {when: {machine: m3, reaches: bios-configure}, do: [{fault: {cables: {1g0: ""}}}, {power: cycle}]}
"""

POWER = """\
scenario: 1
patience: 0.5
faults:
  m1: {bmc: lies}
then:
  - {when: {machine: m1, reaches: bios-configure}, do: {power: off}}
  - {when: {machine: m2, reaches: os-install, percent: 20}, do: {power: off}}
  - {when: {machine: m3, reaches: os-install, percent: 20}, do: {fault: {disk_fails: true}}}
"""

KILLS = """\
scenario: 1
then:
  - {when: {machine: m1, reaches: firmware}, after: 2s, do: {power: cycle}}
  - {when: {machine: m1, reaches: loader}, do: {power: cycle}}
  - {when: {machine: m1, reaches: kernel}, after: 2s, do: {power: cycle}}
  - {when: {machine: m1, reaches: inventory}, do: {power: cycle}}
  - {when: {machine: m1, reaches: os-install, percent: 30}, do: {power: cycle}}
  - {when: {machine: m1, reaches: disk}, do: {power: cycle}}
  - {when: {machine: m1, reaches: ntp-client}, do: {power: cycle}}
"""


def machine_of(scene: Scene, node: Node) -> str:
    names = {nic.mac: guest.name for guest in guests(scene.run._spec) for nic in guest.nics}  # type: ignore[arg-type]
    return next(names[mac] for mac in node.macs if mac in names)


def over(scene: Scene) -> Callable[[], bool]:
    since: list[float] = []

    def so() -> bool:
        verdict = settled(scene.engine.world, scene.nodes)
        if verdict not in ("stuck", "silent"):
            since.clear()
            return verdict == "ready"
        since.append(time.monotonic())
        return since[-1] - since[0] > SETTLED_S

    return so


def end(scene: Scene, seconds: float) -> dict[str, Any]:
    """How each machine ended, once the scene is over."""
    took = scene.until(over(scene), "the end", seconds, errors=True)
    world, told = scene.engine.world, summary(scene.engine.world)
    found: dict[str, Any] = {
        "verdict": settled(world, scene.nodes),
        "took_s": took,
        "counters": scene.rack.status()["counters"],
        "machines": {},
    }
    for node in servers(world):
        roles = [world.node_roles[key] for key in world.roles_of.get(node.id) or ()]
        why = told.waiting.get(node.name)
        row = {
            "name": node.name,
            "stage": node.stage,
            "runs": node.runs,
            "boots": node.boots,
            "boot_id": node.boot_id,
            "done": sorted(role.role for role in roles if role.state is State.ACTIVE),
            "tries": {role.role: role.tries for role in roles if role.tries},
            "code": why.code if why else "",
            "why": why.sentence if why else "",
            "advice": why.advice if why else "",
        }
        if why is None:
            row["ssh"] = scene.ssh(ASK, address=node.address).splitlines()
        found["machines"][machine_of(scene, node)] = row
    done = scene.run.folder / "scenario.done"
    found["happened"] = done.read_text(encoding="ascii").split() if done.exists() else []
    found["starts"] = {one["name"]: one["boots"] for one in scene.rack.machines()}
    return found


def kills(store: Path) -> dict[str, Any]:
    """The cord of one machine is pulled and put in again in each stage."""
    with Scene(store, machines={"firmware": "seabios"}, scenario=KILLS) as scene:
        return end(scene, 3000)


def disks(store: Path) -> dict[str, Any]:
    """A machine without a disk, one whose disk is too small, and one where all is well."""
    with Scene(store, 3, scenario=DISKS) as scene:
        return end(scene, 2400)


def wires(store: Path) -> dict[str, Any]:
    """The line breaks in mid-image; a machine whose boot NIC has no cable; one that loses it before it boots again."""
    with Scene(store, 3, scenario=WIRES) as scene:
        found = end(scene, 3000)
        found["never_seen"] = scene.nodes - len(found["machines"])
        texts = [file.read_text(encoding="utf-8", errors="replace") for file in (store / "logs").glob("*.log")]
        found["writer"] = next((text for text in texts if "os-install: debian-12 goes to" in text), "")
        found["links"] = [[link.node, link.link, link.check, link.why] for link in topology(scene.engine.world).links if link.why]
        return found


def power(store: Path) -> dict[str, Any]:
    """A BMC that accepts and ignores; a machine that stays off in mid-image; a disk that fails in mid-image."""
    with Scene(store, 3, scenario=POWER) as scene:
        return end(scene, 3000)


def image(store: Path) -> dict[str, Any]:
    """The image's file is changed while it is written, then taken away while it is written, then it is as it was. $CROWBAR_IMAGES is the scene's own."""
    file = Path(os.environ["CROWBAR_IMAGES"]) / "debian-12" / "root.ext4.zst"
    whole = file.read_bytes()
    found: dict[str, Any] = {}
    with Scene(store, machines={"firmware": "seabios"}) as scene:
        scene.until(lambda: _percent(scene) >= 20, "the image is being written", 900)
        _change(file)
        found["changed"] = _failed(scene)
        found["states"] = [row for row in image_states(store) if row["name"] == "debian-12"]
        _retry(scene)
        found["retried"] = _failed(scene)
        file.write_bytes(whole)
        since = _retry(scene)
        scene.until(lambda: _percent(scene, since) >= 20, "the image is being written again", 900)
        file.unlink()
        found["gone"] = _failed(scene)
        file.write_bytes(whole)
        _retry(scene)
        return found | end(scene, 2400)


def _change(file: Path) -> None:
    """The last octet, in place: the size stays."""
    with file.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        last = stream.read(1)
        stream.seek(-1, os.SEEK_END)
        stream.write(bytes([last[0] ^ 1]))


def _install(scene: Scene) -> NodeRole:
    return scene.engine.world.node_roles[scene.node.id, "os-install"]


def _percent(scene: Scene, since: float = 0.0) -> float:
    """How far the image is on the disk of the only node, told after that moment."""
    if (
        not scene.servers()
        or (scene.node.id, "os-install") not in scene.engine.world.node_roles
        or _install(scene).state is not State.TRANSITION
    ):
        return 0.0
    progress = scene.engine.last_values.snapshot().progress.get(scene.node.id)
    return progress.percent if progress is not None and progress.at > since and "image" in progress.text else 0.0


def _failed(scene: Scene) -> dict[str, Any]:
    scene.until(lambda: _install(scene).state is State.ERROR, "the install fails", 900, errors=True)
    told = summary(scene.engine.world).waiting[scene.node.name]
    return {"code": told.code, "why": told.sentence, "advice": told.advice}


def _retry(scene: Scene) -> float:
    """The moment at which the operator said so."""
    at = time.time()
    scene.engine.ask(Operate(who="tests", verb="retry", node=scene.node.id, role="os-install"))
    return at


SCENES: dict[str, Callable[[Path], dict[str, Any]]] = {"kills": kills, "disks": disks, "wires": wires, "power": power, "image": image}


if __name__ == "__main__":
    print(json.dumps(SCENES[sys.argv[-1]](Path(sys.argv[1]))))
