"""Scenario files: what they say, exact mistakes, and that every shipped one is right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.files.mistakes import PlanError
from engine.racks.director import Director
from engine.racks.scenario import FAULTS, MOODS, Action, DropSsh, Power, Scenario, SetFault, SetRogue, Swap, read
from engine.racks.simulated.rogue import Rogue
from engine.racks.simulated.spec import Faults

SHIPPED = sorted((Path(__file__).parents[2] / "crowbar_tui" / "scenarios").glob("*.yml"))
DOCS = Path(__file__).parents[2] / "docs" / "scenario-keys.md"

TEXT = """\
scenario: 1
patience: 0.1
faults:
  all: {drop_dhcp: 20}
  m2: {bmc: "slow:0.5", cables: {1g1: "tor2:swp9", bmc: ""}}
dhcp_server: {address: 10.0.0.9, file: x}
then:
  - {when: {machine: m3, reaches: install, percent: 50}, do: {power: off}}
  - {after: 20s, do: {fault: {machine: m2, bmc: dead}}}
  - {when: {machine: all, reaches: bios-configure}, after: 1.5s, do: [{swap: board}, {ssh: drop, machine: m1}, {dhcp_server: off}]}
"""


def test_it_is_read() -> None:
    found = read(TEXT, "s.yml", 3)
    assert found.patience == 0.1
    assert found.faults == {"all": Faults(drop_dhcp=20), "m2": Faults(bmc="slow:0.5", cables={"1g1": "tor2:swp9", "bmc": ""})}
    assert found.rogue == Rogue(address="10.0.0.9", file="x")
    first, second, third = found.then
    assert first.when is not None
    assert (first.when.machine, first.when.reaches, first.when.percent, first.after) == ("m3", "install", 50, 0.0)
    assert first.do == (Power(machine="", how="off"),)
    assert (second.when, second.after, second.do) == (None, 20.0, (SetFault(machine="m2", faults={"bmc": "dead"}),))
    assert third.do == (Swap(machine="", keep_nics=False), DropSsh(machine="m1"), SetRogue(rogue=None))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("scenario: 2", "s.yml:1: scenario: expected 1, not 2"),
        ("scenario: 1\nfautls: {}", "s.yml:2: fautls: unknown key; did you mean 'faults'?"),
        ("scenario: 1\nfaults:\n  m9: {}", "s.yml:3: faults.m9: expected all, or a machine from m1 to m3, not 'm9'"),
        (
            "scenario: 1\nfaults:\n  m1: {bmc: lie}",
            "s.yml:3: faults.m1.bmc: expected one of " + ", ".join(MOODS) + " or slow:SECONDS; did you mean 'lies'?",
        ),
        ("scenario: 1\nfaults:\n  m1: {drop_dhcp: 120}", "s.yml:3: faults.m1.drop_dhcp: expected a number from 0 to 100, not 120"),
        ("scenario: 1\nfaults:\n  m1: {drop_dhpc: 1}", "s.yml:3: faults.m1.drop_dhpc: unknown key; did you mean 'drop_dhcp'?"),
        ("scenario: 1\nthen:\n  - {do: {power: off}}", "s.yml:3: then.0: expected the key 'when' or 'after', or both"),
        ("scenario: 1\nthen:\n  - {after: 1s, do: {power: off}}", "s.yml:3: then.0.do: expected the key 'machine', which is missing"),
        (
            "scenario: 1\nthen:\n  - {after: 1s, do: {power: of, machine: m1}}",
            "s.yml:3: then.0.do.power: expected one of off, on, cycle, not 'of'; did you mean 'off'?",
        ),
        ("scenario: 1\nthen:\n  - {after: 1s, do: {}}", "s.yml:3: then.0.do: expected exactly one of power, fault, swap, ssh, dhcp_server"),
        (
            "scenario: 1\nthen:\n  - {after: soon, do: {ssh: drop, machine: m1}}",
            "s.yml:3: then.0.after: expected a duration like 30s, 15m, 1h or 2d, not 'soon'",
        ),
        ("scenario: 1\ndhcp_server: {address: here}", "s.yml:2: dhcp_server.address: expected an IPv4 address"),
    ],
)
def test_a_mistake_says_where_and_what(text: str, words: str) -> None:
    with pytest.raises(PlanError) as caught:
        read(text, "s.yml", 3)
    assert words in str(caught.value).splitlines()


@pytest.mark.parametrize("file", SHIPPED, ids=lambda f: f.stem)
def test_shipped_scenarios_are_right_and_documented(file: Path) -> None:
    assert read(file.read_text(encoding="utf-8"), file.name, 6) != Scenario()
    assert f"`{file.stem}`" in DOCS.read_text(encoding="utf-8")


def test_every_fault_is_documented_and_has_an_example() -> None:
    docs, examples = DOCS.read_text(encoding="utf-8"), "".join(f.read_text(encoding="utf-8") for f in SHIPPED)
    assert [name for name in FAULTS if f"`{name}`" not in docs] == []
    assert [name for name in FAULTS if f"{name}:" not in examples] == []


class Seen:
    def __init__(self) -> None:
        self.acts: list[tuple[str, Action]] = []

    def act(self, action: Action, machine: str) -> None:
        self.acts.append((machine, action))


def test_what_is_done_is_done_once_for_each_machine_also_over_a_restart(tmp_path: Path) -> None:
    text = "scenario: 1\nthen: [{when: {machine: all, reaches: install, percent: 10}, do: {power: off}}]"
    scenario, seen = read(text, "s.yml", 2), Seen()
    director = Director(scenario, tmp_path, seen)
    assert not director.milestone("m1", ("hardware", "raid-configure"), 99)
    assert not director.milestone("m1", ("install", "os-install"), 9)
    assert director.milestone("m1", ("install", "os-install"), 10)
    assert not director.milestone("m1", ("install", "os-install"), 50)
    again = Director(scenario, tmp_path, seen)
    assert not again.milestone("m1", ("install", "os-install"), 50)
    assert again.milestone("m2", ("install", "os-install"), 50)
    assert [machine for machine, _ in seen.acts] == ["m1", "m2"]


def test_the_command_takes_a_shipped_scenario_and_refuses_what_is_none(tmp_path: Path) -> None:
    def crowbar(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "crowbar_tui.cli", "--store", str(tmp_path / "store"), "rehearse", "--headless", "--json"]
        root = str(Path(__file__).parents[2])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}
        given = [*command, "--network", "loopback", "--nodes", "1", *words]
        return subprocess.run(given, capture_output=True, text=True, timeout=240, cwd=tmp_path, env=environment, check=False)

    done = crowbar("--scenario", "bmc-network-away")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["ready"] == 1
    (tmp_path / "bad.yml").write_text("scenario: 1\nfaults: {m1: {bmc: lie}}\n")
    bad = crowbar("--fresh", "--scenario", "bad.yml")
    assert bad.returncode == 2
    assert "did you mean 'lies'?" in bad.stderr
    none = crowbar("--scenario", "nothing-such")
    assert none.returncode == 2
    assert "power-loss" in none.stderr
