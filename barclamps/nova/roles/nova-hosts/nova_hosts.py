"""Compute nodes in Nova's eyes: those that left the plan leave Nova too, and one that is given back serves again.

A service of Nova is first disabled, so that nothing new comes to its node. It is deleted when it reports no more. Nova deletes the
hypervisor and Placement's provider with it (API of compute services, microversion 2.53), and refuses while servers are on the node.
Neutron's agents of the node go last.

What somebody else disabled stays disabled.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud import PORTS, Act, Check, Service, Site
from cloud_api import Fault, Http, Keystone

OURS = "crowbar: the node is not in the plan"
"""Nova's reason at a service that this role disabled."""
VERSION = {"OpenStack-API-Version": "compute 2.53"}
DOWN_S = 240.0
"""Seconds until a service that reports no more counts as down. Nova's `service_down_time` is 60."""
PAUSE_S = 5.0


@dataclass(frozen=True, order=True)
class Due:
    verb: str
    """`enable`, `disable`, `wait` (until it is down), `delete`."""
    host: str
    id: str


def due(services: Sequence[Mapping[str, Any]], hosts: Collection[str]) -> list[Due]:
    """What makes Nova's compute services those of the plan. `services`: as Nova lists them. `hosts`: names of the plan's compute nodes."""
    out = []
    for one in services:
        host, number = str(one["host"]), str(one["id"])
        if host in hosts:
            if one["status"] == "disabled" and one.get("disabled_reason") == OURS:
                out.append(Due("enable", host, number))
            continue
        if one["status"] == "enabled":
            out.append(Due("disable", host, number))
        out.append(Due("wait" if one["state"] == "up" else "delete", host, number))
    return out


def service(site: Site) -> Service:
    nova = Nova(site)
    return Service(
        steps=[Act("compute nodes of the plan", nova.follow)],
        checks=[Check("Nova has the plan's compute nodes only", nova.proof)],
    )


class Nova:
    def __init__(self, site: Site) -> None:
        self._site = site
        self._keystone = Keystone(site.keystone_url(), site("nova-password"), "nova", "service")
        self._url = f"http://{site.one('cloud/nova')}:{PORTS['nova']}/v2.1"
        self._agents = f"http://{site.one('cloud/neutron')}:{PORTS['neutron']}/v2.0/agents"
        self._hosts = {node.split(".")[0] for node, _ in site.all("cloud/compute")}

    def _call(self, method: str, path: str, body: object = None) -> Any:
        return self._keystone.call(method, f"{self._url}/{path}", body, VERSION)

    def _due(self) -> list[Due]:
        return due(self._call("GET", "os-services?binary=nova-compute")["services"], self._hosts)

    def follow(self) -> None:
        until = time.monotonic() + DOWN_S
        for one in self._due():
            if one.verb in ("enable", "disable"):
                status = {"status": f"{one.verb}d", **({"disabled_reason": OURS} if one.verb == "disable" else {})}
                self._call("PUT", f"os-services/{one.id}", status)
                print(f"cloud: {one.host}: {one.verb}d")
        while waiting := [one for one in self._due() if one.verb == "wait"]:
            if time.monotonic() > until:
                raise Fault(still_reports(waiting[0].host))
            time.sleep(PAUSE_S)
        full = [wrong for one in self._due() if one.verb == "delete" and (wrong := self._deleted(one))]
        for agent in self._left_agents():
            self._keystone.call("DELETE", f"{self._agents}/{agent['id']}")
        if full:
            raise Fault(full[0])

    def _deleted(self, one: Due) -> str:
        """What is in the way. Empty: it is deleted."""
        try:
            self._call("DELETE", f"os-services/{one.id}")
        except Http as wrong:
            if wrong.status != 409:
                raise
            return has_servers(one.host, len(self._call("GET", f"servers?all_tenants=1&host={one.host}")["servers"]))
        print(f"cloud: {one.host}: deleted")
        return ""

    def _left_agents(self) -> list[Any]:
        """Neutron's agents that are dead, on nodes that are neither in the plan nor in Nova."""
        kept = self._hosts | {one["host"] for one in self._call("GET", "os-services?binary=nova-compute")["services"]}
        return [one for one in self._keystone.call("GET", self._agents)["agents"] if not one["alive"] and one["host"] not in kept]

    def proof(self) -> None:
        for one in self._due():
            raise Fault(f"Nova has {one.host}, which is not in the plan" if one.verb != "enable" else f"{one.host} is disabled in Nova")
        for agent in self._left_agents():
            raise Fault(f"Neutron has an agent on {agent['host']}, which is not in the plan")


def still_reports(host: str) -> str:
    return f"nova-compute of {host} still reports, and {host} is not in the plan: power the machine off, and retry nova-hosts"


def has_servers(host: str, many: int) -> str:
    return f"{many} servers are on {host}, which is not in the plan: move them away or delete them, and retry nova-hosts"
