"""fwupd, after its documentation: devices, an installation from a file, and what counts; with a stand-in that holds state."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from engine.core.hardware import firmware_update as update
from engine.core.hardware.firmware_update import FirmwareUpdate
from engine.parts import Firmware
from engine.power import FirmwareSeen, fwupd
from engine.power.bios_tools import ToolCommand, ToolOutput, run
from engine.readers import fwupd as reader
from engine.readers.report import Refused

DEVICE = "a45df35ac0e948ee180fe216a5f703f32dda163f"
STAND_IN = """#!{python}
import json, sys
from pathlib import Path
state = Path({state!r})
now = json.loads(state.read_text())
if sys.argv[1] == "get-devices":
    print("WARNING: UEFI capsule updates not available")
    print(json.dumps({{"Devices": [now]}}))
elif sys.argv[2] != "settings" or not Path("settings").read_text().startswith("cab of"):
    print("failed to parse the cabinet"); sys.exit(1)
else:
    now["waits"] = Path("settings").read_text().split()[2]; now["UpdateState"] = 4
    state.write_text(json.dumps(now)); print("Successfully installed firmware\\nAn update requires a reboot to complete.")
"""


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder, self.state, self._runs = folder, folder / "state.json", 0
        self.state.write_text(
            json.dumps(
                {
                    "DeviceId": DEVICE,
                    "Name": "System Firmware",
                    "Plugin": "uefi_capsule",
                    "Version": "1.0.0",
                    "Flags": ["internal", "updatable"],
                }
            )
        )
        self.program = folder / "fwupdmgr"
        self.program.write_text(STAND_IN.format(python=sys.executable, state=str(self.state)))
        self.program.chmod(0o755)

    def run(self, command: ToolCommand) -> ToolOutput:
        self._runs += 1
        place = self.folder / f"run{self._runs}"
        place.mkdir()
        return run(command, place, 60)

    def start(self) -> None:
        now = json.loads(self.state.read_text())
        self.state.write_text(json.dumps(now | {"Version": now.get("waits", now["Version"]), "UpdateState": 2}))

    def seen(self) -> FirmwareSeen:
        return fwupd.seen(self.run(fwupd.reading(str(self.program))), DEVICE)


def test_from_a_file_to_the_version_that_reads_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert reader.read(bench.run(fwupd.reading(str(bench.program))).said).firmware == (
        Firmware(part="bios", version="1.0.0", name="System Firmware", place=DEVICE, updateable=True),
    )
    command = fwupd.installing(DEVICE, older=False, program=str(bench.program))
    refused = fwupd.verdict(bench.run(ToolCommand(argv=command.argv, file="junk")))
    assert (refused.verdict, "failed to parse the cabinet" in refused.message) == ("refused", True)
    accepted = fwupd.verdict(bench.run(ToolCommand(argv=command.argv, file="cab of 2.0.0")))
    assert (accepted.verdict, accepted.reboot) == ("accepted", True)
    now = update.accepted(FirmwareUpdate(part="bios", want="2.0.0"))
    for _ in range(4):  # before the start nothing counts
        found = bench.seen()
        assert found == FirmwareSeen(version="1.0.0", task="running")
        now = update.answered(update.task_seen(now, found.task), found.version)
    assert now.stage == "accepted"
    now = update.gone(now)  # the machine restarts
    bench.start()
    for _ in range(3):
        found = bench.seen()
        now = update.answered(update.task_seen(now, found.task), found.version)
    assert now.stage == "applied"


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (ToolOutput(exit=0, said='{"Devices": []}'), FirmwareSeen(gone=True)),
        (ToolOutput(exit=1, said="Failed to connect to daemon"), FirmwareSeen()),
        (ToolOutput(exit=0, said=json.dumps({"Devices": [{"DeviceId": DEVICE, "Version": "1", "UpdateState": 3, "UpdateError": "AC power required"}]})),
         FirmwareSeen(version="1", task="failed", message="AC power required")),
    ],
)  # fmt: skip
def test_what_is_seen(output: ToolOutput, found: FirmwareSeen) -> None:
    assert fwupd.seen(output, DEVICE) == found


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match="no device of fwupd"):
        fwupd.installing("--force; rm", older=False)
    assert fwupd.verdict(ToolOutput(exit=2, said="No updates available")).verdict == "unchanged"
    for said, why in (
        ("", "without JSON"),
        ('{"Error": {"Message": "no daemon"}}', "no daemon"),
        ("{" * 9, "not valid"),
        ("{}", "no list of devices"),
    ):
        with pytest.raises(Refused, match=why):
            reader.read(said)
