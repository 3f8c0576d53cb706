"""The drivers of makers' BIOS tools, with stand-ins that hold a BIOS's state: read, compare, write, start, read back. What the real tools
print was recorded for sum; the others print what their guides say.
"""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from engine.core.hardware.bios_sets import WantedBios, compare
from engine.parts import BiosSetting
from engine.power.bios_tools import FILE, TOOLS, BiosTool, Racadm, Sum, ToolCommand, ToolOutput, run, unwritable

sys.path.insert(0, str(Path(__file__).parents[1] / "readers"))
from redfish_recordings import ALL, known

STAND_IN = """#!{python}
import json, os, re, sys
from pathlib import Path
from xml.etree import ElementTree as ET
tool, args = Path(sys.argv[0]).name, sys.argv[1:]
state = Path({state!r})
now = json.loads(state.read_text())
file = next((Path(one) for one in args if one == "settings"), None)
CHOICES = ["Disabled", "Enabled"]

def wait(values):
    bad = [name for name in values if name not in now["has"]]
    if bad:
        print("ERROR : unknown setting", bad[0]); sys.exit(3)
    now["waits"].update(values); state.write_text(json.dumps(now))

if tool == "racadm" and args[0] == "get":
    rows = [{{"Name": n, "Value": v}} for n, v in now["has"].items()]
    file.write_text(json.dumps({{"SystemConfiguration": {{"Model": "PowerEdge R640", "Components": [{{"FQDD": "BIOS.Setup.1-1", "Attributes": rows}}]}}}}))
elif tool == "racadm" and args[0] == "set":
    wait({{row["Name"]: row["Value"] for row in json.loads(file.read_text())["SystemConfiguration"]["Components"][0]["Attributes"]}})
    print('RAC977: Import configuration operation initiated. Use the "racadm jobqueue view -i JID_42" command to view its status.')
elif tool == "racadm":
    print("-----JOB QUEUE-----\\n[Job ID=JID_42]\\nStatus=Scheduled\\nPercent Complete=[0]")
elif tool == "ilorest" and args[0] == "get":
    print("iLOrest : RESTful Interface Tool version 4.1"); print(json.dumps({{"Attributes": now["has"]}}))
elif tool == "ilorest":
    wait(json.loads(file.read_text())["body"]["Attributes"]); print("[200] The operation completed successfully.")
elif tool == "sum" and args[1] == "GetCurrentBiosCfg":
    rows = "".join(f'<Setting name="{{n}}" selectedOption="{{v}}" type="Option"><Information><AvailableOptions><Option value="0">Disabled</Option>'
                   f'<Option value="1">Enabled</Option></AvailableOptions></Information></Setting>' for n, v in now["has"].items())
    file.write_text(f'<?xml version="1.0"?><BiosCfg><Menu name="Advanced">{{rows}}</Menu></BiosCfg>')
elif tool == "sum":
    wait({{one.get("name"): one.get("selectedOption") for one in ET.fromstring(file.read_text().partition("?>")[2]).iter("Setting")}})
    print("\\x1b[1mStatus:\\x1b[0m The BIOS configuration is updated for this system\\n\\nNote: You have to reboot or power up the system for the changes to take effect.")
elif tool == "syscfg" and args[0] == "/s":
    file.write_text("[BIOS::Main]\\n" + "".join(f"{{n}}={{CHOICES.index(v)}} ;Options: Disabled=0: Enabled=1\\n" for n, v in now["has"].items()))
else:
    rows = dict(line.split("=") for line in file.read_text().splitlines() if "=" in line)
    wait({{n: CHOICES[int(v)] if v.isdigit() else v for n, v in rows.items()}}); print("Successfully Completed")
"""


