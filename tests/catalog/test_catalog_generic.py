"""Four tests for every role of every barclamp, over the catalogue: run it twice, an error at each step, redeploy it twice, power off at each step.

Here they are about the real scripts, on machines that are folders (`scenes`): a step is a call of a command. `tests/sim/test_sim_roles.py` asks the
same of the engine. `make test` takes one of the steps, `make long` more, and the slow suite all of them.
"""

from __future__ import annotations

import re
import shutil
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from calls import KILLED, Counted, contents
from device_lab import BY_DEVICE, CountedDevice
from node_folder import Machine, check_gives, shipped
from scenes import LENIENT, MAY_DIFFER, NOT_HERE, ON_DEBIAN, SCENES

SOME, FEW = 6, 1
"""Steps of each role that are taken in CI, and those of them that `make test` takes."""
LONGEST_NAME = 42
"""More characters than pytest gives to the name of a test's folder, and the longest name of a machine's."""
GOOD = (0, 64)
_SHORT = re.compile(r"/(run|tmp)/crowbar-[0-9a-f]{16}")
"""A folder for sockets whose own would have too long a path. Its name comes from that path (`barclamps/monitoring`)."""


def scripts(role: str) -> bool:
    definition = shipped().roles[role]
    return (Path(shipped().folders[definition.barclamp]) / "roles" / role / "run").exists()


