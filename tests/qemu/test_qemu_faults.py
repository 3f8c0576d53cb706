"""What goes wrong on machines with real firmware: each gives a true reason on its node, and the rest of the rack goes on. Needs QEMU and the built images."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rack_run import ROOT, lacking, rack_of, run

from engine.files.paths import images_folder

WHY_NOT = lacking()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def scene(tmp_path: Path, name: str, nodes: int = 1) -> dict[str, Any]:
    found = run(tmp_path / "store", nodes, 3600, name, program="scene_faults.py")
    assert found, "the scene did not come to its end"
    return found


def check_ready(row: dict[str, Any]) -> None:
    """An installed machine that is ready says the same of itself as the engine does."""
    hostname, root, marker, boot_id = row["ssh"]
    assert hostname == row["name"].split(".")[0]
    assert root == "/dev/vda3"
    assert '"os":"debian-12"' in marker, "the mark of a whole install"
    assert boot_id == row["boot_id"]


def test_a_machine_killed_in_each_stage_recovers_by_itself(tmp_path: Path) -> None:
    """In its firmware, loader, kernel, in discovery, in mid-image, before the first start of its system, and in that."""
    found = scene(tmp_path, "kills")
    assert found["verdict"] == "ready"
    assert len(found["happened"]) == 7, found["happened"]
    assert found["starts"] == {"m1": 8}, "it starts again after each kill, and for nothing else"
    check_ready(found["machines"]["m1"])


def test_a_machine_without_a_disk_and_one_whose_disk_is_too_small(tmp_path: Path) -> None:
    found = scene(tmp_path, "disks", 3)
    none, small, well = (found["machines"][name] for name in ("m1", "m2", "m3"))
    assert (none["code"], none["stage"]) == ("no_disk", "hardware"), "nothing is tried"
    assert small["code"] == "no_fit_disk"
    assert "vda: it has 1024 MiB, and a system needs 1539 MiB" in small["why"]
    check_ready(well)
    assert found["starts"] == {"m1": 1, "m2": 1, "m3": 1}


def test_a_bmc_that_ignores_a_machine_that_stays_off_and_a_disk_that_fails(tmp_path: Path) -> None:
    found = scene(tmp_path, "power", 3)
    ignores, off, fails = (found["machines"][name] for name in ("m1", "m2", "m3"))
    assert ignores["code"] == "power_failed"
    assert "not_obeyed" in ignores["why"]
    assert ignores["stage"] == "hardware"
    assert fails["code"] == "failed"
    assert "os-install: disk vda fails: " in fails["why"]
    check_ready(off)
    assert found["starts"] == {"m1": 1, "m2": 2, "m3": 1}, "switched on once, when its BMC said that it is off"


@pytest.fixture
def own_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images that a test may damage."""
    folder = tmp_path / "images"
    shutil.copytree(images_folder(tmp_path / "store"), folder)
    monkeypatch.setenv("CROWBAR_IMAGES", str(folder))
    return folder


@pytest.mark.usefixtures("own_images")
def test_an_image_that_is_changed_or_taken_away_while_it_is_written(tmp_path: Path) -> None:
    found = scene(tmp_path, "image")
    for when in ("changed", "gone"):
        assert found[when]["code"] == "failed"
        assert "the engine does not have it, or it is damaged there" in found[when]["why"], found[when]
    assert [row["whole"] for row in found["states"]] == [False]
    assert "image debian-12 is damaged" in found["retried"]["why"]
    assert found["verdict"] == "ready", "as it was again, it is installed"
    check_ready(found["machines"]["m1"])
    assert found["machines"]["m1"]["boots"] == 1


def test_a_damaged_image_is_found_before_anything_is_powered_on(tmp_path: Path, own_images: Path) -> None:
    with (own_images / "debian-12" / "root.ext4.zst").open("r+b") as stream:
        stream.write(b"x")
    words = [
        sys.executable,
        "-m",
        "crowbar_tui.cli",
        "--store",
        str(tmp_path / "store"),
        "rehearse",
        "--kind",
        "qemu",
        "--nodes",
        "1",
        "--headless",
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment, check=False)
    assert done.returncode == 2
    assert "image debian-12 is damaged" in done.stderr
    assert not rack_of(tmp_path / "store").exists(), "there is no rack yet, so nothing was powered on"


def test_links_that_are_missing_or_go_away(tmp_path: Path) -> None:
    found = scene(tmp_path, "wires", 3)
    assert set(found["machines"]) == {"m1", "m3"}, "m2 boots from a NIC without a cable: nobody has seen it"
    assert found["never_seen"] == 1
    breaks, away = found["machines"]["m1"], found["machines"]["m3"]
    check_ready(breaks)
    assert "going on from there" in found["writer"], "the image went on where the line broke"
    assert found["starts"]["m1"] == 1
    assert [[node, link, check] for node, link, check, _ in found["links"] if link != "bmc"] == [["node-10", "1g1", "missing"]]
    assert away["code"] == "boot_timeout"
    assert away["why"] == "3 boots in a row, no dhcp came within 210 s after powered"
