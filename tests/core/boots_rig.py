"""A rack of one node, and the words of its boots."""

from __future__ import annotations

from typing import Any, Literal

from catalogs import catalog, plan, role
from world_rig import WorldRig, mac

from engine.effects import BootNode
from engine.events import (
    DhcpAsked,
    Hello,
    ScriptAsked,
    Started,
)
from engine.model import State
from engine.requests import Asker, Request
from engine.wire.dhcp import DhcpKind, DhcpRequest

WORK = role("work", "hardware", attempts=2)
WIPE = role("wipe", "hardware", flags=["destructive"], verify=True, timeout_s=600.0)
INSTALL = role("os-install", "install", flags=["destructive"], wants=["target-os"], verify=True)
SERVE = role("serve", "system", verify=True)
BOOTS = catalog(WORK, WIPE, INSTALL, SERVE)


def rig(trust: Literal["confirmed", "network"] = "network", **fields: Any) -> WorldRig:
    out = WorldRig(BOOTS, plan({}, trust))
    out.server(**{"stage": "hardware", "allocated": True, **fields})
    return out


def ask(kind: DhcpKind = DhcpKind.DISCOVER, number: int = 1, ipxe: bool = False, requested: str = "") -> DhcpAsked:
    return DhcpAsked(
        request=DhcpRequest(
            kind=kind,
            xid=1,
            mac=mac(number),
            vendor_class="PXEClient:Arch:00000:UNDI:002001",
            arch=0,
            user_class=("iPXE",) if ipxe else (),
            requested=requested,
            server_id="10.0.0.1" if requested else "",
        ),
        interface="eth1",
    )


def script(nonce: str = "h1", number: int = 1) -> ScriptAsked:
    return ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(number), address="10.0.0.30", nonce=nonce)


def hello(boot_id: str = "b2", environment: str = "sledgehammer", nonce: str = "h1", **fields: Any) -> Hello:
    from world_rig import uuid

    values: dict[str, Any] = {"uuid": uuid(1), "serial": "SN1", "macs": (mac(1),), "address": "10.0.0.30", **fields}
    return Hello(request=Request(Asker.HTTP, 6), nonce=nonce, boot_id=boot_id, environment=environment, **values)


def disk_hello(boot_id: str, environment: str = "debian-12") -> Hello:
    return hello(boot_id, environment, nonce="", credential="n1")


def needs_boot(d: WorldRig, runs: str = "debian-12") -> BootNode:
    """A node that has to come up in sledgehammer."""
    d.change(runs=runs)
    d.role("work", state=State.WAITING)
    d.feed(Started(installation="x", admin="a"))
    return d.one(BootNode)
