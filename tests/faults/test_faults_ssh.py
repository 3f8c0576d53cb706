"""SSH that drops in the middle of a role, and an admin clock that jumps: nothing is lost and nothing runs twice."""

from __future__ import annotations

import time
from pathlib import Path

from faulty_rack import FaultyRack, faulty

from engine.runtime.loop import Clock

SSH = ("network-admin", "ntp-client")


def ran(rack: FaultyRack, *roles: str) -> dict[tuple[str, str], int]:
    """(node, role) -> how many attempts were made, from the journal."""
    reader = rack.engine.reader()
    try:
        found: dict[tuple[str, str], set[str]] = {}
        after = 0
        while rows := reader.journal(after, 1000):
            for row in rows:
                after = row.seq
                for table, key, record in row.changes():
                    if table == "node_roles" and record is not None and key[1] in roles and record.attempt:
                        found.setdefault((key[0], key[1]), set()).add(record.attempt)
        return {key: len(attempts) for key, attempts in found.items()}
    finally:
        reader.close()


def test_ssh_drops_in_the_middle_of_a_role(tmp_path: Path) -> None:
    """As the role starts, and while it is at work: the same attempt is found again on the node."""
    scenario = """\
faults: {all: {work_s: 0.5}}
then:
  - {when: {machine: m1, reaches: ntp-client}, do: {ssh: drop}}
  - {when: {machine: m2, reaches: ntp-client, percent: 1}, do: {ssh: drop}}
  - {when: {machine: m2, reaches: network-admin, percent: 1}, after: 0.3s, do: {ssh: drop}}
"""
    with faulty(tmp_path, scenario) as rack:
        rack.all_ready()
        assert ran(rack, *SSH) == {(node, role): count for node in ("n1", "n2") for role, count in zip(SSH, (2, 1), strict=True)}


def test_the_admin_clock_jumps(tmp_path: Path) -> None:
    """An hour forward, then two back, while everything is under way: no deadline fires and no attempt is made twice."""
    jump = [0.0]
    clock = Clock(wall=lambda: time.time() + jump[0])
    with faulty(tmp_path, "faults: {all: {work_s: 0.2}}", clock=clock) as rack:
        rack.until(lambda: rack.engine.world.meta.attempts >= 3)
        jump[0] = 3600.0
        rack.until(lambda: rack.engine.world.meta.attempts >= 10)
        jump[0] = -3600.0
        rack.all_ready()
        made = ran(rack, "os-install", "raid-configure", *SSH)
        once = {"os-install": 1, "raid-configure": 2, "network-admin": 2, "ntp-client": 1}  # looked at again
        assert made == {(node, role): count for node in ("n1", "n2") for role, count in once.items()}
        assert {rack.machine(m)["boots"] for m in ("m1", "m2")} == {2}
