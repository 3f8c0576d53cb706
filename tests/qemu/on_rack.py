"""Brings a rack of QEMU machines from off to ready and looks at each by SSH: `on_rack.py STORE NODES SECONDS [secrets]`.

Begins anew in the rack's namespace, as the command line does. The journal goes to standard error while it grows; one JSON object is printed.
With `secrets` such are planted, and searched for in all that the run wrote and sent (`planted`).
"""

from __future__ import annotations

import importlib.resources
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import planted
from scene import in_error, owner_is_gone

from engine.api.control import Store, Story, plan_file, settled, shipped, summary, to_json
from engine.api.running import Rehearsal, with_nodes
from engine.effects import Accept
from engine.events import Operate
from engine.model import Kind

ASK = "hostname; uname -r; ip -4 -o address show scope global; lsblk -rno NAME,TYPE,MOUNTPOINT; cat /proc/sys/kernel/random/boot_id"


def by_ssh(store: Path, address: str, command: str = ASK, stdin: str = "") -> dict[str, Any]:
    """What an installed machine says of itself to who has the engine's key."""
    key = store.with_name(store.name + ".keys") / "engine_ed25519"
    options = ["BatchMode=yes", "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "ConnectTimeout=30", "LogLevel=ERROR"]
    words = ["ssh", "-F", "/dev/null", "-i", str(key), *(word for option in options for word in ("-o", option)), f"root@{address}", command]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=300, check=False)
    lines = done.stdout.splitlines()
    return {"exit": done.returncode, "errors": done.stderr[-500:], "lines": lines}


def told(reader: Store, story: Story, after: int) -> int:
    for row in reader.journal(after):
        after = row.seq
        print(json.dumps(story.tell(row)), file=sys.stderr, flush=True)
    return after


def main(store: Path, nodes: int, seconds: float, secrets: bool = False) -> int:
    text = (importlib.resources.files("crowbar_tui") / "plans" / "qemu-rack.yml").read_text(encoding="utf-8")
    catalog = planted.catalog() if secrets else shipped()
    if secrets:
        os.environ |= planted.VARIABLES
        text = planted.plan(text)
    plan = with_nodes(plan_file.read(text, "qemu-rack.yml", catalog), nodes)
    run = Rehearsal(store, plan, nodes, 1, "max", "tests", kind="qemu")
    words = run.way_in([sys.executable, *sys.argv])
    if words:
        os.execve(words[0], words, dict(os.environ))
    run.engine.catalog = catalog
    wire = store.parent / "wire"
    with run, planted.taken(wire) if secrets else nullcontext({}) as taken:
        verdict = brought_up(run, nodes, seconds)
        found = seen(run, store, verdict)
        if secrets and verdict == "ready":
            found["secrets"] = searched(run, store, wire, taken)
        print(json.dumps(found))
    return 0


def brought_up(run: Rehearsal, nodes: int, seconds: float) -> str:
    """The verdict at the end; the journal is told while it grows."""
    engine, end, seq, story = run.engine, time.monotonic() + seconds, 0, Story()
    reader = engine.reader()
    while (
        (verdict := settled(engine.world, nodes)) not in ("ready", "stuck")
        and time.monotonic() < end
        and not in_error(engine.world)
        and not owner_is_gone()
    ):
        seq = told(reader, story, seq)
        engine.wait(seq, 1.0)
    told(reader, story, seq)
    reader.close()
    return verdict


def seen(run: Rehearsal, store: Path, verdict: str) -> dict[str, Any]:
    """The rack as the engine has it, and as each installed machine says."""
    assert run.rack is not None
    world = run.engine.world
    shown = [
        {
            "name": node.name,
            "address": node.address,
            "firmware": node.firmware,
            "boots": node.boots,
            "runs": node.runs,
            "boot_id": node.boot_id,
            "ssh": by_ssh(store, node.address) if verdict == "ready" else {},
        }
        for node in world.nodes.values()
        if node.kind is Kind.SERVER
    ]
    return {"verdict": verdict, "summary": to_json(summary(world)), "machines": run.rack.machines(), "nodes": shown}


def searched(run: Rehearsal, store: Path, wire: Path, taken: dict[str, Any]) -> dict[str, Any]:
    """Where the planted secrets were found, after the password of the BMCs was used."""
    engine = run.engine
    asked = [
        engine.ask(Operate(who="tests", node=node.name, verb="power", value={"action": "status"}), 120.0)
        for node in engine.world.nodes.values()
        if node.kind is Kind.SERVER
    ]
    secrets = planted.on_machines(store, engine.world, partial(by_ssh, store)) | {"asked": sum(isinstance(one, Accept) for one in asked)}
    planted.end(taken)
    taken["told"].pop("flows")
    secrets |= {"wire": taken["told"]} | planted.search(store, wire, planted.shown(store))
    secrets["replayed"] = planted.replayed(engine.world, secrets["nonces"])
    return secrets


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:] == ["secrets"]))
