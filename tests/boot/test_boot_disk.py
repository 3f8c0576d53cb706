"""Network-first firmware goes on to the disk, by the machine's quirk: SeaBIOS and OVMF, each with a disk that says so on the serial line."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from boot_rig import OVMF, Site, disk, hello, ipxe, nic, ovmf, pc, why_not
from net_lab import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.net]

MARK = "THE DISK BOOTS"


def bios_disk(file: Path) -> Path:
    """A boot sector that writes MARK to the first serial port and stops."""
    text = MARK.encode() + b"\n"
    # cld; xor ax,ax; mov ds,ax; mov si,text; mov dx,0x3f8; next: lodsb; test al,al; jz end; out dx,al; jmp next; end: hlt; jmp end
    code = b"\xfc\x31\xc0\x8e\xd8\xbe\x18\x7c\xba\xf8\x03\xac\x84\xc0\x74\x03\xee\xeb\xf8\xf4\xeb\xfd\x90\x90"
    assert len(code) == 0x18
    sector = (code + text + b"\0").ljust(510, b"\0") + b"\x55\xaa"
    file.write_bytes(sector + bytes(1 << 20))
    return file


def efi_disk(file: Path, folder: Path) -> Path:
    """An EFI system partition with GRUB as the removable loader, which writes MARK and stops."""
    config = folder / "disk.cfg"
    config.write_text(f'serial --unit=0 --speed=115200\nterminal_output serial\necho "{MARK}"\nsleep 600\n')
    loader = folder / "BOOTX64.EFI"
    modules = ("serial", "echo", "sleep", "normal", "terminal")
    subprocess.run(["grub-mkimage", "-O", "x86_64-efi", "-p", "/", "-c", config, "-o", loader, *modules], check=True)
    file.write_bytes(bytes(64 << 20))
    subprocess.run(["mkfs.vfat", "-F", "32", file], check=True, capture_output=True)
    for words in (["mmd", "-i", file, "::/EFI", "::/EFI/BOOT"], ["mcopy", "-i", file, loader, "::/EFI/BOOT/BOOTX64.EFI"]):
        subprocess.run(words, check=True)
    return file


def discovered(site: Site, *words: str) -> str:
    """Boots it once, so that it is a node; its id."""
    hello(site, *pc(), *words)
    return str(wait_for(site.nodes, "a node")[0]["id"])


@pytest.mark.parametrize("quirk", ["", "sanboot", "exit"])
def test_bios(begin: Callable[..., Site], tmp_path: Path, quirk: str) -> None:
    site = begin()
    node = discovered(site, *nic(bootindex="1"))
    site.ask(f"installed {node} {quirk}")
    site.machine(*pc(), *nic(bootindex="1"), *disk(bios_disk(tmp_path / "disk.raw"))).shows(MARK)


@pytest.mark.parametrize("quirk", ["", "exit-1", "grub"])
def test_uefi(begin: Callable[..., Site], tmp_path: Path, quirk: str) -> None:
    signed = "/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed"
    for missing in (
        why_not(str(OVMF / "OVMF_CODE_4M.fd"), "grub-mkimage", "/usr/lib/grub/x86_64-efi/normal.mod", signed, "mkfs.vfat", "mcopy"),
    ):
        if missing:
            pytest.skip(missing)
    site = begin(ipxe() | {"grubx64.efi": Path(signed).read_bytes()})
    node = discovered(site, *nic(romfile="", bootindex="1"), *ovmf(tmp_path))
    site.ask(f"installed {node} {quirk}")
    words = (*nic(romfile="", bootindex="1"), *ovmf(tmp_path), *disk(efi_disk(tmp_path / "disk.raw", tmp_path)))
    site.machine(*pc(), *words).shows(MARK)
