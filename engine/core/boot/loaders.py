"""Loaders: which one the engine offers to a machine's firmware, which one worked, and what follows if one fails. Pure.

Firmware belongs to a family, by the architecture in its DHCP request (RFC 4578 2.1, IANA "Processor Architecture Types"). Each family
has a list of loaders; the image `loader` says which of them exist. The first is the smallest one, which uses the firmware's own driver
for the card. The second has its own drivers. The last is signed, for firmware that loads nothing else (Secure Boot).

Rules
* A loader failed if it was offered and never asked for its script: its deadline passed (it hangs), or the firmware asks for an address
  again although it fetched the whole loader. The node or the sighting records that, and the engine offers the next one of the list.
* Firmware that comes back like this at once refuses unsigned loaders: the signed one follows, if there is one. Such firmware tries each
  of its two or three ways to boot once, and then stands until somebody resets it. So there is no time to go through the list.
* If all failed, all are forgotten and the list begins again.
* The loader that asks for a script works. The engine records it, and with it the machine's kind of firmware.

Trap: a request that was late on the network is not a new one. A request within COMEBACK_S of the loader's last byte is ignored.
"""

from __future__ import annotations

from msgspec.structs import replace

from ... import reasons
from ...model import Boot, Loader, Node, Sighting, Signal, Way
from ...reasons import Reason
from ...wire.dhcp import DhcpRequest
from ..world.view import View
from ..world.work import Work

COMEBACK_S = 2.0
SIGNED = ("efi-signed", "efi-arm64-grub")
"""Uses of loaders that firmware accepts with Secure Boot."""
FAMILIES: dict[int, str] = {0: "bios", 6: "efi", 7: "efi", 9: "efi", 11: "efi-arm64", 15: "efi", 16: "efi", 19: "efi-arm64"}
"""Architecture -> family (errata 4625 of RFC 4578: 7 is x86-64 too; 15, 16 and 19 boot by HTTP)."""
LOADERS: dict[str, tuple[tuple[str, str], ...]] = {
    "bios": (("bios", "undionly.kpxe"), ("bios-second", "ipxe.pxe")),
    "efi": (("efi", "snponly.efi"), ("efi-second", "ipxe.efi"), ("efi-signed", "shimx64.efi")),
    "efi-arm64": (("efi-arm64", "snponly-arm64.efi"), ("efi-arm64-grub", "grubaa64.efi")),
}
"""Family -> uses of files of image `loader`, in the order in which they are tried, and their usual names."""


def family(arch: int | None) -> str:
    """Family of a firmware. One without an architecture is an old BIOS, an unknown one UEFI."""
    return FAMILIES.get(arch or 0, "efi")


def candidates(view: View, arch: int | None) -> tuple[str, ...]:
    """File names of the loaders for this architecture, first choice first."""
    image = view.catalog.images.get("loader")
    uses = LOADERS[family(arch)]
    if image is None:
        return (uses[0][1],)
    return tuple(image.files[use] for use, _ in uses if use in image.files) or (uses[0][1],)


def offer(view: View, request: DhcpRequest, proxy: bool = False) -> Loader:
    """The loader for this boot ROM now. A ROM that is iPXE needs no file."""
    arch = request.arch or 0
    firmware = "bios" if family(arch) == "bios" else "efi"
    way = _way(request)
    if "iPXE" in request.user_class:
        file = ""
    else:
        fallen = _fallen(view, request.mac)
        names = candidates(view, arch)
        if way == "http-uefi":  # the signed GRUB speaks only TFTP
            names = tuple(name for name in names if name not in _signed(view)) or names
        file = next((name for name in names if name not in fallen), names[0])
    return Loader(firmware=firmware, way="proxy" if proxy else way, file=file, arch=arch)


def _way(request: DhcpRequest) -> str:
    if request.vendor_class.startswith("HTTPClient"):
        return "http-uefi"
    return "pxe-bios" if family(request.arch) == "bios" else "pxe-uefi"


def _fallen(view: View, mac: str) -> tuple[str, ...]:
    node: Node | None = view.nodes.get(view.macs.get(mac) or "")
    if node is not None:
        return node.loaders_failed
    sighting: Sighting | None = view.sightings.get(mac)
    return sighting.loaders_failed if sighting is not None else ()


