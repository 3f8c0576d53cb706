"""Keystone from source: what its role does with a real environment, made of a small project of that name on a node that is a folder."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from http_rig import Rig
from source_lab import REPO, Task, Upstream
from test_sources_build import apart_is_possible
from test_sources_node import PYTHON, Node

from engine.sources.shelf import file_of

sys.path.append(str(REPO / "images/node/cloud"))
from cloud import Service, Site, Step

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not apart_is_possible() or not Path(PYTHON).exists(), reason="git or python3 is missing, or there are no namespaces"
    ),
]
TOOL = REPO / "images/node/from-source"
AS_KEYSTONE = 'NAME, PROGRAM = "keystone", "keystone-manage"\n'
THERE = [{"node": "control.test", "role": "x", "value": {"address": "192.0.2.1"}}]
VALUES = {
    "admin-network": {"address": "192.0.2.1"},
    "database-admin-password": "one",
    "keystone-database-password": "two",
    "cloud-admin-password": "three",
    "token-hours": 4,
    "cloud": dict.fromkeys(("database", "cache", "front"), THERE),
}


def role(node: Node) -> ModuleType:
    """The role's description, as it is on that node."""
    spec = importlib.util.spec_from_file_location("keystone_role", REPO / "barclamps/keystone/roles/keystone/keystone.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    made.FROM_SOURCE = node.folder / "from-source"
    made.FROM_SOURCE.write_text(f'#!/bin/sh\nCROWBAR_ROOT={node.root}; export CROWBAR_ROOT\nexec sh {TOOL} "$@"\n')
    made.FROM_SOURCE.chmod(0o755)
    return made


def tables(service: Service) -> list[str]:
    (found,) = (list(one.argv) for one in service.steps if isinstance(one, Step) and one.name == "tables")
    return found


def ini(service: Service) -> list[str]:
    """How uWSGI finds the program."""
    keys = ("virtualenv", "wsgi-file", "module")
    return [line for line in service.files["/etc/keystone/keystone-uwsgi.ini"].text().splitlines() if line.split(" ")[0] in keys]


def test_keystone_goes_to_source_to_another_revision_and_back(tmp_path: Path) -> None:
    upstream, task = Upstream(tmp_path / "upstream"), Task(tmp_path, "keystone")
    rig = Rig(tmp_path / "http", wheels=partial(file_of, task.sources))
    node = Node(tmp_path / "node", rig.url)
    one, two = ({"repository": upstream.url, "revision": f"v{number}.0"} for number in (1, 2))
    described, site = role(node), Site(VALUES)
    packaged = described.service(site)
    assert tables(packaged) == ["keystone-manage", "db_sync"]
    assert ini(packaged) == ["wsgi-file = /usr/bin/keystone-wsgi-public"]
    try:
        upstream.release("1.0", evil__py=AS_KEYSTONE)
        upstream.release("2.0")
        assert task.run(one, two) == 0, task.said
        made: list[Any] = []
        for wish, version in ((one, "1.0"), (two, "2.0")):
            attributes = {"keystone-source": wish, "keystone-wheels": task.gives}
            assert node.call(TOOL, ("up", "keystone"), attributes) == 0, node.said
            service = described.service(site)
            program, verb = tables(service)
            assert verb == "db_sync"
            done = subprocess.run([program], capture_output=True, text=True, check=True, timeout=60)
            assert done.stdout == f"greet {version}\n", "the step runs what was built"
            venv = Path(program).parents[1]
            assert (venv / "complete").exists()
            assert ini(service) == [f"virtualenv = {venv}", "module = keystone.wsgi.api:application"]
            made.append(service.files["/etc/keystone/keystone-uwsgi.ini"].text())
        assert made[0] != made[1], "another build is another file, so the service starts again"

        # A revision that still has the script is served by it.
        (venv / "bin/keystone-wsgi-public").touch()
        assert ini(described.service(site))[1] == f"wsgi-file = {venv}/bin/keystone-wsgi-public"

        assert node.call(TOOL, ("up", "keystone"), {"keystone-source": {}, "keystone-wheels": task.gives}) == 0, node.said
        assert described.service(site).files == packaged.files
    finally:
        rig.stop()
