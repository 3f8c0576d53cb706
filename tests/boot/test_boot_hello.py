"""From power on to hello through real firmware: BIOS, UEFI by PXE and by HTTP, Secure Boot, arm64. Both initramfs are found each time, and the agent
talks TLS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from boot_rig import IPXE, NODE, OVMF, Site, flash_arm64, hello, image, ipxe, nic, no_pxe, ovmf, packed, pc, secure, why_not
from net_lab import wait_for

from engine.netboot.site_image import Entry, cpio

pytestmark = [pytest.mark.slow, pytest.mark.net]

SHIM, GRUB = Path("/usr/lib/shim/shimx64.efi.signed"), Path("/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed")


def needs(*files: str) -> None:
    if missing := why_not(*files):
        pytest.skip(missing)


def node_of(site: Site, console: str, tls: bool = True) -> dict[str, Any]:
    assert "SITE authorized_keys ca.crt tls" in console
    assert ("without TLS" in console) is not tls
    found: dict[str, Any] = wait_for(site.nodes, "a node")[0]
    assert (found["runs"], found["boots"]) == ("sledgehammer", 1)
    return found


def test_bios(begin: Callable[..., Site]) -> None:
    site = begin()
    node = node_of(site, hello(site, *pc(), *nic()))
    # QEMU's own ROM is iPXE, which needs no loader.
    assert (node["firmware"], node["loader"]["way"], node["loader"]["file"]) == ("bios", "pxe-bios", "")


def test_uefi_by_pxe(begin: Callable[..., Site], tmp_path: Path) -> None:
    needs(str(OVMF / "OVMF_CODE_4M.fd"))
    site = begin()
    node = node_of(site, hello(site, *pc(), *nic(romfile=""), *ovmf(tmp_path)))
    assert (node["firmware"], node["loader"]["way"], node["loader"]["file"]) == ("efi", "pxe-uefi", "snponly.efi")


def test_uefi_by_http(begin: Callable[..., Site], tmp_path: Path) -> None:
    needs(str(OVMF / "OVMF_CODE_4M.fd"))
    site = begin()
    node = node_of(site, hello(site, *pc(), *nic(romfile=""), *ovmf(tmp_path), *no_pxe()))
    assert (node["firmware"], node["loader"]["way"], node["loader"]["file"]) == ("efi", "http-uefi", "snponly.efi")
    assert node["loader"]["arch"] == 16


def test_secure_boot(begin: Callable[..., Site], tmp_path: Path) -> None:
    """The firmware refuses iPXE, which is recorded; reset, it is given shim, which starts GRUB, which starts the kernel: each one signed."""
    needs(str(OVMF / "OVMF_CODE_4M.secboot.fd"), str(SHIM), str(GRUB))
    site = begin(
        ipxe() | {"ipxe.efi": (IPXE / "ipxe.efi").read_bytes(), "shimx64.efi": SHIM.read_bytes(), "grubx64.efi": GRUB.read_bytes()}
    )
    first = site.machine(*pc(), *nic(romfile=""), *ovmf(tmp_path, "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd"), *secure())
    wait_for(lambda: [s for s in site.ask("sightings") if "ipxe.efi" in s["loaders_failed"]], "a refused loader", 300.0)
    first.end()
    seen = site.ask("sightings")[0]
    assert "Access Denied" in first.console()
    assert seen["loaders_failed"] == ["snponly.efi", "ipxe.efi"]
    assert (seen["reason"]["code"], seen["reason"]["fields"]["next"]) == ("loader_reset", "shimx64.efi"), (
        "by HTTP there is nothing that it takes"
    )
    console = hello(site, *pc(), *nic(romfile=""), *ovmf(tmp_path, "OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.ms.fd"), *secure())
    assert "Secure boot enabled" in console or "secureboot: Secure boot enabled" in console
    node = node_of(site, console)
    assert (node["firmware"], node["loader"]["way"], node["loader"]["file"]) == ("efi", "pxe-uefi", "shimx64.efi")


def test_a_loader_that_hangs_is_followed_by_the_next(begin: Callable[..., Site], tmp_path: Path) -> None:
    """snponly.efi is replaced by a program that does nothing for ever."""
    needs(str(OVMF / "OVMF_CODE_4M.fd"), "grub-mkimage", "/usr/lib/grub/x86_64-efi/normal.mod")
    config = tmp_path / "hang.cfg"
    config.write_text("sleep 100000\n")
    stuck = tmp_path / "stuck.efi"
    subprocess.run(["grub-mkimage", "-O", "x86_64-efi", "-p", "/", "-c", config, "-o", stuck, "sleep", "normal"], check=True)
    site = begin(ipxe() | {"snponly.efi": stuck.read_bytes(), "ipxe.efi": (IPXE / "ipxe.efi").read_bytes()})
    first = site.machine(*pc(), *nic(romfile=""), *ovmf(tmp_path))
    wait_for(lambda: [s for s in site.ask("sightings") if s["loaders_failed"]], "the deadline of the loader", 300.0)
    first.end()
    assert site.ask("sightings")[0]["reason"]["code"] == "loader_failed"
    node = node_of(site, hello(site, *pc(), *nic(romfile=""), *ovmf(tmp_path)))
    assert node["loader"]["file"] == "ipxe.efi"
    assert node["loaders_failed"] == ["snponly.efi"]


# -- arm64 ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def arm64(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debian's packages for arm64, unpacked: kernel, busybox, signed GRUB."""
    needs("qemu-system-aarch64", "/usr/share/AAVMF/AAVMF_CODE.fd")
    kept = os.environ.get("CROWBAR_TEST_ARM64", "")
    if kept:
        return Path(kept)
    folder = tmp_path_factory.mktemp("arm64")
    for name in ("state/lists/partial", "cache/archives/partial", "debs"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    mirror = next((line.split()[1] for line in _sources() if line.startswith("URIs:") and "security" not in line), "")
    if not mirror:
        pytest.skip("no mirror of Debian in /etc/apt/sources.list.d")
    (folder / "sources.list").write_text(f"deb [arch=arm64] {mirror} bookworm main\n")
    options = [
        "APT::Architecture=arm64",
        "APT::Architectures::=arm64",
        f"Dir::State={folder}/state",
        f"Dir::State::status={folder}/status",
        f"Dir::Cache={folder}/cache",
        "Dir::Etc::sourceparts=/dev/null",
        f"Dir::Etc::sourcelist={folder}/sources.list",
        "APT::Sandbox::User=root",
    ]
    words = [part for option in options for part in ("-o", option)]
    if subprocess.run(["apt-get", *words, "update"], capture_output=True, check=False).returncode:
        pytest.skip("the mirror has nothing for arm64")
    about = subprocess.run(["apt-cache", *words, "depends", "linux-image-cloud-arm64"], capture_output=True, text=True, check=True).stdout
    kernel = next(line.split()[-1] for line in about.splitlines() if "Depends: linux-image" in line)
    packages = [kernel, "grub-efi-arm64-signed", "busybox-static"]
    subprocess.run(["apt-get", *words, "download", *packages], cwd=folder / "debs", check=True, capture_output=True)
    for deb in (folder / "debs").glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", deb, folder / "root"], check=True)
    return folder / "root"


def _sources() -> list[str]:
    return [line for file in Path("/etc/apt/sources.list.d").glob("*.sources") for line in file.read_text().splitlines()]


def test_arm64(begin: Callable[..., Site], tmp_path: Path, arm64: Path) -> None:
    """GRUB's net image, then Debian's kernel for arm64. The busybox there checks no certificates, so the agent says that it does without TLS."""
    from boot_rig import DHCP, INIT, MODULES

    modules = {file.name.split(".")[0]: file for file in arm64.glob("lib/modules/*/kernel/**/*.ko")}
    present = [name for name in MODULES if name in modules]
    init = INIT.replace("MODULES", " ".join(present)).replace("#!/bin/sh", "#!/bin/busybox sh").replace("udhcpc -i", "busybox udhcpc -i")
    folders = ("bin", "etc", "modules", "usr", "usr/lib", "usr/lib/crowbar")
    system = [Entry(name=name, mode=0o755) for name in folders]
    system += [Entry(name=f"modules/{name}.ko", mode=0o644, content=modules[name].read_bytes()) for name in present]
    system += [
        Entry(name=f"usr/lib/crowbar/{name}", mode=0o755, content=(NODE / name).read_bytes()) for name in ("agent", "attempt", "attribute")
    ]
    programs = {"bin/busybox": (arm64 / "bin/busybox").read_bytes(), "bin/sh": (arm64 / "bin/busybox").read_bytes()}
    programs |= {"init": init.encode(), "dhcp": DHCP.encode()}
    system += [Entry(name=name, mode=0o755, content=content) for name, content in programs.items()]
    files = {"vmlinuz": next(arm64.glob("boot/vmlinuz-*")).read_bytes(), "initrd.img": packed(cpio(system))}
    grub = (arm64 / "usr/lib/grub/arm64-efi-signed/grubnetaa64.efi.signed").read_bytes()
    site = begin(ipxe() | {"grubaa64.efi": grub}, before=lambda site: image(site.store, "sledgehammer-arm64", files))
    words = ("-machine", "virt", "-cpu", "cortex-a57", "-m", "1024", "-no-reboot", *flash_arm64(tmp_path), *nic(romfile=""))
    node = node_of(site, hello(site, *words, program="qemu-system-aarch64"), tls=False)
    assert (node["arch"], node["loader"]["file"], node["loader"]["arch"]) == ("aarch64", "grubaa64.efi", 11)
