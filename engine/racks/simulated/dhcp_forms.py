"""The DHCP options of a simulated machine in each phase of its start: boot ROM, iPXE, kernel. Pure.

Sources: RFC 4578 (options 93, 94, 97 and the form of option 60), https://ipxe.org/howto/dhcpd (user class), busybox udhcpc.
"""

from __future__ import annotations

from engine.wire.dhcp import DhcpKind, DhcpRequest

from .spec import Hardware

_BOOT = (1, 3, 6, 12, 15, 43, 51, 54, 60, 66, 67, 97, 128, 129, 130, 131, 132, 133, 134, 135)
_HOST = (1, 3, 6, 12, 15, 28, 42)


def rom(machine: Hardware, mac: str) -> DhcpRequest:
    """The boot ROM of a NIC."""
    return _booting(machine, mac, "PXEClient:Arch:00007:UNDI:003016", "PXEClient:Arch:00000:UNDI:002001", ())


def ipxe(machine: Hardware, mac: str) -> DhcpRequest:
    """iPXE, which the ROM has loaded."""
    return _booting(machine, mac, "PXEClient:Arch:00007:UNDI:003010", "PXEClient:Arch:00000:UNDI:002001", ("iPXE",))


def kernel(mac: str) -> DhcpRequest:
    """udhcpc in an initramfs: it says nothing about a network boot."""
    return DhcpRequest(
        kind=DhcpKind.DISCOVER,
        xid=0,
        mac=mac,
        broadcast=True,
        client_id="01" + mac.replace(":", ""),
        vendor_class="udhcp 1.35.0",
        max_size=576,
        parameters=_HOST,
    )


def _booting(machine: Hardware, mac: str, efi: str, bios: str, user_class: tuple[str, ...]) -> DhcpRequest:
    is_efi = machine.firmware == "efi"
    return DhcpRequest(
        kind=DhcpKind.DISCOVER,
        xid=0,
        mac=mac,
        broadcast=True,
        vendor_class=efi if is_efi else bios,
        user_class=user_class,
        arch=7 if is_efi else 0,
        uuid=machine.uuid,
        max_size=1472,
        parameters=_BOOT,
    )
