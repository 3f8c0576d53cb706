"""Roles that the engine carries out by the machines' own BMCs, on a rack of simulated machines: BIOS settings, firmware, volumes.

The third machine's BMC speaks Redfish, those of the others IPMI only. Its maker is Supermicro, by which a rule puts it into the group `mine`.
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
from engine.racks.bmc.redfish_insides import image


def wanted(attributes: str, roles: str, approve: str = "blank") -> Plan:
    """The usual plan with these attributes instead of its BIOS settings and its volume, and with these roles besides."""
    text = PLAN.replace("      bios-wanted: {virtualization: enabled}\n      raid-wanted: {level: raid1}\n", attributes)
    text = text.replace("wipe: blank", f"wipe: {approve}").replace("{network-admin: all,", f"{{{roles}, network-admin: all,")
    text = text.replace("  - {match: {}", '  - {match: {vendor: Supermicro}, group: mine, name: "node-{number}"}\n  - {match: {}')
    return plan_file.read(text, "plan.yml", shipped())


@contextmanager
def rack_of(
    tmp_path: Path, attributes: str, roles: str, faults: str = "{}", nodes: int = 3, approve: str = "blank"
) -> Iterator[FaultyRack]:
    with faulty(tmp_path, f"faults: {faults}", nodes=nodes, wanted=wanted(attributes, roles, approve)) as rack:
        yield rack


def gave(rack: FaultyRack, machine: str, role: str, name: str) -> Any:
    node = rack.node(machine)
    assert node is not None
    return rack.engine.world.node_roles[node.id, role].gave.get(name)


def boots(rack: FaultyRack) -> dict[str, Any]:
    return {machine["name"]: machine["boots"] for machine in rack.rack.machines()}


BIOS = "      bios-wanted: {virtualization: enabled, post-delay: 5}\n"


def test_bios_by_the_bmc_with_one_reboot(tmp_path: Path) -> None:
    """m3 gets its settings from its BMC, the others theirs in band: each with one reboot. A replay changes nothing."""
    with rack_of(tmp_path, BIOS, "bios-bmc: all") as rack:
        rack.all_ready()
        for name in ("m1", "m2", "m3"):
            assert rack.machine(name)["bios"]["virtualization"] == "enabled"  # type: ignore[index]
        assert gave(rack, "m3", "bios-bmc", "bios-report")["way"] == "redfish"
        assert gave(rack, "m1", "bios-bmc", "bios-report")["way"] == "kernel"
        assert boots(rack) == {"m1": 2, "m2": 2, "m3": 2}


FIRMWARE = """\
      firmware-wanted:
        - {part: bios, version: 3.0.0, file: bios-3.0.0.bin}
        - {part: bmc, version: "2.1", file: bmc-2.1.bin}
"""


def shelve(tmp_path: Path, **versions: str) -> None:
    """Files that the plan's wishes name, in the store's folder."""
    folder = tmp_path / "store" / "firmware"
    folder.mkdir(parents=True)
    for part, version in versions.items():
        (folder / f"{part}-{version}.bin").write_bytes(image(part, version))


def test_firmware_of_the_machine_and_of_its_bmc(tmp_path: Path) -> None:
    shelve(tmp_path, bios="3.0.0", bmc="2.1")
    with rack_of(tmp_path, FIRMWARE, "firmware-bmc: {group: mine}") as rack:
        rack.all_ready()
        print(boots(rack), gave(rack, "m3", "firmware-bmc", "firmware-report"))


VOLUMES = """\
      raid-wanted: {volumes: [{level: raid1, name: os, boot: true}, {level: raid1, name: data}]}
"""


def test_volumes_by_the_bmc(tmp_path: Path) -> None:
    """The BMC makes them of the chosen drives, and the system goes on the one to boot from, which the kernel knows by its WWN."""
    with rack_of(tmp_path, VOLUMES, "raid-bmc: {group: mine}, raid-configure: {group: mine}", approve="all") as rack:
        rack.all_ready()
        made, volumes = gave(rack, "m3", "raid-bmc", "raid-volumes-bmc"), gave(rack, "m3", "raid-configure", "volumes")
        print(made, volumes, boots(rack), rack.rack.disks())
