"""BIOS settings by makers' tools that a site supplies: the commands, and what their output means. `run` runs one.

    tool      reads by                                  writes by
    racadm    get -t json -f FILE -c BIOS.Setup.1-1     set -t json -f FILE -b NoReboot: a job (Dell's RACADM CLI guide)
    ilorest   get --selector Bios. --json               rawpatch FILE (HPE's iLOrest guide)
    sum       -c GetCurrentBiosCfg --file FILE          -c ChangeBiosCfg --file FILE (Supermicro Update Manager's user guide)
    syscfg    /s INI FILE                               /r INI FILE /b (Intel's Server Configuration Utility guide)

Rules
* The tools run on the machine itself, so they need no account. No command has a password in its arguments, because every user of a
  system can read those.
* Values go by a file in a folder that only its owner reads.
* A tool's success is a claim: `accepted`. Settings count as applied when they are read again after the start.
* Output is read up to MOST_OUTPUT, and a tool that takes longer than its time is ended with all that it started.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from msgspec import Struct

from ..parts import BiosSetting, Parts
from ..readers import bios_tools as readers
from ..readers import racadm, redfish
from ..readers.redfish_bios import is_secret
from ..readers.report import Refused, told

Value = str | int | bool
MOST_OUTPUT = 4 << 20
FILE = "settings"
"""Name of the one file that a command reads or writes, in its folder."""
Verdict = Literal["accepted", "unchanged", "refused"]


class ToolCommand(Struct, frozen=True, kw_only=True):
    argv: tuple[str, ...]
    file: str = ""
    """Text of FILE before the command runs."""


class ToolOutput(Struct, frozen=True, kw_only=True):
    exit: int
    said: str
    file: str = ""
    """Text of FILE after it."""


class ToolVerdict(Struct, frozen=True, kw_only=True):
    verdict: Verdict
    message: str = ""
    reboot: bool = False
    """Whether the tool says that a start is needed; the registry may say so too."""
    job: str = ""


class BiosTool:
    """One tool. `program`: its name or path."""

    def __init__(self, program: str) -> None:
        self.program = program

    def reading(self) -> ToolCommand:
        raise NotImplementedError

    def settings(self, output: ToolOutput) -> Parts:
        """Raises Refused."""
        raise NotImplementedError

    def writing(self, settings: Mapping[str, Value], known: Mapping[str, BiosSetting]) -> ToolCommand:
        """`known`: the settings as they were read, by their names."""
        raise NotImplementedError

    def verdict(self, output: ToolOutput) -> ToolVerdict:
        raise NotImplementedError

    def failed(self, output: ToolOutput) -> ToolVerdict:
        lines = [line for line in output.said.splitlines() if line.strip()]
        words = readers.error_in(lines) or (told(lines[-1]) if lines else "it printed nothing")
        return ToolVerdict(verdict="refused", message=f"{Path(self.program).name} ended with {output.exit}: {words}")


class Racadm(BiosTool):
    def reading(self) -> ToolCommand:
        return ToolCommand(argv=(self.program, "get", "-t", "json", "-f", FILE, "-c", "BIOS.Setup.1-1"))

    def settings(self, output: ToolOutput) -> Parts:
        return redfish.read(output.file) if output.file.lstrip().startswith("{") else readers.racadm(output.said)

    def writing(self, settings: Mapping[str, Value], known: Mapping[str, BiosSetting]) -> ToolCommand:  # noqa: ARG002 - of the interface
        attributes = [{"Name": name, "Value": _text(value), "Set On Import": "True"} for name, value in settings.items()]
        profile = {"SystemConfiguration": {"Components": [{"FQDD": "BIOS.Setup.1-1", "Attributes": attributes}]}}
        return ToolCommand(argv=(self.program, "set", "-t", "json", "-f", FILE, "-b", "NoReboot"), file=json.dumps(profile, indent=1))

    def verdict(self, output: ToolOutput) -> ToolVerdict:
        job = re.search(r"\bJID_\w{1,40}", output.said)
        if output.exit or "ERROR" in output.said:
            return self.failed(output)
        if "SYS069" in output.said or re.search("(?i)no changes? (were|was) applied", output.said):
            return ToolVerdict(verdict="unchanged", message=told(output.said))
        return ToolVerdict(verdict="accepted", reboot=True, job=job[0] if job else "") if job else self.failed(output)

    def job_command(self, job: str) -> ToolCommand:
        return ToolCommand(argv=(self.program, "jobqueue", "view", "-i", job))

    def job_state(self, output: ToolOutput, job: str) -> racadm.RacadmJob:
        """The job; one that the queue does not have is unknown, and never completed."""
        try:
            found = [one for one in racadm.jobs(output.said) if one.id == job]
        except Refused as refusal:
            return racadm.RacadmJob(id=job, message=str(refusal))
        return found[0] if found else racadm.RacadmJob(id=job, message="the queue does not have this job")


class Ilorest(BiosTool):
    def reading(self) -> ToolCommand:
        return ToolCommand(argv=(self.program, "get", "--selector", "Bios.", "--json"))

    def settings(self, output: ToolOutput) -> Parts:
        return readers.ilorest(output.said)

    def writing(self, settings: Mapping[str, Value], known: Mapping[str, BiosSetting]) -> ToolCommand:  # noqa: ARG002 - of the interface
        body = {"path": "/redfish/v1/systems/1/bios/settings/", "body": {"Attributes": dict(settings)}}
        return ToolCommand(argv=(self.program, "rawpatch", FILE), file=json.dumps(body, indent=1))

    def verdict(self, output: ToolOutput) -> ToolVerdict:
        if output.exit or not re.search(r"(?i)\[20\d\]|operation completed successfully|properties were changed", output.said):
            return self.failed(output)
        return ToolVerdict(verdict="accepted", reboot=True)


class Sum(BiosTool):
    def reading(self) -> ToolCommand:
        return ToolCommand(argv=(self.program, "-c", "GetCurrentBiosCfg", "--file", FILE, "--overwrite"))

    def settings(self, output: ToolOutput) -> Parts:
        return readers.sum_xml(output.file or output.said)

    def writing(self, settings: Mapping[str, Value], known: Mapping[str, BiosSetting]) -> ToolCommand:
        root = ElementTree.Element("BiosCfg")
        for name, value in settings.items():
            *menus, last = name.split("|")
            at = root
            for menu in menus:
                found = next((one for one in at if one.tag == "Menu" and one.get("name") == menu), None)
                at = found if found is not None else ElementTree.SubElement(at, "Menu", {"name": menu})
            self._setting(at, last, value, known.get(name))
        text = ElementTree.tostring(root, encoding="unicode")
        return ToolCommand(argv=(self.program, "-c", "ChangeBiosCfg", "--file", FILE), file=f'<?xml version="1.0"?>\n{text}\n')

    def _setting(self, menu: ElementTree.Element, name: str, value: Value, known: BiosSetting | None) -> None:
        kind = known.type if known else "choice"
        if kind == "number":
            ElementTree.SubElement(menu, "Setting", {"name": name, "numericValue": str(value), "type": "Numeric"})
        elif kind == "text":
            made = ElementTree.SubElement(menu, "Setting", {"name": name, "type": "String"})
            ElementTree.SubElement(made, "StringValue").text = str(value)
        elif known is not None and known.allowed == ("Checked", "Unchecked"):
            ElementTree.SubElement(menu, "Setting", {"name": name, "checkedStatus": str(value), "type": "CheckBox"})
        else:
            ElementTree.SubElement(menu, "Setting", {"name": name, "selectedOption": str(value), "type": "Option"})

    def verdict(self, output: ToolOutput) -> ToolVerdict:
        """It says that a start is needed even where it says that nothing was changed; then none is."""
        said = "\n".join(readers.lines_of(output.said)) if output.said.strip() else ""
        if output.exit or re.search(r"(?im)^\W*error\b", said):
            return self.failed(output)
        if "No BIOS setting has been changed" in said:
            return ToolVerdict(verdict="unchanged", message="No BIOS setting has been changed")
        if "BIOS configuration is updated" not in said:
            return self.failed(output)
        return ToolVerdict(verdict="accepted", reboot="reboot or power up" in said)


class Syscfg(BiosTool):
    """Its file holds the numbers of options, so these are kept from the last reading."""

    def __init__(self, program: str) -> None:
        super().__init__(program)
        self._codes: dict[str, dict[str, str]] = {}

    def reading(self) -> ToolCommand:
        return ToolCommand(argv=(self.program, "/s", "INI", FILE))

    def settings(self, output: ToolOutput) -> Parts:
        self._codes = readers.syscfg_codes(output.file)
        return readers.syscfg(output.file or output.said)

    def writing(self, settings: Mapping[str, Value], known: Mapping[str, BiosSetting]) -> ToolCommand:
        groups: dict[str, list[str]] = {}
        for name, value in settings.items():
            groups.setdefault(known[name].group if name in known else "BIOS", []).append(
                f"{name}={self._codes.get(name, {}).get(str(value), _text(value))}"
            )
        text = "".join(f"[{group}]\n" + "".join(f"{line}\n" for line in lines) for group, lines in groups.items())
        return ToolCommand(argv=(self.program, "/r", "INI", FILE, "/b"), file=text)

    def verdict(self, output: ToolOutput) -> ToolVerdict:
        if output.exit or "Successfully Completed" not in output.said:
            return self.failed(output)
        return ToolVerdict(verdict="accepted", reboot=True)


TOOLS: dict[str, type[BiosTool]] = {"racadm": Racadm, "ilorest": Ilorest, "sum": Sum, "syscfg": Syscfg}


def _text(value: Value) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def unwritable(settings: Mapping[str, Value]) -> str:
    """Why these settings are not given to a tool; empty: they are."""
    for name, value in settings.items():
        if is_secret(name):
            return f"{name} is a password, and passwords are not written as settings"
        if not name.isprintable() or (isinstance(value, str) and not (value.isprintable() or not value)):
            return "a name or a value has characters that cannot be shown"
    return ""


def run(command: ToolCommand, folder: Path, within_s: float) -> ToolOutput:
    """Runs a command in a folder of its own, with FILE in it. `folder` must exist and be empty.

    A tool that cannot be started, or that takes too long, gives the exit code 127 or 124 and words.
    """
    file = folder / FILE
    if command.file:
        file.touch(mode=0o600)
        file.write_text(command.file, encoding="utf-8")
    environment = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "LC_ALL": "C", "HOME": str(folder)}
    with (folder / "out").open("w+b") as out:
        try:
            process = subprocess.Popen(
                command.argv, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True
            )
        except OSError as error:
            return ToolOutput(exit=127, said=f"{command.argv[0]} cannot be started: {error.strerror}")
        try:
            code = process.wait(within_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return ToolOutput(exit=124, said=f"{Path(command.argv[0]).name} took longer than {within_s:g} s")
        out.seek(0)
        said = out.read(MOST_OUTPUT).decode("utf-8", "replace")
    with file.open("rb") if file.exists() else (folder / "out").open("rb") as stream:
        text = stream.read(MOST_OUTPUT).decode("utf-8", "replace") if file.exists() else ""
    return ToolOutput(exit=code, said=said, file=text)
