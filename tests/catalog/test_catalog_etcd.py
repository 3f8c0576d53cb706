"""The etcd barclamp: its scripts with stand-in tools on a machine that is a folder, and its graph in the default plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import crowbar_tui
from engine.definitions import Collect, On
from engine.files.catalog import shipped
from engine.files.plan_file import read_file

PLAN = Path(crowbar_tui.__file__).parent / "plans" / "six-nodes.yml"
FILE = "etc/default/etcd"

# Units are `active` where the file `active` is there.
SYSTEMCTL = r"""
case "$*" in
*is-active*) [ -e "$CROWBAR_ROOT/active" ] && echo active || { echo inactive; exit 3; } ;;
*restart*) : >"$CROWBAR_ROOT/active" ;;
esac
"""

# A cluster that answers at the addresses in the file `healthy`, and knows the members in the file `members`.
ETCDCTL = r"""
at=$(printf '%s\n' "$*" | sed 's|.*--endpoints http://\([0-9.]*\):2379.*|\1|')
grep -qx "$at" "$CROWBAR_ROOT/healthy" 2>/dev/null || exit 1
case "$*" in
*"member list"*) cat "$CROWBAR_ROOT/members" ;;
*"member add "*) url=${*##*--peer-urls=}; echo "f00d, unstarted, , $url, , false" >>"$CROWBAR_ROOT/members" ;;
esac
"""


def member(node: str, address: str | None) -> dict[str, Any]:
    value = {"address": address, "mask": "255.255.240.0", "router": ""} if address else None
    return {"node": node, "role": "etcd-member", "value": value}


ALL = [member("c-10.r1.test", "10.0.0.81"), member("c-11.r1.test", "10.0.0.82"), member("c-15.r1.test", "10.0.0.83")]
CLUSTER = "c-10.r1.test=http://10.0.0.81:2380,c-11.r1.test=http://10.0.0.82:2380,c-15.r1.test=http://10.0.0.83:2380"


def wanted(members: list[dict[str, Any]] | None = None, address: str = "10.0.0.82") -> dict[str, Any]:
    return {
        "admin-network": {"address": address, "mask": "255.255.240.0", "router": ""},
        "etcd-cluster-token": "crowbar",
        "etcd/members": ALL if members is None else members,
    }


@pytest.fixture
def node(machine: Any) -> Any:
    machine.write("etc/default/x")
    (machine.root / "run/systemd/system").mkdir(parents=True)
    machine.tool("systemctl", SYSTEMCTL)
    machine.tool("etcdctl", ETCDCTL)
    machine.tool("etcd", "")
    return machine


def restarts(machine: Any) -> int:
    return sum("restart etcd" in call for call in machine.calls)


def test_the_first_members_begin_a_cluster(node: Any) -> None:
    assert node.run("etcd-member", wanted(), "verify").code == 1
    done = node.run("etcd-member", wanted())
    assert (done.code, done.gives) == (0, {}), done.err
    text = node.read(FILE)
    assert 'ETCD_NAME="c-11.r1.test"\n' in text
    assert f'ETCD_INITIAL_CLUSTER="{CLUSTER}"\nETCD_INITIAL_CLUSTER_STATE="new"\n' in text
    assert 'ETCD_LISTEN_PEER_URLS="http://10.0.0.82:2380"\n' in text
    assert "systemctl --quiet enable etcd" in node.calls
    assert "systemctl --no-block restart etcd" in node.calls, "the first member is at work only when the second is"
    node.write("healthy", "10.0.0.82\n")
    assert node.run("etcd-member", wanted(), "verify").code == 0
    again = node.run("etcd-member", wanted())
    assert (again.code, again.out) == (0, "")
    assert restarts(node) == 1


def test_a_member_with_data_is_not_started_anew_because_a_peer_came(node: Any) -> None:
    assert node.run("etcd-member", wanted(ALL[:2])).code == 0
    (node.root / "var/lib/etcd/default/member").mkdir(parents=True)
    done = node.run("etcd-member", wanted())
    assert done.code == 0
    assert f'ETCD_INITIAL_CLUSTER="{CLUSTER}"\n' in node.read(FILE)
    assert restarts(node) == 1
    (node.root / "active").unlink()
    assert "etcd is not running" in node.run("etcd-member", wanted(), "verify").err
    assert node.run("etcd-member", wanted()).code == 0
    assert restarts(node) == 2, "but it is restarted where it does not run"


def test_one_that_comes_later_joins(node: Any) -> None:
    node.write("healthy", "10.0.0.81\n")
    node.write("members", "a1, started, c-10.r1.test, http://10.0.0.81:2380, http://10.0.0.81:2379, false\n")
    done = node.run("etcd-member", wanted())
    assert done.code == 0, done.err
    text = node.read(FILE)
    joined = "c-10.r1.test=http://10.0.0.81:2380,c-11.r1.test=http://10.0.0.82:2380"
    assert f'ETCD_INITIAL_CLUSTER="{joined}"\nETCD_INITIAL_CLUSTER_STATE="existing"\n' in text, (
        "as the cluster knows itself, or etcd refuses"
    )
    node.write("healthy", "10.0.0.81\n10.0.0.82\n")
    assert node.run("etcd-member", wanted(), "verify").code == 0
    again = node.run("etcd-member", wanted())
    assert again.code == 0, again.err
    assert node.read("members").count("10.0.0.82") == 1, "it is added once"
    assert sum("member add" in call for call in node.calls) == 1


def test_a_member_that_is_not_well(node: Any) -> None:
    assert node.run("etcd-member", wanted()).code == 0
    found = node.run("etcd-member", wanted(), "verify")
    assert (found.code, found.err) == (1, "etcd-member: the member c-11.r1.test at 10.0.0.82 is not healthy\n")
    node.write("healthy", "10.0.0.82\n")
    other = node.run("etcd-member", wanted(ALL[:2]), "verify")
    assert other.code == 1
    assert "does not name the members" in other.err


def test_an_image_without_etcd(machine: Any) -> None:
    done = machine.run("etcd-member", wanted())
    assert done.code == 2
    assert done.err.startswith("etcd-member: this system has no etcd")


def test_without_systemd_the_file_is_all(node: Any) -> None:
    (node.root / "run/systemd/system").rmdir()
    assert node.run("etcd-member", wanted()).code == 0
    assert node.run("etcd-member", wanted(), "verify").code == 0
    assert not any(call.startswith("systemctl") for call in node.calls)


@pytest.mark.parametrize(
    ("members", "address", "said"),
    [
        (ALL[:1], "10.0.0.82", "10.0.0.82 is not one of the members"),
        ([member("$(id)", "10.0.0.82")], "10.0.0.82", "no usable name or address"),
        ([member("a", "10.0.0.82; id")], "10.0.0.82", "no usable name or address"),
        ([], "10.0.0.82", "no usable name or address"),
    ],
)
def test_members_that_are_not_fit(node: Any, members: list[dict[str, Any]], address: str, said: str) -> None:
    done = node.run("etcd-member", wanted(members, address))
    assert done.code == 2
    assert said in done.err
    assert not (node.root / FILE).exists()


def test_a_member_without_an_address_comes_later(node: Any) -> None:
    assert node.run("etcd-member", wanted([*ALL[:2], member("c-15.r1.test", None)])).code == 0
    assert "c-15" not in node.read(FILE)


def test_it_collects_the_addresses_of_members_alone() -> None:
    role = shipped().roles["etcd-member"]
    assert role.collects == (Collect(attribute="admin-network", into="etcd/members", role="etcd-member"),)
    assert "cluster" in role.flags
    assert On.PEERS in {r.on for r in shipped().roles["etcd-ready"].requires}


def test_the_default_plan_has_a_cluster() -> None:
    roles = read_file(PLAN, shipped()).deployments["cloud"].roles
    assert roles["etcd-member"] == roles["etcd-ready"] == ("group:control",)
