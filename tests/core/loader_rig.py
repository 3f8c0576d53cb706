"""A rack with boot loaders, and what its firmware asks."""

from __future__ import annotations

from typing import Any, Literal

from catalogs import ADMIN, USUAL, plan
from msgspec.structs import replace
from world_rig import WorldRig, mac

from engine.definitions import Catalog, ImageDef
from engine.effects import BootScript, SendDhcp
from engine.events import DhcpAsked, Fetched, ScriptAsked
from engine.model import Boot, Node, Signal, Way
from engine.requests import Asker, Request
from engine.wire.dhcp import DhcpKind, DhcpRequest

US, THEM = "10.0.0.1", "10.0.0.2"
FILES = {
    "bios": "undionly.kpxe",
    "efi": "snponly.efi",
    "bios-second": "ipxe.pxe",
    "efi-second": "ipxe.efi",
    "efi-signed": "shimx64.efi",
    "efi-arm64-grub": "grubaa64.efi",
}


def with_loaders(files: dict[str, str] = FILES) -> Catalog:
    return replace(USUAL, images={"loader": ImageDef(name="loader", kind="loader", files=files)})


def rig(files: dict[str, str] = FILES, trust: Literal["confirmed", "network"] = "network", **network: Any) -> WorldRig:
    return WorldRig(with_loaders(files), plan(trust=trust, networks={"admin": replace(ADMIN, **network)}))


def asks(kind: DhcpKind = DhcpKind.DISCOVER, arch: int | None = 7, vendor: str = "PXEClient", port: int = 67, **fields: Any) -> DhcpAsked:
    request = DhcpRequest(kind=kind, xid=7, mac=mac(1), arch=arch, vendor_class=f"{vendor}:Arch:{arch or 0:05}:UNDI:003016", **fields)
    return DhcpAsked(request=request, interface="eth1", port=port)


def offered(d: WorldRig, **fields: Any) -> str:
    d.feed(asks(**fields))
    return d.one(SendDhcp).reply.filename.rpartition("/")[2]


def took(d: WorldRig) -> None:
    """The loader went out whole to the address that the machine holds."""
    found = next(iter(d.world.leases.values()))
    d.feed(Fetched(address=found.address, what="loader"))


def script(d: WorldRig, number: int = 1) -> BootScript:
    d.feed(ScriptAsked(request=Request(Asker.HTTP, 5), mac=mac(number), address="10.0.0.30", nonce="ab" * 32))
    return d.one(BootScript)


def booting(d: WorldRig, signal: Signal = Signal.POWERED, **fields: Any) -> Node:
    boot = Boot(
        generation=3,
        way=Way.NETWORK,
        environment="sledgehammer",
        ordered=True,
        signal=signal,
        at=0.0,
        since=d.now,
        deadline=d.now + 420.0,
        **fields,
    )
    return d.server(boot=boot, runs="", alive=False, boot_id="")
