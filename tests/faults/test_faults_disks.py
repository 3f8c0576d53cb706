"""Racks whose disks are not as one would like them: what is written, what is never written, and what a confirmation shows of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from faulty_rack import PLAN, FaultyRack, faulty

from engine.files import plan_file
from engine.files.catalog import shipped
from engine.views.preview import preview

ODD = "faults: {m1: {odd_disks: true}}"


def rows(rack: FaultyRack, machine: str) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in rack.rack.disks() if row["machine"] == machine}


@pytest.mark.parametrize("level", ["raid1", "none"])
def test_hot_plug_disks_behind_an_emmc_and_a_lun(tmp_path: Path, level: str) -> None:
    """The LUN is sda, over four paths. It and the eMMC are left alone; every bay reports a removable disk, and they are taken all the same."""
    text = PLAN.replace("level: raid1", f"level: {level}")
    with faulty(tmp_path, ODD, wanted=plan_file.read(text, "plan.yml", shipped())) as rack:
        rack.all_ready()
        written = {name for name, row in rows(rack, "m1").items() if row["wipes"]}
        assert written == ({"sde", "sdf", "md0"} if level == "raid1" else {"sde"})
        node = rack.node("m1")
        assert node is not None
        world = rack.engine.world

        # A confirmation of what destroys: by the engine's own knowledge, and as the installed system says over SSH.
        (known,) = preview(world, "reinstall", [node]).nodes
        looks = rack.engine.disks.look([node.id])
        (now,) = preview(world, "reinstall", [node], looks=looks).nodes
        assert (now.asked, now.unseen) == (True, None), looks
        assert now.as_of > known.as_of
        for shown in (known, now):
            assert {one.name for one in shown.disks} == ({"sde", "sdf"} if level == "raid1" else {"sde"})
            assert all(one.signature and "debian-12" in one.use for one in shown.disks), "an installed disk is not blank"
            why = {one.name: one.why for one in shown.kept}
            assert why["sda"] == "the disk has 4 paths (sda, sdb, sdc, sdd), and the engine never writes to a disk with several paths"
            assert all(why.values())

        # What a machine without power says: nothing, with the reason; and the view stays as old as it is.
        rack.rack.off("m1")
        rack.until(lambda: (found := rack.node("m1")) is not None and not rack.engine.disks.look([found.id])[found.id].at)
        (away,) = preview(world, "reinstall", [node], looks=rack.engine.disks.look([node.id])).nodes
        assert (away.asked, away.as_of) == (False, known.as_of)
        assert away.unseen is not None
        assert away.unseen.code == "disks_not_seen"


def test_a_node_in_sledgehammer_is_asked_through_its_agent(tmp_path: Path) -> None:
    """Its answer is nobody's outcome: no role runs, nothing is stored, and the next question is answered as well."""
    text = PLAN.replace("wipe: blank", "wipe: nothing")  # so that it waits there
    with faulty(tmp_path, ODD, nodes=1, wanted=plan_file.read(text, "plan.yml", shipped())) as rack:
        rack.until(lambda: rack.why("m1") == "approval")
        node = rack.node("m1")
        assert node is not None
        before = {key: role for key, role in rack.engine.world.node_roles.items() if key[0] == node.id}
        for _ in range(2):
            (look,) = rack.engine.disks.look([node.id, node.name, "nobody"]).values()
            assert look.at > 0, look
            assert [one.name for one in look.disks if len(one.paths) == 4] == ["sda"]
        assert {key: role for key, role in rack.engine.world.node_roles.items() if key[0] == node.id} == before


def test_disks_that_are_all_too_small_are_told_and_not_tried(tmp_path: Path) -> None:
    text = PLAN.replace("level: raid1", "level: none")
    wanted = plan_file.read(text, "plan.yml", shipped())
    with faulty(tmp_path, "faults: {m1: {disks_mb: [512]}, m2: {disks_mb: []}}", nodes=3, wanted=wanted) as rack:
        rack.expect(m1="no_fit_disk", m2="no_disk")
        assert not [row for row in rows(rack, "m1").values() if row["wipes"]]
