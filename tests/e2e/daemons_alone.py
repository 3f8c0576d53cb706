"""Run in a network namespace of its own: the whole engine with its own daemons on the admin node, and no rack.

`python daemons_alone.py STORE OWNER`: OWNER is a folder with `owner.pid`; the daemons end with that process. Prints one line of JSON per
step; exit 0 if all went as it must.
`python daemons_alone.py STORE`: as on an admin node without systemd. Once all daemons run, it prints their process ids and kills itself.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from engine.definitions import Catalog
from engine.effects import Accept
from engine.events import Operate
from engine.files.catalog import shipped
from engine.files.paths import keys_beside
from engine.files.plan_file import read
from engine.model import State
from engine.runtime.config import Config
from engine.runtime.engine import Engine
from engine.views.summary import summary

ADDRESS = "192.168.124.10"
LIMIT_S = 60.0
LOOK_S = 1.0
PLAN = f"""\
crowbar: 1
site: {{name: r1, domain: r1.test, admin: {{address: {ADDRESS}}}}}
networks:
  admin: {{subnet: 192.168.124.0/24, ranges: {{dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}}}}
deployments:
  cloud: {{roles: {{log-server: admin}}}}
"""
ROLES = {"ntp-server": ("ntp", "chrony.conf"), "log-server": ("logging", "rsyslog.conf")}


def wait(so: Callable[[], object], what: str) -> float:
    """Seconds until it is so."""
    begun = time.monotonic()
    while not so():
        if time.monotonic() > begun + LIMIT_S:
            raise SystemExit(f"not within {LIMIT_S:.0f} s: {what}")
        time.sleep(0.05)
    return round(time.monotonic() - begun, 2)


def main(store: Path, owner: Path | None) -> None:
    for words in (["link", "set", "lo", "up"], ["address", "add", f"{ADDRESS}/24", "dev", "lo"]):
        subprocess.run(["ip", *words], check=True)
    catalog = shipped()
    quick = {name: replace(catalog.roles[name], watch_s=LOOK_S) for name in ROLES}
    catalog = replace(catalog, roles=catalog.roles | quick)
    engine = Engine(Config(store=store, keys=keys_beside(store), interface="lo", rack=owner), catalog=catalog)
    engine.start()
    try:
        answer = engine.commit(read(PLAN, "plan.yml", catalog), "test")
        assert isinstance(answer, Accept), answer
        if owner is None:
            end(engine, store)
        for role, (name, file) in ROLES.items():
            one(engine, store, role, name, file)
        leaves(engine, store, catalog)
    finally:
        engine.stop()


def end(engine: Engine, store: Path) -> None:
    """Kill this process once its daemons run."""
    kept = [store / "services" / name / ".service/pid" for name, _ in ROLES.values()]

    def pids() -> list[int]:
        found = [int(file.read_text().split()[0]) for file in kept if file.exists()]
        return [pid for pid in found if Path(f"/proc/{pid}").exists()]

    wait(lambda: len(pids()) == len(ROLES), "all daemons run")
    wait(lambda: all(engine.world.node_roles[("admin", role)].state is State.ACTIVE for role in ROLES), "all roles are active")
    print(json.dumps(pids()), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def leaves(engine: Engine, store: Path, catalog: Catalog) -> None:
    """The plan no longer has log-server, and then has it again."""
    kept = store / "services/logging"
    before = int((kept / ".service/pid").read_text().split()[0])
    answer = engine.commit(read(PLAN.partition("deployments:")[0], "plan.yml", catalog), "test")
    assert isinstance(answer, Accept), answer
    wait(lambda: not Path(f"/proc/{before}").exists() and not (kept / ".service").exists(), "rsyslogd has ended")
    assert (kept / "rsyslog.conf").exists(), "what the daemon has stays"
    answer = engine.commit(read(PLAN, "plan.yml", catalog), "test")
    assert isinstance(answer, Accept), answer
    wait(lambda: engine.world.node_roles[("admin", "log-server")].state is State.ACTIVE, "log-server is active again")
    after = int((kept / ".service/pid").read_text().split()[0])
    assert Path(f"/proc/{after}").exists()


def one(engine: Engine, store: Path, role: str, name: str, file: str) -> None:
    """Kill the daemon of a role; change its file; put it right."""
    kept = store / "services" / name

    def pid() -> int:
        try:
            return int((kept / ".service/pid").read_text().split()[0])
        except (OSError, ValueError, IndexError):
            return 0

    def now() -> State:
        found = engine.world.node_roles.get(("admin", role))
        return found.state if found is not None else State.PROPOSED

    def findings() -> list[str]:
        return [one.why.sentence for one in summary(engine.world).findings if one.role == role]

    wait(lambda: now() is State.ACTIVE, f"{role} is active")
    before, rows = pid(), engine.seq
    looks = engine.world.watches[("admin", role)].looks
    wait(lambda: engine.world.watches[("admin", role)].looks >= looks + 2, f"{role} is looked at")
    with engine.reader() as reader:
        told = [row.event for row in reader.journal(rows) if row.event == "Found"]
    assert told == [], f"looks at {role} write history"
    os.kill(before, signal.SIGKILL)
    repaired = wait(lambda: pid() not in (0, before) and now() is State.ACTIVE, f"{role} is repaired")
    text = (kept / file).read_text()
    (kept / file).write_text(text + "# by hand\n")
    found = wait(findings, f"{role} has a finding")
    (sentence,) = findings()
    assert now() is State.ACTIVE
    assert (kept / file).read_text() != text, "nothing is overwritten"
    told = engine.ask(Operate(who="op", verb="retry", node="admin", role=role))
    assert isinstance(told, Accept), told
    right = wait(lambda: (kept / file).read_text() == text and not findings() and now() is State.ACTIVE, f"{role} is right")
    print(json.dumps({"role": role, "repaired": repaired, "found": found, "right": right, "finding": sentence}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
