"""Swift and the retriever on a rack of four simulated machines: the rings wait for all storage nodes, and the servers for the rings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from crowbar_process import crowbar, here

PLAN = """\
crowbar: 1
site: {name: rehearsal, domain: rehearsal.test, admin: {address: 192.168.124.10}}
approve: {wipe: blank}
networks:
  admin:
    subnet: 192.168.112.0/20
    router: 192.168.124.1
    ranges: {dhcp: 192.168.112.21-192.168.117.254, host: 192.168.118.1-192.168.123.254}
    strangers: ignore
  bmc:
    subnet: 192.168.128.0/20
    conduit: bmc
    ranges: {host: 192.168.128.21-192.168.135.254}
racks:
  - name: r01
    units: 42
    places:
      10: {cables: {1g0: "tor1:swp1", 1g1: "tor2:swp1", bmc: "mgmt:1"}}
      11: {cables: {1g0: "tor1:swp2", 1g1: "tor2:swp2", bmc: "mgmt:2"}}
      12: {height: 2, cables: {1g0: "tor1:swp3", 1g1: "tor2:swp3", bmc: "mgmt:3"}}
      14: {cables: {1g0: "tor1:swp4", 1g1: "tor2:swp4", bmc: "mgmt:4"}}
rules:
  - {match: {place: {min: 10, max: 10}}, group: control, name: "control-{place}"}
  - {match: {}, group: store, name: "store-{place}"}
deployments:
  cloud:
    attributes: {target-os: debian-13, cloud-profile: rehearsal}
    roles:
      network-admin: all
      openstack-database: {group: control}
      openstack-cache: {group: control}
      openstack-front: {group: control}
      keystone: {group: control}
      swift-storage: {group: store}
      swift-rings: {group: control}
      swift-servers: {group: store}
      swift-proxy: {group: control}
      retriever: {group: control}
      ready: all
secrets: {bmc-password: {env: CROWBAR_BMC_PASSWORD}}
"""
CONTROL = ["openstack-database", "openstack-cache", "openstack-front", "keystone", "swift-rings", "swift-proxy", "retriever"]


@pytest.mark.long
def test_storage_then_rings_then_servers(store: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.yml").write_text(PLAN)
    words = ("rehearse", "--nodes", "4", "--plan", str(tmp_path / "plan.yml"), "--network", "loopback", "--headless", "--json")
    done = crowbar(store, *words)
    assert done.code == 0, done
    assert (done.summary["ready"], done.summary["waiting"]) == (4, {})
    found = {(row["node"].split(".")[0], row["role"]): row["state"] for row in here(store, "roles", "--json").lines if "role" in row}
    for role in CONTROL:
        assert [(node, state) for (node, name), state in found.items() if name == role] == [("control-10", "active")], role
    for role in ("swift-storage", "swift-servers", "raid-configure"):
        assert {node for (node, name), state in found.items() if name == role and state == "active"} >= {
            "store-11",
            "store-12",
            "store-14",
        }, role

    last: dict[str, int] = {}
    first: dict[str, int] = {}
    for number, line in enumerate(here(store, "events").out.splitlines()):
        for role in re.findall(r"(swift-\w+)(?: on \S+)? active", line):
            last[role] = number
        for role in re.findall(r"(swift-\w+)(?: on \S+)? transition", line):
            first.setdefault(role, number)
    # One row of the journal may end the last of one role and begin the next.
    assert last["swift-storage"] <= first["swift-rings"] < first["swift-servers"] < first["swift-proxy"]
