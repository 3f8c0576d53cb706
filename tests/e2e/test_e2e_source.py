"""A service from source, from the plan to the machine: the admin node builds real wheels, a simulated machine fetches them, and the plan
switches to another revision and back to packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from crowbar_process import crowbar, saved_machines

sys.path.append(str(Path(__file__).resolve().parents[1] / "sources"))

from source_lab import Upstream
from test_sources_build import apart_is_possible

from engine.model import NodeRole
from engine.store.store import Store

PLAN = """\
crowbar: 1
site: {name: r07, domain: r07.example.net, trust: network, admin: {address: 192.168.124.10}}
approve: {wipe: all}
networks:
  admin:
    subnet: 192.168.124.0/24
    ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}
rules:
  - {match: {}, group: compute, name: "node-{serial}"}
deployments:
  cloud:
    parent: system
    attributes: {target-os: debian-12, source-index: "", gunicorn-source: SOURCE}
    roles: {about-page: all, ready: all}
"""


def rehearse(store: Path, folder: Path, source: str, *more: str) -> tuple[str, Any]:
    """What the page's log says of its server, and the build that counts on the machine."""
    (folder / "plan.yml").write_text(PLAN.replace("SOURCE", source))
    words = ("rehearse", "--nodes", "1", "--plan", str(folder / "plan.yml"), "--headless", "--speed", "max", "--json", *more)
    done = crowbar(store, *words)
    assert done.code == 0, done
    rows = {row["role"]: row for row in crowbar(store, "roles", "--json").lines if "role" in row}
    assert rows["about-page"]["state"] == rows["gunicorn-wheels"]["state"] == "active"
    log = crowbar(store, "log", rows["about-page"]["node"], "about-page")
    (machine,) = saved_machines(store)
    disks = [*machine["disks"].values(), *(volume["disk"] for volume in machine["volumes"])]
    (system,) = (disk["system"] for disk in disks if disk.get("system"))
    return log.out.strip().splitlines()[-1], system["files"].get("/opt/crowbar/venv/gunicorn")


@pytest.mark.slow
@pytest.mark.skipif(not apart_is_possible(), reason="git is missing, or this system allows no namespaces")
def test_one_attribute_switches_to_source_to_another_revision_and_back(store: Path, tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "upstream")
    commit = upstream.release("1.0")
    assert rehearse(store, tmp_path, "{}", "--fresh") == ("about-page: gunicorn 20.1.0, from packages", None)
    said, first = rehearse(store, tmp_path, f"{{repository: {upstream.url!r}, revision: v1.0}}")
    assert said == f"about-page: gunicorn 1.0, from 1.0 (v1.0, {commit})"
    assert (store / "sources" / f"built-{first}").is_dir()
    commit = upstream.release("2.0")
    said, second = rehearse(store, tmp_path, f"{{repository: {upstream.url!r}, revision: v2.0}}")
    assert said == f"about-page: gunicorn 2.0, from 2.0 (v2.0, {commit})"
    assert first != second
    assert rehearse(store, tmp_path, "{}") == ("about-page: gunicorn 20.1.0, from packages", None)


@pytest.mark.slow
@pytest.mark.skipif(not apart_is_possible(), reason="git is missing, or this system allows no namespaces")
def test_a_revision_that_is_not_there_is_said_on_the_admin_node(store: Path, tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "upstream")
    upstream.release("1.0")
    (tmp_path / "plan.yml").write_text(PLAN.replace("SOURCE", f"{{repository: {upstream.url!r}, revision: v9}}"))
    words = ("rehearse", "--nodes", "1", "--plan", str(tmp_path / "plan.yml"), "--headless", "--speed", "max", "--fresh", "--json")
    done = crowbar(store, *words)
    assert done.code != 0, done
    rows = {row["role"]: row for row in crowbar(store, "roles", "--json").lines if "role" in row}
    assert rows["gunicorn-wheels"]["state"] == "error"
    said = f"gunicorn-wheels did not find a revision: {upstream.url} v9: there is no such tag, branch or commit"
    assert said in str(rows["gunicorn-wheels"])


CLOUD = """\
crowbar: 1
site: {name: r07, domain: r07.example.net, trust: network, admin: {address: 192.168.124.10}}
approve: {wipe: all}
attributes: {source-index: "", keystone-requirements: []}
networks:
  admin:
    subnet: 192.168.124.0/24
    ranges: {dhcp: 192.168.124.21-192.168.124.80, host: 192.168.124.81-192.168.124.160}
rules:
  - {match: {}, group: control, name: "control-{serial}"}
deployments:
  cloud:
    parent: system
    attributes: {target-os: debian-13, keystone-source: SOURCE}
    roles: {openstack-database: all, openstack-cache: all, openstack-front: all, keystone: all, ready: all}
"""


@pytest.mark.slow
@pytest.mark.skipif(not apart_is_possible(), reason="git is missing, or this system allows no namespaces")
def test_keystone_of_a_cloud_comes_from_source_and_from_packages_again(store: Path, tmp_path: Path) -> None:
    upstream = Upstream(tmp_path / "upstream")
    upstream.release("1.0", evil__py='NAME, PROGRAM = "keystone", "keystone-manage"\n')
    said: list[str] = []
    for source in (f"{{repository: {upstream.url!r}, revision: v1.0}}", "{}"):
        (tmp_path / "plan.yml").write_text(CLOUD.replace("SOURCE", source))
        words = ("rehearse", "--nodes", "1", "--plan", str(tmp_path / "plan.yml"), "--headless", "--speed", "max", "--json")
        done = crowbar(store, *words)
        assert done.code == 0, done
        rows = {row["role"]: row for row in crowbar(store, "roles", "--json").lines if "role" in row}
        assert rows["keystone"]["state"] == rows["keystone-wheels"]["state"] == "active"
        said += [
            line for line in crowbar(store, "log", rows["keystone"]["node"], "keystone").out.splitlines() if line.startswith("keystone: ")
        ]
    assert said == ["keystone: 1.0", "keystone: from packages"]
    with Store.read(store) as reader:
        (built,) = [one for one in reader.load()["node_roles"].values() if isinstance(one, NodeRole) and one.role == "keystone-wheels"]
    assert built.gave["keystone-wheels"] == [], "nobody wants a build any more"
