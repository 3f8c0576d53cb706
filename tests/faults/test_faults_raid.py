"""Racks whose plan describes several volumes: what is written, where the system goes, and what a confirmation shows."""

from __future__ import annotations

from pathlib import Path

from faulty_rack import PLAN, faulty

from engine.files import plan_file
from engine.files.catalog import shipped
from engine.views.preview import preview

VOLUMES = "raid-wanted: {volumes: [{level: raid1, name: os, boot: true}, {level: jbod}]}"


def test_a_mirror_for_the_system_and_the_rest_as_single_disks(tmp_path: Path) -> None:
    text = PLAN.replace("raid-wanted: {level: raid1}", VOLUMES)
    with faulty(tmp_path, "faults: {m1: {odd_disks: true}}", wanted=plan_file.read(text, "plan.yml", shipped())) as rack:
        rack.all_ready()
        rows = {row["name"]: row for row in rack.rack.disks() if row["machine"] == "m1"}
        assert {name for name, row in rows.items() if row["wipes"]} == {"sde", "sdf", "os"}
        node = rack.node("m1")
        assert node is not None
        world = rack.engine.world
        gave = world.node_roles[node.id, "raid-configure"].gave["volumes"]
        assert gave[0]["name"] == "os"
        assert (gave[0]["level"], gave[0]["disks"], gave[0]["boot"]) == ("raid1", ["sde", "sdf"], True)
        assert all(one["level"] == "jbod" for one in gave[1:])
        assert world.node_roles[node.id, "raid-discover"].gave == {"raid-report": []}
        (shown,) = preview(world, "reinstall", [node]).nodes
        assert {one.name for one in shown.disks} == {"sde", "sdf"}
        assert all(one.why for one in shown.kept)


def test_volumes_that_cannot_be_made_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    text = PLAN.replace("raid-wanted: {level: raid1}", "raid-wanted: {volumes: [{level: raid6, name: big, disks: 40}]}")
    with faulty(tmp_path, "faults: {m1: {odd_disks: true}}", nodes=1, wanted=plan_file.read(text, "plan.yml", shipped())) as rack:
        rack.until(lambda: rack.why("m1") == "raid_no_drives")
        assert not any(row["wipes"] for row in rack.rack.disks() if row["machine"] == "m1")
