"""Switches that do not answer at first: their role is tried again, and no node uses a VLAN before its switch has it."""

from __future__ import annotations

from pathlib import Path

from faulty_rack import PLAN, faulty

from engine.files import plan_file
from engine.files.catalog import shipped

SWITCHED = (
    PLAN.replace(
        "racks:\n", "  storage: {subnet: 10.44.0.0/20, vlan: 200, conduit: 1g1, ranges: {host: 10.44.0.21-10.44.15.250}}\nracks:\n"
    )
    .replace(
        "rules:\n",
        'attributes: {switch-access: {"*": {driver: cumulus}, tor1: {address: 192.168.124.250}, tor2: {address: 192.168.124.251}}}\nrules:\n',
    )
    .replace("roles: {network-admin: all,", "roles: {network-admin: all, network-storage: all, switch-ports: all,")
)


def test_the_order_holds_although_the_switches_are_silent_at_first(tmp_path: Path) -> None:
    wanted = plan_file.read(SWITCHED, "plan.yml", shipped())
    with faulty(tmp_path, "faults: {all: {silent_devices: 3}}\n", nodes=1, wanted=wanted) as rack:
        rack.all_ready()
        roles = rack.engine.world.node_roles
        uses = next(one for key, one in roles.items() if key[1] == "network-storage")
        made = {key[0]: one for key, one in roles.items() if key[1] == "switch-ports"}
        assert len(made) == 2
        assert {key[0] for key in uses.parents if key[1] == "switch-ports"} == set(made)
        assert uses.started >= max(one.ended for one in made.values()), "the VLAN was there first"
        assert rack.rack.status()["counters"]["device-silent"] == 6
