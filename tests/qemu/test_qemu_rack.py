"""Machines with real firmware from off to ready: network boot, discovery, Debian on a disk, SSH. Needs QEMU and the built images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import planted
import pytest
from rack_run import ROOT, lacking, logs, rack_of, run

from engine import racks as rehearsal
from engine.racks import RackError

WHY_NOT = lacking()
HALF = 100 << 20
"""Octets on the disks in the middle of an image, which has 360 MiB unpacked; the guest writes them out some time after they came."""
pytestmark = [pytest.mark.qemu, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


def check(found: dict[str, Any], nodes: int) -> None:
    assert found.get("verdict") == "ready"
    assert found["summary"]["ready"] == nodes
    assert len({node["name"] for node in found["nodes"]}) == nodes
    for node in found["nodes"]:
        lines = node["ssh"]["lines"]
        assert node["ssh"]["exit"] == 0, node["ssh"]["errors"]
        assert lines[0].split(".")[0] == node["name"].split(".")[0]
        assert "amd64" in lines[1], "the installed system's own kernel"
        assert any(f" {node['address']}/" in line for line in lines)
        assert any(line.startswith("vda") and line.endswith("part /") for line in lines), lines
        assert lines[-1] == node["boot_id"], "alive is: reached, and verified to be this boot"
        assert node["boots"] <= 2


def test_one_bios_and_one_uefi_machine_from_off_to_ready(tmp_path: Path) -> None:
    found = run(tmp_path / "store", 2, 1800, "secrets")
    check(found, 2)
    check_secrets(found["secrets"], 2)
    assert {node["firmware"] for node in found["nodes"]} == {"bios", "efi"}
    assert {machine["firmware"] for machine in found["machines"]} == {"seabios", "ovmf"}
    assert {node["name"].split(".")[0] for node in found["nodes"]} == {"node-10", "node-11"}, "placed by what LLDP said"


def check_secrets(found: dict[str, Any], nodes: int) -> None:
    """Of what was planted nothing is found in what the run wrote and sent, and it did go where it belongs."""
    assert found["found"] == []
    assert found["was_there"] == sorted(planted.MARKS), "the wire was not taken"
    assert found["asked"] == nodes, "the BMCs were talked to"
    assert found["arrived"] == sorted(f"n{i}/{role}" for i in range(1, nodes + 1) for role in planted.ROLES)
    assert found["masked"] == 2 * nodes, "what a role printed is in its log"
    for machine in found["machines"]:
        for question in ("readable", "logged"):
            assert machine[question]["exit"] == 0, machine
            assert machine[question]["lines"] == [], machine
        assert machine["private"]["lines"] == ["/etc/crowbar/credential", "600"], machine
    # A nonce goes over the wire in the boot script; it is kept by its hash alone, and worth nothing once its hello came.
    assert len(found["nonces"]) >= nodes
    assert found["nonces_kept"] == []
    assert [status for status, _ in found["replayed"]] == [403] * len(found["nonces"]), found["replayed"]
    print(f"searched for {found['searched']}; on the wire {found['wire']['packets']} packets, {found['wire']['dropped']} not taken")


@pytest.mark.slow
def test_six_machines_from_off_to_ready(tmp_path: Path) -> None:
    check(run(tmp_path / "store", 6, 3600), 6)


def rehearse(store: Path) -> subprocess.Popen[str]:
    words = [
        sys.executable,
        "-m",
        "crowbar_tui.cli",
        "--store",
        str(store),
        "rehearse",
        "--kind",
        "qemu",
        "--nodes",
        "1",
        "--headless",
        "--json",
    ]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})


@pytest.mark.slow
def test_the_engine_killed_in_the_middle_of_an_install_finds_the_rack_again(tmp_path: Path) -> None:
    store = tmp_path / "store"
    try:
        first = rehearse(store)
        assert first.stdout is not None
        for line in first.stdout:
            if json.loads(line).get("roles", {}).get("os-install") == "transition":
                break
        rack = rehearsal.connect(rack_of(store))
        end = time.monotonic() + 900
        while (written := sum(disk["written"] for disk in rack.disks())) < HALF:
            assert time.monotonic() < end, f"{written} octets were written"
            assert first.poll() is None
            time.sleep(0.1)
        first.send_signal(signal.SIGKILL)
        first.wait()
        first.stdout.close()
        running = rack.machines()[0]["pid"]
        assert running, "the rack outlives the engine"

        second = rehearse(store)
        said, _ = second.communicate(timeout=3000)
        rows = [json.loads(line) for line in said.splitlines()]
        assert rows[-1]["verdict"] == "ready", logs(store, said, "", second.returncode)
        assert rows[-1]["boots"] <= 2
        began = [row["seq"] for row in rows if row.get("roles", {}).get("os-install") == "transition"]
        assert len(began) == 1, "the same attempt went on"
        texts = [file.read_text(encoding="utf-8", errors="replace") for file in (store / "logs").rglob("*") if file.is_file()]
        (text,) = [text for text in texts if "os-install: debian-12 goes to vda" in text]
        assert text.rstrip().endswith("os-install: debian-12 is on vda"), text
    finally:
        with suppress(RackError):
            rehearsal.connect(rack_of(store)).stop()
