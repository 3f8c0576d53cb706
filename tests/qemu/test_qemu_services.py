"""Machines with all services of the rack, and machines that become ready from a bundle where no route leads out.

Needs QEMU, the built images, the services' programs, and a mirror of Debian's packages for the bundle: `make qemu-rack`. Slow.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rack_run import ROOT, end_rack, lacking, rack_of, run, within
from scene_services import ADMIN, PLAN
from services_looks import NETWORKS, VLANS

from engine.racks.process import ENDS_WITH
from engine.racks.qemu.speaker import SYSTEM

NODES = 4
PROGRAMS = ("nagios4", "named", "dig", "chronyd", "rsyslogd", "ansible-playbook")
PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin", "/sbin"))
ROUTELESS = """
set -eu
ip link set lo up
test -z "$(ip route show)$(ip -6 route show default)"
"$0" -m crowbar_tui.cli --store "$1" bundle open "$2" --key "$3" >&2
exec "$0" -m crowbar_tui.cli --store "$1" replay "$1/bundle/plan.yml" --rehearse qemu:2 --json --timeout "$4"
"""


def why_not() -> str:
    """What these tests need and this machine has not got; empty: nothing."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    return lacking() or (f"the programs {', '.join(absent)} are not installed" if absent else "")


WHY_NOT = why_not()
pytestmark = [pytest.mark.qemu, pytest.mark.slow, pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: Nagios' socket has a path of at most 107 characters."""
    with tempfile.TemporaryDirectory(prefix="crowbar") as short:
        yield Path(short)


def command(store: Path, *words: str, **environment: str) -> str:
    """What `crowbar` prints, in this machine's own network."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), *words],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )
    assert done.returncode == 0, (words, done.stdout[-3000:], done.stderr[-3000:])
    return done.stdout


def bundle(folder: Path, plan: Path, *without: str) -> tuple[Path, str]:
    """A bundle of the plan, made on this machine with its connection; and the key that signed it."""
    file = folder / "rack.crowbar"
    left_out = [word for part in without for word in ("--without", part)]
    said = command(folder / "here", "bundle", "create", str(plan), "-o", str(file), *left_out, "--json")
    made = json.loads(said.splitlines()[-1])  # the lines before tell the progress
    shutil.rmtree(folder / "here")
    shutil.rmtree(folder / "here.keys")
    return file, made["key"]


def check_links(found: dict[str, Any]) -> None:
    """LACP on both ports with the rack's switches, two VLANs, and an IPv6 address of the same /64 on each network, which the others reach."""
    assert len(found) == NODES
    for node, one in found.items():
        assert one["mode"] == ["IEEE 802.3ad Dynamic link aggregation"], node
        assert one["partners"] == [SYSTEM.hex(":")] * 2, (node, one)
        assert (len(one["members"]), set(one["up"])) == (2, {"up"}), (node, one)
        assert one["vlans"] == {f"bond1g0.{vlan}": vlan for vlan in VLANS.values()}, (node, one)
        assert {net: ["." in a for a in addresses] for net, addresses in one["addresses"].items()} == {
            net: [True, False] for net in NETWORKS.values()
        }, (node, one)
        assert one["unreached"] == [], (node, one)
        assert "unreachable" in one["outside"], "no route leads out of the rack"
    prefixes = {net: {":".join(one["addresses"][net][1].split(":")[:4]) for one in found.values()} for net in NETWORKS.values()}
    assert all(len(these) == 1 for these in prefixes.values()), prefixes
    assert len(set.union(*prefixes.values())) == len(NETWORKS), "each network has a prefix of its own"


def check_packages(found: dict[str, Any], node: str) -> None:
    """Without the bundle nothing is installed, and apt, the role and the cache say why."""
    assert "E:" in found["apt"], found["apt"]
    (why,) = found["role"]
    assert why["code"] == "failed", why
    assert "could not install packages: prometheus-node-exporter: E: Failed to fetch " in why["sentence"], why
    missing = [row for row in found["packages"]["missing"] if "prometheus-node-exporter" in row["path"]]
    assert missing, found["packages"]
    assert node.partition(".")[0] in found["said"], found["said"]
    assert found["left"] == [], "what is here again is missing no longer"


def test_four_machines_with_all_services(folder: Path) -> None:
    file, _ = bundle(folder, PLAN, "images", "wheels")
    store = folder / "store"
    command(store, "bundle", "open", str(file))
    found = run(store, NODES, 7200, str(file), program="scene_services.py")
    assert found.get("verdict") == "ready"
    print(json.dumps({"ready_s": found["ready_s"], "took": found["took"], "spent": found["spent"]}))
    assert found["outside"] == "", "the engine has no route out either"
    check_links(found["links"])
    assert all(version.startswith("installed ") for _, version in found["installed"].values()), found["installed"]
    records = NODES * len(NETWORKS) * 4
    assert {node: (one["server"], one["right"], one["wrong"]) for node, one in found["names"].items()} == dict.fromkeys(
        found["links"], ([ADMIN], records, [])
    )
    assert set(found["clocks"]) == set(found["logged"]) == set(found["links"])
    for node, lines in found["tools"].items():
        assert lines[0] == "7", (node, lines)
        assert "vm.swappiness = 7" in lines, (node, lines)
        assert any(line.startswith("ada:") for line in lines), (node, lines)
    watched = found["monitored"]
    assert set(found["links"]) <= set(watched["hosts"]), watched
    assert watched["red_s"] < 60, watched
    assert {(node, role) for node, role, *_ in watched["red"]} == {(min(found["links"]), "ntp-client")}, watched
    assert [one["code"] for one in watched["findings"]] == ["check_red"], watched
    check_packages(found["without"], max(found["links"]))


def test_two_machines_become_ready_from_a_bundle_where_no_route_leads_out(folder: Path) -> None:
    """Images, packages and plan come from the bundle; the engine and the machines are in a network namespace without a route."""
    plan = folder / "plan.yml"
    plan.write_text(PLAN.read_text(encoding="utf-8").replace("mode: 802.3ad", "mode: active-backup"), encoding="utf-8")
    file, key = bundle(folder, plan, "wheels")
    store = folder / "there"
    environment = {name: value for name, value in os.environ.items() if name != "CROWBAR_IMAGES"}
    environment |= {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
        "CROWBAR_BMC_PASSWORD": "rehearsal",
        ENDS_WITH: str(os.getpid()),
    }
    words = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "sh", "-c", ROUTELESS]
    try:
        said, errors, code = within([*words, sys.executable, str(store), str(file), key, "5400"], 6000, environment)
    finally:
        end_rack(rack_of(store))
    assert code == 0, (said[-6000:], errors[-3000:])
    summary = json.loads(said.splitlines()[-1])
    assert (summary["verdict"], summary["nodes"], summary["ready"]) == ("ready", 2, 2)
    print(f"two machines ready from the bundle after {summary['seconds']} s")
    assert sorted(one.name for one in (store / "images").iterdir() if one.is_dir()) == ["debian-12", "loader", "sledgehammer"]
