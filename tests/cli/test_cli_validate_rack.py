"""`crowbar validate` on a virtual rack: a role with tests passes; a process that was killed on another node fails them; and it is put right."""

from __future__ import annotations

import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_store import objects

from crowbar_tui.cli import main
from engine.files.catalog import shipped
from engine.files.plan_file import read
from engine.rehearsal.session import Rehearsal
from engine.views.summary import proved

PLAN = """\
crowbar: 1
site: {name: rehearsal, domain: rehearsal.test, admin: {address: 192.168.124.10}}
approve: {wipe: blank}
networks:
  admin:
    subnet: 192.168.124.0/24
    ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.101-192.168.124.160}
  bmc: {subnet: 192.168.125.0/24, conduit: bmc, ranges: {host: 192.168.125.21-192.168.125.80}}
racks:
  - name: r01
    places:
      10: {cables: {1g0: "tor1:swp1", 1g1: "tor2:swp1", bmc: "mgmt:1"}}
      11: {cables: {1g0: "tor1:swp2", 1g1: "tor2:swp2", bmc: "mgmt:2"}}
rules:
  - {match: {}, name: "node-{place}"}
deployments:
  cloud:
    attributes: {target-os: debian-12, cloud-profile: rehearsal}
    roles:
      network-admin: all
      ready: all
      openstack-database: {node: node-10}
      openstack-cache: {node: node-10}
      openstack-front: {node: node-10}
      keystone: {node: node-10}
      tempest: {node: node-11}
secrets: {bmc-password: {env: CROWBAR_BMC_PASSWORD}}
"""


def until(true: Callable[[], bool], what: str, seconds: float = 180.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def test_what_tempest_finds_goes_through_the_whole_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"

    def crowbar(*words: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["--store", str(store), *words])
        return code, capsys.readouterr().out

    with Rehearsal(store, read(PLAN, "plan.yml", shipped()), 2, 1, "max", "ada", network="loopback") as run:
        world = run.engine
        until(lambda: proved(world.world, 2) == "validated", "it is not validated")

        code, out = crowbar("validate", "cloud", "--junit", str(tmp_path / "good.xml"))
        assert code == 0, out
        assert "tempest on node-11: passed in " in out
        assert "3 of 3 validating roles passed; tests: 3 passed, 3 skipped, 1 excluded: passed" in out
        cases = {case.get("name"): [one.tag for one in case] for case in ET.parse(tmp_path / "good.xml").iter("testcase")}
        assert cases["test_default_domain_exists"] == []
        assert cases["compute"] == ["skipped"]

        def kill(process: str) -> None:
            """On node-10, as a person with a shell there."""
            address, port = world.config.reach(world.world.node_named("node-10").address, 22)
            options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-p", str(port)]
            key = str(world.config.keys / "engine_ed25519")
            subprocess.run(["ssh", *options, "-i", key, f"root@{address}", "pkill", process], check=True, timeout=60)

        kill("keystone")
        code, out = crowbar("validate", "--json", "--junit", str(tmp_path / "bad.xml"))
        assert code == 1
        *rows, summary = objects(out)
        assert (summary["verdict"], summary["passed"], summary["failed"]) == ("failed", 2, 1)
        assert summary["tests"] == {"passed": 0, "failed": 3, "skipped": 3, "excluded": 1}
        assert [one["line"].partition(": ")[2].partition(":")[2] for one in summary["broken"]] == ["5000: Connection refused"] * 3
        (proof,) = [row for row in rows if row["type"] == "validation" and row["result"] == "failed"]
        assert (proof["role"], proof["why"]["code"], proof["report"]["failed"]) == ("tempest", "script_failed", 3)
        assert "3 failed: GroupsV3TestJSON.test_group_users_add_list_delete: keystone: " in proof["why"]["sentence"]
        assert len(list(ET.parse(tmp_path / "bad.xml").iter("failure"))) == 3
        assert objects(crowbar("status", "--json")[1])[0]["validation"]["failed"] == 1
        assert proved(world.world, 2) == "stuck"

        keystone = world.world.node_named("node-10")
        assert crowbar("role", keystone.name, "keystone", "redeploy")[0] == 0
        until(lambda: world.world.node_roles[(keystone.id, "keystone")].state.value == "active", "Keystone does not come back")
        code, out = crowbar("validate", "cloud")
        assert (code, out.splitlines()[-1].rpartition(": ")[2]) == (0, "passed"), out
