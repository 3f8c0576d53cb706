"""Machines with real firmware from off to ready: network boot, discovery, Debian on a disk, SSH. Needs QEMU and the built images."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from rack_run import ROOT, lacking, logs, rack_of, run

from engine import rehearsal
from engine.rehearsal import RackError

WHY_NOT = lacking()
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
    found = run(tmp_path / "store", 2, 1800)
    check(found, 2)
    assert {node["firmware"] for node in found["nodes"]} == {"bios", "efi"}
    assert {machine["firmware"] for machine in found["machines"]} == {"seabios", "ovmf"}
    assert {node["name"].split(".")[0] for node in found["nodes"]} == {"node-10", "node-11"}, "placed by what LLDP said"


@pytest.mark.slow
def test_six_machines_from_off_to_ready(tmp_path: Path) -> None:
    check(run(tmp_path / "store", 6, 3600), 6)


def rehearse(store: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), "rehearse", "--kind", "qemu", "--nodes", "1", "--headless", "--json"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "PYTHONPATH": path})


@pytest.mark.slow
def test_the_engine_killed_in_the_middle_of_an_install_finds_the_rack_again(tmp_path: Path) -> None:
    store = tmp_path / "store"
    try:
        first = rehearse(store)
        assert first.stdout is not None
        for line in first.stdout:
            if json.loads(line).get("roles", {}).get("os-install") == "transition":
                break
        first.send_signal(signal.SIGKILL)
        first.wait()
        first.stdout.close()
        running = rehearsal.connect(rack_of(store)).machines()[0]["pid"]
        assert running, "the rack outlives the engine"

        second = rehearse(store)
        said, _ = second.communicate(timeout=3000)
        summary = json.loads(said.splitlines()[-1])
        assert summary["verdict"] == "ready", logs(store, said, "", second.returncode)
        assert summary["boots"] <= 2
    finally:
        with suppress(RackError):
            rehearsal.connect(rack_of(store)).stop()
