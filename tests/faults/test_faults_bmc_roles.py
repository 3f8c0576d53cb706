"""Roles that the engine carries out by the machines' own BMCs, on a rack of simulated machines: BIOS settings, firmware, volumes.

All BMCs of these racks speak Redfish. So nothing of it is done in band.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faulty_rack import PLAN, FaultyRack, faulty

from engine.files import plan_file
from engine.files.catalog import shipped
from engine.plan import Plan


def wanted(attributes: str, roles: str) -> Plan:
    """The usual plan with these attributes instead of its BIOS settings and its volume, and with these roles besides."""
    text = PLAN.replace("      bios-wanted: {virtualization: enabled}\n      raid-wanted: {level: raid1}\n", attributes)
    return plan_file.read(text.replace("{network-admin: all,", f"{{{roles}, network-admin: all,"), "plan.yml", shipped())


@contextmanager
def rack_of(tmp_path: Path, attributes: str, roles: str, faults: str = "{}", nodes: int = 3) -> Iterator[FaultyRack]:
    """Its third machine's BMC speaks Redfish, as in each mixed rack."""
    with faulty(tmp_path, f"faults: {faults}", nodes=nodes, wanted=wanted(attributes, roles)) as rack:
        yield rack


def gave(rack: FaultyRack, machine: str, role: str, name: str) -> Any:
    node = rack.node(machine)
    assert node is not None
    return rack.engine.world.node_roles[node.id, role].gave.get(name)


BIOS = "      bios-wanted: {virtualization: enabled, post-delay: 5}\n"


def test_bios_by_the_bmc_with_one_reboot(tmp_path: Path) -> None:
    """m3 gets its settings from its BMC, the others theirs in band: each with one reboot. A replay changes nothing."""
    with rack_of(tmp_path, BIOS, "bios-bmc: all") as rack:
        rack.all_ready()
        for name in ("m1", "m2", "m3"):
            assert rack.machine(name)["bios"]["virtualization"] == "enabled"  # type: ignore[index]
        assert gave(rack, "m3", "bios-bmc", "bios-report")["way"] == "redfish"
        assert gave(rack, "m1", "bios-bmc", "bios-report")["way"] == "kernel"
        print([(m["name"], m["boots"]) for m in rack.rack.machines()])
