"""Which disks a burn-in may write: all of a machine without data, or none."""

from __future__ import annotations

from typing import Any

import pytest

from engine.core.hardware.burn_choice import burn_choice, burn_disks
from engine.core.world.load import load_world
from engine.files.catalog import shipped
from engine.model import Node, NodeRole, State


def disk(name: str, **more: Any) -> dict[str, Any]:
    about = {"name": name, "size": 10**12, "serial": f"S-{name}", "rotational": True, "signature": "", "transport": "sata"}
    return about | {"wwn": f"naa.5000c500{ord(name[-1]):08x}"} | more


def choice(*disks: dict[str, Any], wanted: Any = (), roles: tuple[NodeRole, ...] = ()) -> tuple[list[str], str]:
    """Names of the disks, and the code of the refusal."""
    node = Node(id="n1", name="n1")
    told = NodeRole(node="n1", role="inventory", deployment="system", gave={"disks": list(disks)})
    world = load_world(shipped(), {"nodes": {"n1": node}, "node_roles": {one.key: one for one in (told, *roles)}})
    found = burn_choice(world, node, list(wanted))
    role = NodeRole(node="n1", role="burn-in-write", deployment="system", approved="ada")
    value = burn_disks(world, node, role, list(wanted))
    assert isinstance(value, dict)
    assert bool(value.get("refused")) == (found.refused is not None)
    assert [one["name"] for one in value["disks"]] == ([one.name for one in found.taken] if found.refused is None else [])
    return [one.name for one in found.taken], found.refused.code if found.refused is not None else ""


def test_all_blank_disks_of_a_new_machine() -> None:
    assert choice(disk("sda"), disk("sdb")) == (["sda", "sdb"], "")
    assert choice(disk("sda"), disk("sdb"), wanted=["S-sdb"]) == (["sdb"], "")


@pytest.mark.parametrize(
    ("disks", "wanted", "code"),
    [
        ((disk("sda"), disk("sdb", signature="gpt")), (), "burn_in_data"),
        ((disk("sda"), disk("sdb", signature="gpt")), ("S-sda",), "burn_in_data"),
        ((disk("sda", signature="unknown"),), (), "burn_in_data"),
        ((disk("sda", serial=""),), (), "wipe_none"),
        ((disk("sda", used="/"),), (), "wipe_none"),
        ((disk("sda"),), ("S-other",), "wipe_unknown"),
        ((), (), "wipe_none"),
    ],
)
def test_a_machine_with_data_is_not_written(disks: tuple[dict[str, Any], ...], wanted: tuple[str, ...], code: str) -> None:
    assert choice(*disks, wanted=wanted) == ([], code)


def test_a_remote_disk_is_neither_written_nor_in_the_way() -> None:
    lun = disk("sdc", remote=True, transport="fc", signature="gpt")
    assert choice(disk("sda"), lun) == (["sda"], "")


def test_an_installed_system_bars_it_and_a_wipe_opens_it() -> None:
    gave = {"system-disk": {"name": "sda"}, "installed-os": "debian-12"}
    wiped = NodeRole(
        node="n1",
        role="disk-wipe",
        deployment="system",
        state=State.ACTIVE,
        gave={"wipe-certificates": [{"serial": "S-sda"}, "odd"]} | gave,
    )
    assert choice(disk("sda", signature="gpt"), roles=(wiped,)) == (["sda"], "")
    failed = NodeRole(node="n1", role="disk-wipe", deployment="system", state=State.ERROR, gave=wiped.gave)
    assert choice(disk("sda", signature="gpt"), roles=(failed,)) == ([], "burn_in_data")
