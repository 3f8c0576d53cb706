"""Tempest against a small cloud with its real daemons: what it reports, again after what a killed run leaves, and with a service that is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cloud_lab import CloudLab, CloudNode

from engine import validation

pytestmark = [pytest.mark.slow, pytest.mark.client]

BASE = ("openstack-cache", "openstack-database", "openstack-front", "keystone")


@pytest.fixture(scope="module")
def node(lab: CloudLab) -> CloudNode:
    if not Path(lab.tree, "usr/bin/tempest").exists():
        pytest.skip("the tree has no Tempest: build the image with --variant cloud")
    lab.values |= {"tempest-suites": ["identity", "object-storage"]}
    node = lab.node("control-1", "127.0.1.1", *BASE, "tempest")
    node.bring(*BASE)
    return node


def report(node: CloudNode, code: int) -> validation.Report:
    done = node.run("tempest")
    assert done.code == code, done
    told: Any = done.gives["tempest-results"]
    jsonschema.Draft202012Validator(validation.SCHEMA).validate(told)
    found = validation.read(told)
    assert found is not None
    return found


def test_the_smoke_tests_of_keystone_pass_and_leave_no_accounts(node: CloudNode) -> None:
    found = report(node, 0)
    assert (found.failed, found.excluded) == (0, 1)
    assert found.passed >= 13
    (skipped,) = found.tests("skipped")
    assert skipped[1].line == "the deployment has no swift"
    progress = (node.root / "var/lib/crowbar-task/tempest/progress").read_text().splitlines()
    assert progress[-1].startswith("99 ")
    assert node.call("stat", "-c", "%a", "/var/lib/crowbar-tempest").stdout == "700\n"


def test_a_service_that_is_gone_fails_with_a_report_and_comes_back(node: CloudNode) -> None:
    assert node.call("systemctl", "stop", "keystone").returncode == 0
    found = report(node, 1)
    ((group, test),) = found.tests("failed")
    assert (group.name, test.name) == ("services", "keystone")
    assert "Connection refused" in test.line
    node.bring("keystone")
    assert report(node, 0).failed == 0
