"""Four tests for every role of every barclamp, over the catalogue: run it twice, an error at each step, redeploy it twice, power off at each step.

Here they are about the real scripts, on machines that are folders (`scenes`): a step is a call of a command. `tests/sim/test_sim_roles.py` asks the
same of the engine. `make test` takes some of the steps, the slow suite all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calls import KILLED, Counted, contents
from device_lab import BY_DEVICE, CountedDevice
from node_folder import Machine, check_gives, shipped
from scenes import LENIENT, MAY_DIFFER, NOT_HERE, ON_DEBIAN, SCENES

SOME = 6
"""Steps of each role that are taken in `make test`."""
GOOD = (0, 64)
_SHORT = re.compile(r"/(run|tmp)/crowbar-[0-9a-f]{16}")
"""A folder for sockets whose own would have too long a path. Its name comes from that path (`barclamps/monitoring`)."""


def scripts(role: str) -> bool:
    definition = shipped().roles[role]
    return (Path(shipped().folders[definition.barclamp]) / "roles" / role / "run").exists()


def steps(calls: int, whole: bool) -> Iterator[int]:
    """Numbers of calls: the first, the last, and those between."""
    if whole or calls <= SOME:
        yield from range(1, calls + 1)
        return
    yield from sorted({1 + i * (calls - 1) // (SOME - 1) for i in range(SOME)})


def there(machine: Machine, role: str) -> dict[str, str]:
    odd = MAY_DIFFER.get(role, ())
    return {name: text for name, text in contents(machine).items() if not any(part in name for part in odd)}


def counter(machine: Machine, role: str) -> Counted | CountedDevice:
    """What counts the steps of the role: calls of commands, or exchanges of a delegate with its device."""
    return CountedDevice(machine) if role in BY_DEVICE else Counted(machine)


class Clean:
    """What one run without any fault comes to."""

    def __init__(self, folder: Path, role: str) -> None:
        folder.mkdir()
        (folder / "counted").mkdir()
        machine = Machine(folder / "counted")
        attributes = SCENES[role](machine)
        counted = counter(machine, role)
        assert counted.run(role, attributes).code in GOOD
        self.calls = counted.calls
        (folder / "plain").mkdir()
        folder = folder / "plain"
        self.machine = Machine(folder)
        self.attributes = SCENES[role](self.machine)
        done = self.machine.run(role, self.attributes)
        assert done.code in GOOD, done.err
        self.gives = done.gives
        self.there = relative(there(self.machine, role), folder)
        self.verifies = shipped().roles[role].verify


def relative(found: dict[str, str], folder: Path) -> dict[str, str]:
    """Without the name of the folder, which is another one for each test. All are equally long: a role may look at the length of a path."""
    return {name: _SHORT.sub("SHORT", text.replace(str(folder), "FOLDER")) for name, text in found.items()}


def same(value: Any, folder: Path) -> Any:
    """Without what the machine's own tools report of its parts: one that fails costs its report, and not the role."""
    kept = {name: given for name, given in value.items() if name != "hardware"} if isinstance(value, dict) else value
    return repr(kept).replace(str(folder), "FOLDER")


def ends_well(machine: Machine, role: str, attributes: dict[str, Any], clean: Clean, what: str) -> None:
    """Run again without a fault, it comes to the same as one clean run."""
    again = machine.run(role, attributes, tidy=False)
    assert again.code in GOOD, f"{what}, and the next run fails: {again.err}"
    assert same(again.gives, machine.folder) == same(clean.gives, clean.machine.folder), what
    if clean.verifies:
        looked = machine.run(role, attributes, "verify", tidy=False)
        assert looked.code == 0, f"{what}, it was run again, and verify says: {looked.err}"
        assert same(looked.gives, machine.folder) == same(clean.gives, clean.machine.folder), what
    found = relative(there(machine, role), machine.folder)
    assert found == clean.there, what


def whole(slow: bool) -> Any:
    return pytest.param(slow, marks=pytest.mark.slow) if slow else False


EACH = pytest.mark.parametrize("every", [whole(False), whole(True)], ids=["some", "every"])
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
    clean = Clean(tmp_path / "clean000", role)
    again = clean.machine.run(role, clean.attributes)
    assert again.code in GOOD, again.err
    assert again.gives == clean.gives
    assert relative(there(clean.machine, role), clean.machine.folder) == clean.there


@ROLES
def test_redeployed_twice(role: str, tmp_path: Path) -> None:
    """As the engine does it: a look whether it is so, a run, a look, and all of that again."""
    clean = Clean(tmp_path / "clean000", role)
    for _ in range(2):
        if clean.verifies:
            looked = clean.machine.run(role, clean.attributes, "verify")
            assert (looked.code, looked.gives) == (0, clean.gives), looked.err
        ends_well(clean.machine, role, clean.attributes, clean, "redeployed")


@EACH
@ROLES
def test_an_error_at_each_step(role: str, every: bool, tmp_path: Path) -> None:
    """A command that fails is told by a role that fails, or does not matter: a success has the gives and the state of one."""
    clean = Clean(tmp_path / "clean000", role)
    for step in steps(len(clean.calls), every):
        folder = tmp_path / f"step{step:04}"
        folder.mkdir()
        machine = Machine(folder)
        attributes = SCENES[role](machine)
        done = counter(machine, role).run(role, attributes, fail=step)
        what = f"call {step} of {len(clean.calls)} failed ({clean.calls[step - 1][:80]})"
        if done.code in GOOD and role in LENIENT:
            check_gives(role, done.gives)
            told = {one["name"]: one["signature"] for one in clean.gives.get("disks", ())}
            assert not [one for one in done.gives.get("disks", ()) if not one["signature"] and told.get(one["name"])], (
                f"{what}: called blank"
            )
        elif done.code in GOOD:
            assert same(done.gives, folder) == same(clean.gives, clean.machine.folder), f"{what}, and the role says that it is done"
            if clean.verifies:
                looked = machine.run(role, attributes, "verify", tidy=False)
                assert looked.code == 0, f"{what}, the role says that it is done, and verify says: {looked.err}"
        else:
            assert done.err.strip() or done.out.strip(), f"{what}, and the role fails without a word"
        ends_well(machine, role, attributes, clean, what)


@EACH
@ROLES
def test_power_off_at_each_step(role: str, every: bool, tmp_path: Path) -> None:
    """Killed before any of its calls, and run again."""
    clean = Clean(tmp_path / "clean000", role)
    for step in steps(len(clean.calls), every):
        folder = tmp_path / f"step{step:04}"
        folder.mkdir()
        machine = Machine(folder)
        attributes = SCENES[role](machine)
        done = counter(machine, role).run(role, attributes, die=step)
        what = f"killed at call {step} of {len(clean.calls)} ({clean.calls[step - 1][:80]})"
        assert done.code == KILLED, f"{what}: {done.code} {done.err}"
        if clean.verifies:
            looked = machine.run(role, attributes, "verify", tidy=False)
            if looked.code == 0:
                assert same(looked.gives, folder) == same(clean.gives, clean.machine.folder), f"{what}, and verify says that it is so"
        ends_well(machine, role, attributes, clean, what)


@pytest.mark.parametrize("name", sorted(shipped().barclamps))
def test_the_root_of_a_real_machine_is_empty(name: str) -> None:
    """`${root:?}` ends a script there, and no folder of a test shows it."""
    for script in (Path(shipped().folders[name]) / "roles").rglob("*"):
        assert not script.is_file() or b"${root:?" not in script.read_bytes(), script
