"""Roles of Ansible, Puppet and Chef in a rehearsal: no such tool runs, and the barclamps' rehearsal.py carry the tasks out."""

from __future__ import annotations

from pathlib import Path

from crowbar_process import crowbar, here

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
    attributes: {target-os: debian-12, accounts-users: {ann: {sudo: true}}}
    roles: {sysctl: all, accounts: all, banner: all, ready: all}
"""


def test_roles_of_other_tools_are_rehearsed(store: Path, tmp_path: Path) -> None:
    (tmp_path / "plan.yml").write_text(PLAN)
    words = ("rehearse", "--nodes", "2", "--plan", str(tmp_path / "plan.yml"), "--headless", "--speed", "max", "--fresh", "--json")
    done = crowbar(store, *words)
    assert done.code == 0, done
    found = {(row["node"], row["role"]): row["state"] for row in here(store, "roles", "--json").lines if "role" in row}
    mine = {role for _, role in found} & {"sysctl", "accounts", "banner", "ansible-python"}
    assert mine == {"sysctl", "accounts", "banner", "ansible-python"}
    assert {state for (_, role), state in found.items() if role in mine} == {"active"}
