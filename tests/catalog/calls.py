"""Every call of a command that a script makes, in a place where it can fail or be the last one: a folder of stand-ins before the real PATH.

The calls of one run are numbered. Call number `fail` does nothing and ends with 1; at call number `die` the whole process group is killed, as
by a power cut. What a stand-in tool calls itself is not counted: it is the machine's, not the script's.
"""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

from node_folder import REPO, Done, Machine

# The number of a call is the first file that nobody has made yet: a pipeline makes several calls at once. With noclobber a shell makes a
# file by O_EXCL (dash and bash do), and needs no other program for it.
SHIM = """#!/bin/sh
i=1
[ ! -s '{tickets}/last' ] || read -r i <'{tickets}/last'
set -C
until true 2>/dev/null >'{tickets}/'$i; do i=$((i + 1)); done
set +C
echo $i >'{tickets}/last'
echo "$i {name} $*" >>'{tickets}/log'
if [ "$i" = "${{FAIL_AT:-}}" ]; then echo "{name}: it does not work now" >&2; exit 1; fi
if [ "$i" = "${{DIE_AT:-}}" ]; then
    read -r pid name state parent group rest </proc/$$/stat
    kill -9 -"$group"
fi
PATH='{path}' exec '{there}' "$@"
"""


AS_THEY_ARE = ("sh", "agent", "attempt")
"""Not called as commands: a shell, and what an install copies from the PATH to the disk."""


class Counted:
    """A machine whose script's calls are counted."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.tickets = machine.folder / "tickets"
        self.path = f"{machine.tools}:{REPO / 'images' / 'node'}:{machine.folder / 'base'}"
        self.shims = machine.folder / "shims"
        self.shims.mkdir()
        for folder in reversed(self.path.split(":")):  # the first one wins
            for tool in Path(folder).iterdir():
                if tool.name in AS_THEY_ARE:
                    (self.shims / tool.name).unlink(missing_ok=True)
                    (self.shims / tool.name).symlink_to(tool)
                elif tool.is_file():
                    shim = self.shims / tool.name
                    shim.write_text(SHIM.format(tickets=self.tickets, name=tool.name, path=self.path, there=tool))
                    shim.chmod(0o755)

    def run(self, role: str, attributes: dict[str, Any], action: str = "run", fail: int = 0, die: int = 0) -> Done:
        shutil.rmtree(self.tickets, ignore_errors=True)
        self.tickets.mkdir()
        before = dict(self.machine.environment)
        self.machine.environment |= {"PATH": str(self.shims), "FAIL_AT": str(fail or ""), "DIE_AT": str(die or "")}
        try:
            return self.machine.run(role, attributes, action, tidy=not (fail or die))
        finally:
            self.machine.environment = before
            if die:  # the next boot finds an empty folder for temporary files
                shutil.rmtree(self.machine.folder / "tmp")
                (self.machine.folder / "tmp").mkdir()

    @property
    def calls(self) -> list[str]:
        """Of the last run, in the order of their numbers: the command line without its number."""
        lines = (self.tickets / "log").read_text(errors="replace").splitlines() if (self.tickets / "log").exists() else []
        numbered = [line.split(" ", 1) for line in lines if line.split(" ", 1)[0].isdecimal()]
        return [line[1] for line in sorted(numbered, key=lambda line: int(line[0])) if len(line) > 1]


KILLED = -signal.SIGKILL


def contents(machine: Machine) -> dict[str, str]:
    """Every file and link of the machine, and what is in it."""
    out: dict[str, str] = {}
    for top in (machine.root, machine.folder / "state", machine.folder / "home"):
        for path in sorted(top.rglob("*")) if top.exists() else ():
            name = str(path.relative_to(machine.folder))
            if path.is_symlink():
                out[name] = f"-> {path.readlink()}"
            elif path.is_file():
                out[name] = path.read_bytes().decode("latin-1")
    return out