def steps(role: str, calls: int, which: str, begin: int) -> list[int]:
    """Numbers of calls. `some` are the first, the last, and those between. `few` is one of them, which depends on the role and on where the
    test begins; `more` are the others."""
    if which == "every":
        return list(range(1, calls + 1))
    some = sorted({1 + i * (calls - 1) // (SOME - 1) for i in range(SOME)}) if calls > SOME else list(range(1, calls + 1))
    first = zlib.crc32(role.encode()) + begin
    few = {some[(first + i * len(some) // FEW) % len(some)] for i in range(FEW)} if some else set()
    return {"some": some, "few": sorted(few), "more": [step for step in some if step not in few]}[which]


def there(machine: Machine, role: str) -> dict[str, str]:
    odd = MAY_DIFFER.get(role, ())
    return {name: text for name, text in contents(machine).items() if not any(part in name for part in odd)}


def counter(machine: Machine, role: str) -> Counted | CountedDevice:
    """What counts the steps of the role: calls of commands, or exchanges of a delegate with its device."""
    return CountedDevice(machine) if role in BY_DEVICE else Counted(machine)


class Clean(NamedTuple):
    """What a run without any fault comes to."""

    calls: list[str]
    gives: str
    disks: list[dict[str, Any]]
    """What it gives of the machine's disks."""
    there: dict[str, str]


_CLEAN: dict[tuple[str, object], Clean] = {}
"""By role and scene: the tests of a role ask for the same."""


def clean_run(role: str, folder: Path) -> Clean:
    found = _CLEAN.get((role, SCENES[role]))
    if found is None:
        machine, attributes = fresh(role, folder, "counted")
        counted = counter(machine, role)
        assert counted.run(role, attributes).code in GOOD
        machine, attributes = fresh(role, folder, "plain")
        done = machine.run(role, attributes)
        assert done.code in GOOD, done.err
        disks = done.gives.get("disks", []) if isinstance(done.gives, dict) else []
        found = Clean(counted.calls, same(done.gives, machine.folder), disks, relative(there(machine, role), machine.folder))
        _CLEAN[role, SCENES[role]] = found
    return found


def fresh(role: str, folder: Path, name: str) -> tuple[Machine, dict[str, Any]]:
    """A machine of the role's scene, and the role's attributes. The paths of all are equally long: a role may look at the length of a path."""
    place = folder / name.rjust(LONGEST_NAME - len(folder.name), "_")
    place.mkdir()
    machine = Machine(place)
    return machine, SCENES[role](machine)


def relative(found: dict[str, str], folder: Path) -> dict[str, str]:
    """Without the name of the folder, which is another one for each machine."""
    return {name: _SHORT.sub("SHORT", text.replace(str(folder), "FOLDER")) for name, text in found.items()}


def same(value: Any, folder: Path) -> str:
    """Without what the machine's own tools report of its parts: one that fails costs its report, and not the role."""
    kept = {name: given for name, given in value.items() if name != "hardware"} if isinstance(value, dict) else value
    return repr(kept).replace(str(folder), "FOLDER")


def verifies(role: str) -> bool:
    return shipped().roles[role].verify


def ends_well(machine: Machine, role: str, attributes: dict[str, Any], clean: Clean, what: str) -> None:
    """Run again without a fault, it comes to the same as one clean run."""
    again = machine.run(role, attributes, tidy=False)
    assert again.code in GOOD, f"{what}, and the next run fails: {again.err}"
    assert same(again.gives, machine.folder) == clean.gives, what
    if verifies(role):
        looked = machine.run(role, attributes, "verify", tidy=False)
        assert looked.code == 0, f"{what}, it was run again, and verify says: {looked.err}"
        assert same(looked.gives, machine.folder) == clean.gives, what
    found = relative(there(machine, role), machine.folder)
    assert found == clean.there, what


EACH = pytest.mark.parametrize(
    "which", ["few", pytest.param("more", marks=pytest.mark.long), pytest.param("every", marks=pytest.mark.slow)]
)
ROLES = pytest.mark.parametrize("role", sorted(SCENES))


def test_each_role_has_a_scene_or_a_cause() -> None:
    roles = set(shipped().roles)
    assert set(SCENES) | set(NOT_HERE) == roles, "a role has neither scene nor cause, or one is of a role that is no more"
    assert not set(SCENES) & set(NOT_HERE)
    assert all(scripts(role) for role in SCENES)
    assert not any(scripts(role) for role in set(NOT_HERE) - set(ON_DEBIAN) - {"chassis-slots"}), "it has scripts now: make a scene of it"
    assert set(MAY_DIFFER) | set(LENIENT) <= set(SCENES)


@ROLES
def test_run_twice(role: str, tmp_path: Path) -> None:
    machine, attributes = fresh(role, tmp_path, "twice")
    once = machine.run(role, attributes)
    assert once.code in GOOD, once.err
    before = there(machine, role)
    again = machine.run(role, attributes)
    assert again.code in GOOD, again.err
    assert again.gives == once.gives
    assert there(machine, role) == before


@ROLES
def test_redeployed_twice(role: str, tmp_path: Path) -> None:
    """As the engine does it: a look whether it is so, a run, a look, and all of that again."""
    clean = clean_run(role, tmp_path)
    machine, attributes = fresh(role, tmp_path, "again")
    once = machine.run(role, attributes)
    assert once.code in GOOD, once.err
    if verifies(role):
        looked = machine.run(role, attributes, "verify")
        assert (looked.code, looked.gives) == (0, once.gives), looked.err
    for _ in range(2):
        ends_well(machine, role, attributes, clean, "redeployed")


@EACH
@ROLES
def test_an_error_at_each_step(role: str, which: str, tmp_path: Path) -> None:
    """A command that fails is told by a role that fails, or does not matter: a success has the gives and the state of one."""
    clean = clean_run(role, tmp_path)
    for step in steps(role, len(clean.calls), which, begin=0):
        machine, attributes = fresh(role, tmp_path, f"step{step}")
        done = counter(machine, role).run(role, attributes, fail=step)
        what = f"call {step} of {len(clean.calls)} failed ({clean.calls[step - 1][:80]})"
        if done.code in GOOD and role in LENIENT:
            check_gives(role, done.gives)
            told = {one["name"]: one["signature"] for one in clean.disks}
            assert not [one for one in done.gives.get("disks", ()) if not one["signature"] and told.get(one["name"])], (
                f"{what}: called blank"
            )
        elif done.code in GOOD:
            assert same(done.gives, machine.folder) == clean.gives, f"{what}, and the role says that it is done"
            if verifies(role):
                looked = machine.run(role, attributes, "verify", tidy=False)
                assert looked.code == 0, f"{what}, the role says that it is done, and verify says: {looked.err}"
        else:
            assert done.err.strip() or done.out.strip(), f"{what}, and the role fails without a word"
        ends_well(machine, role, attributes, clean, what)


@EACH
@ROLES
def test_power_off_at_each_step(role: str, which: str, tmp_path: Path) -> None:
    """Killed before any of its calls, and run again."""
    clean = clean_run(role, tmp_path)
    for step in steps(role, len(clean.calls), which, begin=1):
        machine, attributes = fresh(role, tmp_path, f"step{step}")
        done = counter(machine, role).run(role, attributes, die=step)
        what = f"killed at call {step} of {len(clean.calls)} ({clean.calls[step - 1][:80]})"
        assert done.code == KILLED, f"{what}: {done.code} {done.err}"
        if verifies(role):
            looked = machine.run(role, attributes, "verify", tidy=False)
            if looked.code == 0:
                assert same(looked.gives, machine.folder) == clean.gives, f"{what}, and verify says that it is so"
        ends_well(machine, role, attributes, clean, what)


def test_every_awk_makes_the_same_files(tmp_path: Path) -> None:
    """A node has whichever its distribution, its image or its operator chose. gawk 5.2.1 ended with a double free."""
    ends, awks = set(), [one for one in ("mawk", "gawk", "busybox") if shutil.which(one)]
    for awk in awks:
        machine, attributes = fresh("network", tmp_path, awk)
        machine.tool("awk", f'exec {shutil.which(awk)} {"awk" if awk == "busybox" else ""} "$@"')
        done = machine.run("network", attributes)
        assert done.code in GOOD, f"{awk}: {done.err}"
        ends.add(repr(relative(there(machine, "network"), machine.folder)))
    assert len(ends) == 1, awks


@pytest.mark.parametrize("name", sorted(shipped().barclamps))
def test_the_root_of_a_real_machine_is_empty(name: str) -> None:
    """`${root:?}` ends a script there, and no folder of a test shows it."""
    for script in (Path(shipped().folders[name]) / "roles").rglob("*"):
        assert not script.is_file() or b"${root:?" not in script.read_bytes(), script
