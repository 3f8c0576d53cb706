"""Roles of OpenStack find their tool where a task puts it: beside the script, and not on the PATH."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cloud_api import Fault
from cloud_run import PULLED, alive, mask_pulled, unmask
from node_folder import shipped
from scenes import ON_DEBIAN

from engine.jigs.node_tools import TOOLS
from engine.jigs.task_tar import tool_files

CALLS = [
    (role, action)
    for role in sorted(ON_DEBIAN)
    for action in ("run", "verify")
    if (Path(shipped().folders[shipped().roles[role].barclamp]) / "roles" / role / action).exists()
]


@pytest.mark.skipif(not os.access("/usr/bin/python3", os.X_OK), reason="the tool is a program for /usr/bin/python3")
@pytest.mark.parametrize(("role", "action"), CALLS)
def test_a_role_without_attributes_says_what_it_lacks(tmp_path: Path, role: str, action: str) -> None:
    definition = shipped().roles[role]
    task = tmp_path / "task"
    shutil.copytree(Path(shipped().folders[definition.barclamp]) / "roles" / role, task)
    for tool in ("attribute", *definition.tools):
        for file in tool_files(TOOLS / tool):
            shutil.copy(file, task)
    # Without a wish for a source a role would not come to its description.
    (task / "attributes.json").write_text(json.dumps({f"{definition.source}-source": {}} if definition.source else {}))
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "CROWBAR_ROOT": str(tmp_path / "root"), "CROWBAR_ATTRIBUTES": "attributes.json"}
    environment |= {"CROWBAR_GIVES": str(tmp_path / "gives"), "CROWBAR_PROGRESS": str(tmp_path / "progress")}
    done = subprocess.run([f"./{action}"], cwd=task, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1, done
    assert "has no value for this node" in done.stderr or "no node " in done.stderr, done
    assert not (tmp_path / "gives").exists()


def a_node(root: Path, *shipped_units: str, enabled: str = "") -> Path:
    """A root with these units in it, and the folder of its own units."""
    own = root / "etc/systemd/system"
    (own / "multi-user.target.wants").mkdir(parents=True)
    (root / "usr/lib/systemd/system").mkdir(parents=True)
    for name in shipped_units:
        (root / f"usr/lib/systemd/system/{name}.service").touch()
    if enabled:
        (own / f"multi-user.target.wants/{enabled}.service").symlink_to(f"/usr/lib/systemd/system/{enabled}.service")
    return own


def test_what_the_units_pull_in_is_masked_until_its_role_comes(tmp_path: Path) -> None:
    own = a_node(tmp_path, "rabbitmq-server", "keystone", "mariadb", "memcached", enabled="mariadb")
    assert mask_pulled(("keystone",), tmp_path)
    assert os.readlink(own / "rabbitmq-server.service") == "/dev/null"
    assert sorted(path.name for path in own.iterdir()) == ["multi-user.target.wants", "rabbitmq-server.service"]
    assert not mask_pulled(("keystone",), tmp_path), "a second run changes nothing"
    assert mask_pulled(("nova-api",), tmp_path), "on a node without its role, Keystone too"
    assert os.readlink(own / "keystone.service") == "/dev/null"


def test_a_unit_is_unmasked_when_its_role_comes(tmp_path: Path) -> None:
    own = a_node(tmp_path, "rabbitmq-server", "keystone")
    mask_pulled((), tmp_path)
    assert unmask(("epmd.socket", "rabbitmq-server"), tmp_path)
    assert [path.name for path in own.iterdir() if path.is_symlink()] == ["keystone.service"]
    assert not unmask(("epmd.socket", "rabbitmq-server"), tmp_path), "nothing to read again"
    (own / "nova-api.service").symlink_to("/usr/lib/systemd/system/other.service")
    assert not unmask(("nova-api",), tmp_path), "an alias is no mask"


def test_a_unit_that_somebody_wrote_stays(tmp_path: Path) -> None:
    own = a_node(tmp_path, *PULLED)
    for name in PULLED:
        (own / f"{name}.service").write_text("the site's own")
    assert not mask_pulled((), tmp_path)
    assert {(own / f"{name}.service").read_text() for name in PULLED} == {"the site's own"}


SYSTEMCTL = """#!/bin/sh
case $1 in
is-active) shift; for unit; do cat "$STATES/$unit"; done ;;
show) cat "$STATES/$4.job" ;;
esac
"""


@pytest.mark.parametrize(
    ("states", "job", "given_up"),
    [
        (("active", "activating"), "", False),
        (("active", "failed"), "", True),
        (("active", "failed"), "7458", False),  # it did not end in time, was killed, and its restart comes to the second half
    ],
)
def test_a_unit_is_given_up_when_systemd_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, states: tuple[str, str], job: str, given_up: bool
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("STATES", str(tmp_path))
    monkeypatch.setattr("cloud_run.with_systemd", lambda: True)
    for unit, state in zip(("libvirtd", "nova-compute"), states, strict=True):
        (tmp_path / unit).write_text(f"{state}\n")
        (tmp_path / f"{unit}.job").write_text(f"{job}\n")
    if given_up:
        with pytest.raises(Fault, match="nova-compute does not start"):
            alive(("libvirtd", "nova-compute"))
    else:
        assert alive(("libvirtd", "nova-compute")) == dict(zip(("libvirtd", "nova-compute"), states, strict=True))
