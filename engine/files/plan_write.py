"""Writes a `Plan` as YAML text that a person can read and edit, and that `plan_file.read` turns back into an equal plan.

Keys with their default value are left out. Small maps and lists stand on one line. A word is quoted if YAML 1.1 or our own reader would
read it as something else.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from ..definitions import Json
from ..plan import Approve, Bond, DeploymentDef, ExpectedMachine, Network, Plan, RackDef, Rule, Versions
from .element import duration_text
from .yaml_source import FLOAT, INTEGER

_WIDTH = 110


class _Dumper(yaml.SafeDumper):
    """Quotes a word that one of the readers would not take for text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  PyYAML's signature
        return True


for _tag, _pattern in (("int", INTEGER), ("float", FLOAT)):
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern.pattern})$"), list("-+.0123456789"))


_BREAKS = frozenset("\n\r\x85\u2028\u2029\ufeff")
"""PyYAML folds these in text without double quotes, and its readers disagree on how they come back."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if _BREAKS & set(text) else None)


_Dumper.add_representer(str, _text)


def write(plan: Plan) -> str:
    """The text of a plan."""
    site: dict[str, Json] = {"name": plan.site.name}
    if plan.site.domain != "local":
        site["domain"] = plan.site.domain
    site["admin"] = _set(interface=plan.site.admin.interface, address=plan.site.admin.address)
    if plan.site.trust != "confirmed":
        site["trust"] = plan.site.trust
    out: dict[str, Json] = {"crowbar": 1, "site": site}
    within = duration_text(plan.expect.within) if plan.expect.within else ""
    out |= _set(
        expect=_set(nodes=plan.expect.nodes, within=within),
        approve=_approve(plan.approve),
        allocate="" if plan.allocate == "auto" else plan.allocate,
        patience=0 if plan.patience == 1.0 else plan.patience,
    )
    out["networks"] = {name: _network(network) for name, network in plan.networks.items()}
    out |= _set(
        racks=[_rack(rack) for rack in plan.racks],
        machines=[_machine(one) for one in plan.machines],
        rules=[_rule(rule) for rule in plan.rules],
        deployments={name: _deployment(one) for name, one in plan.deployments.items()},
        attributes=plan.attributes,
        limits=plan.limits if plan.limits != {"jobs": 64} else {},
        secrets=plan.secrets,
        versions=_versions(plan.versions) if plan.versions is not None else {},
    )
    text = yaml.dump(out, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=_WIDTH)
    return str(text)


def _set(**values: Json) -> dict[str, Json]:
    """The entries that are not empty."""
    return {name: value for name, value in values.items() if value not in ("", 0, None, {}, [])}


def _approve(approve: Approve) -> dict[str, Json]:
    return _set(wipe="" if approve.wipe == "nothing" else approve.wipe, disks=list(approve.disks))


def _network(network: Network) -> dict[str, Json]:
    return {"subnet": network.subnet} | _set(
        ranges={name: f"{one.first}-{one.last}" for name, one in network.ranges.items()},
        router=_router(network),
        vlan=network.vlan,
        conduit=network.conduit,
        bond=_bond(network.bond) if network.bond is not None else None,
        bridge=network.bridge,
        mtu=network.mtu,
        v6prefix=network.v6prefix,
        dhcp="" if network.dhcp == "own" else network.dhcp,
        strangers="" if network.strangers == "ignore" else network.strangers,
        deployment=network.deployment,
    )


def _router(network: Network) -> Json:
    if not network.router_v6 and not network.preference:
        return network.router
    return _set(address=network.router, v6=network.router_v6, preference=network.preference)


def _bond(bond: Bond) -> dict[str, Json]:
    return {"mode": bond.mode} | _set(hash=bond.hash, miimon=0 if bond.miimon == Bond().miimon else bond.miimon, lacp_rate=bond.lacp_rate)


def _rack(rack: RackDef) -> dict[str, Json]:
    places: dict[int, Json] = {
        place.unit: _set(
            height=0 if place.height == 1 else place.height,
            cables=place.cables,
            addresses=place.addresses,
            outlets=list(place.outlets),
            expects=place.expects,
        )
        for place in rack.places
    }
    return {"name": rack.name} | _set(units=0 if rack.units == 42 else rack.units, places=places)


def _machine(machine: ExpectedMachine) -> dict[str, Json]:
    bmc = machine.bmc
    told = _set(mac=bmc.mac, address=bmc.address, user=bmc.user, password=bmc.password)
    outlets: dict[str, Json] = {"outlets": list(machine.outlets)} if machine.outlets else {}
    return {"serial": machine.serial} | ({"bmc": told} if told or not outlets else {}) | outlets


def _rule(rule: Rule) -> dict[str, Json]:
    roles: dict[str, Json] = {role: {"attributes": settings.attributes} for role, settings in rule.roles.items()}
    return {"match": rule.match} | _set(
        group=rule.group, name=rule.name, deployment=rule.deployment, attributes=rule.attributes, roles=roles
    )


def _deployment(deployment: DeploymentDef) -> dict[str, Json]:
    roles = {}
    for role, selectors in deployment.roles.items():
        written = [_selector(one) for one in selectors]
        roles[role] = written[0] if len(written) == 1 else written
    parent = "" if deployment.parent == "system" else deployment.parent
    return _set(parent=parent, attributes=deployment.attributes, roles=roles)


def write_deployment(deployment: DeploymentDef) -> str:
    """The text of one deployment, as it stands under its name in a plan. The root has no parent to write."""
    out = _deployment(deployment)
    text = yaml.dump(out, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=_WIDTH) if out else "{}\n"
    return str(text)


def _versions(versions: Versions) -> dict[str, Json]:
    barclamps: dict[str, Json] = {name: _set(version=one.version, sha256=one.sha256) for name, one in versions.barclamps.items()}
    return {"plan": versions.plan} | _set(barclamps=barclamps, images=versions.images)


def _selector(selector: str) -> Json:
    kind, colon, name = selector.partition(":")
    return {kind: name} if colon else selector
