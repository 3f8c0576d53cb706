"""Exported nodes as an Ansible inventory and as a CSV table. Serials and names come from machines, and neither program may obey them.

Ansible: a static inventory as JSON, which its `yaml` plugin reads. Ansible fills in templates in variables, so their text has no braces.
CSV: RFC 4180. A spreadsheet computes a cell that begins with `=`, `+`, `-` or `@`, so such a cell gets an apostrophe in front.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address
from typing import Any

from engine.api.control import ExportedNode

from .spreadsheet import spreadsheet


def ansible(nodes: Sequence[ExportedNode]) -> str:
    """A static inventory: hosts with variables `crowbar_*`, and groups `group_*`, `role_*`, `deployment_*`, `state_*`."""
    hosts: dict[str, dict[str, Any]] = {}
    members: dict[tuple[str, str], list[str]] = {}
    for node in nodes:
        host = _unused(re.sub(r"[^A-Za-z0-9.-]", "-", node.name).strip("-.") or "node", hosts)
        hosts[host] = _variables(node)
        kinds = {"group": [node.group] if node.group else [], "role": node.roles, "deployment": node.deployments, "state": [node.state]}
        for kind, names in kinds.items():
            for name in names:
                members.setdefault((kind, name), []).append(host)
    children: dict[str, Any] = {}
    for (kind, name), found in sorted(members.items()):
        group = _unused(f"{kind}_{re.sub(r'[^A-Za-z0-9_]', '_', name)}", children)
        children[group] = {"hosts": {host: {} for host in found}}
    return json.dumps({"all": {"hosts": hosts, "children": children}}, indent=2) + "\n"


def _variables(node: ExportedNode) -> dict[str, Any]:
    found = {
        "crowbar_state": node.state,
        "crowbar_group": node.group,
        "crowbar_rack": node.rack,
        "crowbar_place": node.place,
        "crowbar_serial": node.serial,
        "crowbar_uuid": node.uuid,
        "crowbar_macs": list(node.macs),
        "crowbar_addresses": dict(node.addresses),
        "crowbar_bmc_address": node.bmc_address,
        "crowbar_bmc_mac": node.bmc_mac,
        "crowbar_allocated": node.allocated,
        "crowbar_deployment": node.deployment,
        "crowbar_deployments": {name: list(roles) for name, roles in node.deployments.items()},
        "crowbar_wanted_system": node.wanted_system,
        "crowbar_runs": node.runs,
    }
    return {**({"ansible_host": node.address} if _is_address(node.address) else {}), **_inert(found)}


def _inert(value: Any) -> Any:
    """The value with text that no template engine obeys: ASCII without braces."""
    if isinstance(value, str):
        return "".join(c if c.isascii() else "?" for c in value.translate({ord("{"): "(", ord("}"): ")"}))
    if isinstance(value, list):
        return [_inert(one) for one in value]
    if isinstance(value, dict):
        return {_inert(key): _inert(one) for key, one in value.items()}
    return value


def _unused(name: str, taken: Iterable[str]) -> str:
    """The name, with a number behind it if it is taken. Two names may become one, because Ansible allows fewer characters."""
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    return found


def _is_address(text: str) -> bool:
    try:
        return bool(IPv4Address(text))
    except ValueError:
        return False


def table(nodes: Sequence[ExportedNode]) -> str:
    """One row per node below a row of names, with CRLF (RFC 4180). Several values in a cell are separated by blanks."""
    networks = sorted({network for node in nodes for network in node.addresses})
    head = "name state group rack place serial uuid macs address".split()
    tail = "bmc-address bmc-mac allocated deployment deployments roles wanted-system runs".split()
    rows: list[Sequence[str]] = [[*head, *(f"address-{network}" for network in networks), *tail]]
    for node in nodes:
        place = "" if node.place is None else str(node.place)
        cells = [node.name, node.state, node.group, node.rack, place, node.serial, node.uuid, " ".join(node.macs), node.address]
        cells += [node.addresses.get(network, "") for network in networks]
        cells += [node.bmc_address, node.bmc_mac, str(node.allocated).lower(), node.deployment]
        cells += [" ".join(node.deployments), " ".join(node.roles)]
        rows.append([*cells, node.wanted_system, node.runs])
    return spreadsheet(rows)
