"""Shipped plans by name, and the machines of a rehearsal as the file beside its plan says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.files.mistakes import PlanError
from engine.racks.qemu.spec import Own as QemuOwn
from engine.racks.qemu.spec import QemuRackSpec, guests
from engine.racks.simulated.spec import Own, SimulatedRackSpec, hardware
from engine.rehearsal.beside import Beside, beside, plan_path

MACHINES = "machines:\n  m1: {memory_mb: 4096, cpus: 3, disks_mb: [20480]}\n  m2: {disks_mb: [12288, 8192, 8192]}\n"


def test_a_shipped_plan_by_its_name_unless_there_is_such_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("six-nodes", "six-nodes.yml", str(tmp_path / "six-nodes.yml")):
        assert plan_path(Path(name)).read_text().startswith("# A rack of six servers")
    for name in ("other.yml", "../plans/six-nodes.yml"):
        assert plan_path(Path(name)) == Path(name)
    Path("six-nodes.yml").write_text("crowbar: 1\n")
    assert plan_path(Path("six-nodes.yml")).read_text() == "crowbar: 1\n"


def test_machines_of_both_kinds_of_rack(tmp_path: Path) -> None:
    (tmp_path / "p.rack.yml").write_text(MACHINES)
    found = beside(tmp_path / "p.yml").sizes()
    simulated = hardware(SimulatedRackSpec(nodes=3, machines=msgspec.convert(found, dict[str, Own])))
    assert [one.memory_mb for one in simulated] == [4096, 131072, 98304]
    assert [one.cpus for one in simulated] == [3, *(one.cpus for one in hardware(SimulatedRackSpec(nodes=3))[1:])]
    assert [[disk.size >> 20 for disk in one.disks] for one in simulated[:2]] == [[20480], [12288, 8192, 8192]]
    assert len({disk.serial for one in simulated for disk in one.disks}) == 1 + 3 + 8
    assert simulated[2] == hardware(SimulatedRackSpec(nodes=3))[2], "the others are as before"
    virtual = guests(QemuRackSpec(nodes=3, machines=msgspec.convert(found, dict[str, QemuOwn])))
    assert [one.memory_mb for one in virtual] == [4096, 2048, 2048]
    assert [one.cpus for one in virtual] == [3, 1, 1]
    assert [len(one.disks) for one in virtual] == [1, 3, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("machines: {m1: {memory_mb: 12}}\n", ">= 256"),
        ("machines: {m1: {disks_mb: [x]}}\n", "Expected `int`"),
        ("machines: {node: {}}\n", "matching regex"),
        ("machines: {m1: {cpus: 0}}\n", ">= 1"),
        ("machines: {m1: {cpu: 4}}\n", "unknown field `cpu`"),
        ("machine: {}\n", "unknown field `machine`"),
        ("machines: [\n", "not YAML"),
    ],
)
def test_what_is_wrong_beside_a_plan_is_said_with_the_file(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "p.rack.yml").write_text(text)
    with pytest.raises(PlanError) as found:
        beside(tmp_path / "p.yml")
    assert words in str(found.value)
    assert "p.rack.yml" in str(found.value)


def test_no_file_says_nothing(tmp_path: Path) -> None:
    assert beside(tmp_path / "p.yml") == Beside()