def came_back(w: Work, boot: Boot | None, request: DhcpRequest) -> bool:
    """True if the ROM asks for an address because its loader failed."""
    if boot is None or boot.signal is not Signal.LOADER or boot.loader is None or not boot.loader.file:
        return False
    if only(w, boot.loader):
        return False
    if w.now >= boot.deadline:  # it hung and was reset; a machine that tries another way of booting was not reset, only slow
        return boot.loader.way != "proxy" and _way(request) != boot.loader.way
    return w.at - boot.at >= COMEBACK_S


def hung(view: View, boot: Boot | None) -> bool:
    """True if the boot's deadline has passed because the loader did not answer."""
    if boot is None or boot.loader is None or not boot.loader.file or boot.failure is not None:
        return False
    return boot.way in (Way.NETWORK, Way.INSTALLER) and boot.signal in (Signal.DHCP, Signal.LOADER) and not only(view, boot.loader)


def node_next(w: Work, node: Node, boot: Boot, back: bool = False) -> Node:
    """The loader of this boot of the node failed: the next one is tried, and the node says so. `back`: the firmware came back."""
    assert boot.loader is not None
    failed, why = _after(w, boot, boot.loader, node.loaders_failed, back)
    new = replace(node, loaders_failed=failed, notice=why)
    w.put_node(new)
    return new


def sighting_next(w: Work, sighting: Sighting, boot: Boot, back: bool = False) -> Sighting:
    """The same for a machine without identity."""
    assert boot.loader is not None
    failed, why = _after(w, boot, boot.loader, sighting.loaders_failed, back)
    new = replace(sighting, loaders_failed=failed, reason=why)
    w.put_sighting(new)
    return new


def stands(boot: Boot, fallen: tuple[str, ...]) -> bool:
    """True if every offer was a loader that had failed before: by its present way there is nothing new for the firmware, and it
    tries each of its ways once. It needs a reset."""
    return boot.loader is not None and boot.loader.file in fallen


def _signed(view: View) -> set[str]:
    image = view.catalog.images.get("loader")
    return {image.files[use] for use in SIGNED if use in image.files} if image is not None else set()


def _after(view: View, boot: Boot, loader: Loader, fallen: tuple[str, ...], back: bool) -> tuple[tuple[str, ...], Reason]:
    """All loaders that have failed by now, and the reason with the next one."""
    names = candidates(view, loader.arch)
    signed = _signed(view)
    with_it = [name for name in names if name not in signed] if back and signed & set(names) else []
    failed = tuple(dict.fromkeys([*fallen, *with_it, loader.file]))
    left = [name for name in names if name not in failed]
    kind = reasons.loader_refused if back else reasons.loader_failed
    why = kind(loader=loader.file, way=loader.way, signal=boot.signal.value, next=left[0] if left else names[0])
    return (failed if left else ()), why


def only(view: View, loader: Loader) -> bool:
    """True if there is no other loader for its firmware."""
    return candidates(view, loader.arch) == (loader.file,)


def discovery_image(view: View, mac: str) -> str:
    """The discovery image for this machine if it is not the usual one, because of another processor."""
    node: Node | None = view.nodes.get(view.macs.get(mac) or "")
    sighting: Sighting | None = view.sightings.get(mac)
    boot = node.boot if node is not None else sighting.boot if sighting is not None else None
    loader = (boot.loader if boot is not None else None) or (node.loader if node is not None else None)
    arch = loader.arch if loader is not None else sighting.arch if sighting is not None else None
    if arch is None or family(arch) != "efi-arm64":
        return ""
    return next((image.name for image in view.catalog.images.values() if image.kind == "discovery" and image.arch == "aarch64"), "")


def answered(w: Work, node: Node) -> Node:
    """The node's loader asks for its script, so it works."""
    loader = node.boot.loader if node.boot is not None else None
    if loader is None or loader == node.loader:
        return node
    new = replace(node, loader=loader, firmware=node.firmware or loader.firmware)
    w.put_node(new)
    return new


def taken_over(node: Node, sighting: Sighting) -> Node:
    """The node with what its machine had shown before it was a node."""
    loader = (sighting.boot.loader if sighting.boot is not None else None) or node.loader
    firmware = node.firmware or (loader.firmware if loader is not None else "")
    return replace(node, loader=loader, firmware=firmware, loaders_failed=sighting.loaders_failed or node.loaders_failed)


def note(boot: Boot, loader: Loader) -> Boot:
    """The boot with the offered loader. A ROM's loader stays when its own iPXE asks for an address."""
    same = boot.loader == loader or (boot.loader is not None and not loader.file)
    return boot if same else replace(boot, loader=loader)
