"""For all tests: property tests have no deadline, since a loaded machine is no mistake of the code, and are the same in each CI run. One that
does not say how many examples it needs has 60.

A test's id is short: a terminal, a report and a shell must be able to hold it. Long texts among the parameters are cut in the id.
A rack that a test starts ends with the test's process at the latest, however that is ended.

Temporary folders are in memory where there is room: an engine syncs each commit, and tests kill processes, not disks. Several workers begin
with the longest files, so that no worker is left alone with one of them (xdist's `--no-loadscope-reorder` keeps this order).

All collected tests stay until the end, in each worker. The garbage collector does not look at them: that took seconds of each worker's start,
and half a second whenever a test brought it to look at everything.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.racks.process import ENDS_WITH

os.environ[ENDS_WITH] = str(os.getpid())

settings.register_profile("here", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("here"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

LONGEST_ID = 200
PART = 32
"""Characters that a long text keeps in an id; three of them and the longest names of files and tests are under LONGEST_ID."""


IN_MEMORY = Path("/dev/shm")
ROOM = 8 << 30
"""Bytes that must be free there, and in the memory of the machine."""
LONGEST_FILES = (
    "switches/test_switches_cli.py",
    "console/test_console_aside.py",
    "faults/test_faults_bmc_roles.py",
    "catalog/test_catalog_generic.py",
    "console/test_console_terminal.py",
    "e2e/test_e2e_refusals.py",
    "faults/test_faults_machines.py",
    "catalog/test_catalog_raid.py",
    "e2e/test_e2e_rehearse.py",
    "cli/test_cli_long_task.py",
    "join/test_join_real.py",
    "net/test_net_interface.py",
    "faults/test_faults_identity.py",
    "faults/test_faults_bmc.py",
    "faults/test_faults_scenario.py",
    "e2e/test_e2e_daemons.py",
    "abuse/test_abuse_become_root_by_the_engine.py",
    "abuse/test_abuse_get_a_shell_by_ssh.py",
    "catalog/test_catalog_network.py",
    "catalog/test_catalog_site.py",
    "catalog/test_catalog_hardware.py",
    "e2e/test_e2e_barclamp.py",
    "e2e/test_e2e_crash.py",
    "abuse/test_abuse_crowd_out_new_machines.py",
    "sim/test_sim_roles.py",
    "sim/test_sim.py",
    "core/test_core_transitions.py",
    "console/test_console_setup.py",
    "catalog/test_catalog_broken.py",
    "catalog/test_catalog_disks.py",
    "catalog/test_catalog_discovery.py",
    "console/test_console_past_terminal.py",
    "core/test_core_properties.py",
    "abuse/test_abuse_command_the_engine_by_http.py",
    "abuse/test_abuse_flood.py",
    "abuse/test_abuse_fill_the_http_server.py",
    "abuse/test_abuse_ipmi.py",
    "abuse/test_abuse_redfish.py",
    "abuse/test_abuse_decode.py",
    "abuse/test_abuse_lines.py",
    "faults/test_faults_ssh.py",
    "faults/test_faults_disks.py",
    "images/test_images_attempt.py",
    "rehearsal/test_rehearsal_rack.py",
    "store/test_store_second_process.py",
    "core/test_core_twins.py",
)
"""The longest first, by what they took on a machine with two cores. A file that is missing here only starts later."""


if not os.environ.get("XDG_STATE_HOME", "").startswith(os.path.join(tempfile.gettempdir(), "crowbar-state-")):
    os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="crowbar-state-")
    atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)
"""Where `crowbar` notes which stores it opened: those of a test concern nobody else."""


gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    if fits_in_memory():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def fits_in_memory() -> bool:
    """True if the folder in memory has room, and scripts can be run from there: some systems mount it without that right."""
    try:
        room = os.statvfs(IN_MEMORY)
        free = next(
            int(line.split()[1]) << 10 for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable")
        )
        if min(room.f_bavail * room.f_frsize, free) < ROOM:
            return False
        with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
            script = Path(folder) / "try"
            script.write_text("#!/bin/sh\n")
            script.chmod(stat.S_IRWXU)
            return subprocess.run([script], check=False).returncode == 0
    except (OSError, StopIteration):
        return False


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """The id of a long text or of long octets: how they begin, and their length. None: as pytest makes it."""
    text = val.decode("latin-1") if isinstance(val, bytes) else val
    if not isinstance(text, str):
        return None
    shown = text[: PART + 1].encode("unicode_escape").decode("ascii")
    return f"{shown[:PART]}...{len(text)}" if len(shown) > PART else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {str(Path(__file__).parent / name): number for number, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: place.get(str(item.path), len(place)))  # stable: all others stay as they were
    long = [item.nodeid for item in items if len(item.nodeid) > LONGEST_ID]
    if long:
        shown = "\n".join(f"  {nodeid[:160]}..." for nodeid in long)
        raise pytest.UsageError(f"these tests have ids of more than {LONGEST_ID} characters; give their parameters shorter ids:\n{shown}")