class Bench:
    """A stand-in of one tool, and its BIOS."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state.json"
        self.state.write_text(json.dumps({"has": {"Virt": "Disabled", "Turbo": "Enabled"}, "waits": {}}))
        program = folder / name
        program.write_text(STAND_IN.format(python=sys.executable, state=str(self.state)))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.tool: BiosTool = TOOLS[name](str(program))
        self._runs = 0

    def run(self, command: ToolCommand) -> ToolOutput:
        self._runs += 1
        place = self.folder / f"run{self._runs}"
        place.mkdir()
        return run(command, place, 60)

    def start(self) -> None:
        now = json.loads(self.state.read_text())
        self.state.write_text(json.dumps({"has": now["has"] | now["waits"], "waits": {}}))

    def known(self) -> tuple[BiosSetting, ...]:
        return self.tool.settings(self.run(self.tool.reading())).settings


@pytest.mark.parametrize("name", list(TOOLS))
def test_from_have_to_want(name: str, tmp_path: Path) -> None:
    bench = Bench(name, tmp_path)
    wanted = WantedBios(settings={"Virt": "Enabled", "Turbo": "Enabled"})
    known = bench.known()
    first = compare(wanted, known)
    assert len(first.to_write) == 1
    assert first.reboot
    command = bench.tool.writing(first.to_write, {one.name: one for one in known})
    assert "Enabled" in command.file or "Virt=1" in command.file
    assert not any("Enabled" in one for one in command.argv)
    verdict = bench.tool.verdict(bench.run(command))
    assert (verdict.verdict, verdict.reboot) == ("accepted", True)
    assert compare(wanted, bench.known()).to_write == first.to_write, "accepted is not applied"
    bench.start()
    last = compare(wanted, bench.known())
    assert (last.to_write, last.reboot, last.refused, last.same) == ({}, False, (), 2)


@pytest.mark.parametrize("name", list(TOOLS))
def test_an_unknown_setting_is_refused(name: str, tmp_path: Path) -> None:
    bench = Bench(name, tmp_path)
    verdict = bench.tool.verdict(bench.run(bench.tool.writing({"Nobody": "Enabled"}, {})))
    assert verdict.verdict == "refused"
    assert "unknown setting Nobody" in verdict.message
    assert name in verdict.message


def test_a_job_that_vanished_is_unknown(tmp_path: Path) -> None:
    bench = Bench("racadm", tmp_path)
    assert isinstance(bench.tool, Racadm)
    known = {one.name: one for one in bench.known()}
    job = bench.tool.verdict(bench.run(bench.tool.writing({"Virt": "Enabled"}, known))).job
    output = bench.run(bench.tool.job_command(job))
    assert bench.tool.job_state(output, job).state == "waiting"
    assert bench.tool.job_state(output, "JID_9").state == "unknown"
    assert bench.tool.job_state(ToolOutput(exit=1, said="ERROR: RAC904"), job).state == "unknown"


@known
@pytest.mark.parametrize(
    ("name", "verdict", "reboot"),
    [
        ("ChangeBiosConfig", "unchanged", False),
        ("ChangeBiosConfig-Changed", "accepted", True),
        ("ChangeBiosConfig-Changed-Reboot", "unchanged", False),
    ],
)
def test_what_sum_really_says(name: str, verdict: str, reboot: bool) -> None:
    said = next(one.text for one in ALL if one.name.endswith(f"-sum-{name}"))
    found = Sum("sum").verdict(ToolOutput(exit=0, said=said))
    assert (found.verdict, found.reboot) == (verdict, reboot)


@known
def test_a_recorded_bios_is_written_as_sum_reads_it() -> None:
    """What is written for a real BIOS is read back from the written file with the same names and values."""
    tool = Sum("sum")
    said = next(one.text for one in ALL if one.name.endswith("-sum-GetBiosConfiguration"))
    known = {one.name: one for one in tool.settings(ToolOutput(exit=0, said=said)).settings}
    wanted = {one.name: one.allowed[-1] for one in known.values() if one.type == "choice" and one.allowed}
    command = tool.writing(wanted, known)
    assert command.file.count("<Setting ") == len(wanted) > 150
    assert command.file.count('<Menu name="Advanced">') == 1


def test_a_tool_that_hangs_or_is_not_there(tmp_path: Path) -> None:
    program = tmp_path / "sleeper"
    program.write_text("#!/bin/sh\nsleep 600 &\nwait\n")
    program.chmod(0o755)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    slow = run(ToolCommand(argv=(str(program),)), tmp_path / "a", 0.3)
    assert (slow.exit, slow.said) == (124, "sleeper took longer than 0.3 s")
    none = run(ToolCommand(argv=(str(tmp_path / "nobody"),)), tmp_path / "b", 5)
    assert none.exit == 127
    assert "cannot be started" in none.said


def test_the_file_is_its_owners(tmp_path: Path) -> None:
    run(ToolCommand(argv=("/bin/true",), file="x"), tmp_path, 60)
    assert stat.S_IMODE(os.stat(tmp_path / FILE).st_mode) == 0o600


def test_no_passwords() -> None:
    assert "is a password" in unwritable({"SetupPassword": "x"})
    assert "cannot be shown" in unwritable({"A": "x\ny"})
    assert unwritable({"A": "", "B": 1, "C": True}) == ""
