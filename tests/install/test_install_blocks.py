"""os-install writes an image that is a file system, with the system's own e2fsprogs on a file that stands for the partition."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
from writer_lab import UUID, installer

from engine.images.build.blocks import file_system

SBIN = f"{os.environ['PATH']}:/usr/sbin:/sbin"
REAL = ("dd", "tune2fs", "resize2fs", "debugfs")
MISSING = [name for name in (*REAL, "mke2fs", "e2fsck", "dumpe2fs", "truncate") if shutil.which(name, path=SBIN) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (Debian: e2fsprogs)")

# What is mounted is a copy of what the partition holds.
MOUNT = r"""
[ "$1" = --bind ] && exit 0
[ "$1" != -o ] || shift 2
fs=$CROWBAR_ROOT/fs/${1##*/}; place=${2%/}
case $1 in */sda3) [ -d "$fs" ] || { mkdir -p "$fs"; debugfs -R "rdump / $fs" "$1" 2>/dev/null; } ;; esac
[ -d "$fs" ] || exit 32
rmdir "$place" && ln -s "$fs" "$place"
"""
PARTITION_MIB = 300
READY = {
    "boot/grub/i386-pc/core.img": "core",
    "usr/lib/crowbar/loader/EFI/debian/grubx64.efi": "grub",
    "usr/lib/crowbar/loader/EFI/BOOT/BOOTX64.EFI": "shim",
}
SYSTEM = {"boot/vmlinuz-6.1.0-10": "kernel", "boot/initrd.img-6.1.0-10": "initrd", "etc/os-release": "ID=debian\n", "etc/ssh/x": ""}


@functools.cache
def blocks(*more: str) -> bytes:
    """The file system of a small system, with these further files."""
    tree: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    for path in (*SYSTEM, *more):
        for parent in reversed(Path(path).parents[:-1]):
            above = tarfile.TarInfo(str(parent))
            above.type, above.mode = tarfile.DIRTYPE, 0o755
            tree.setdefault(str(parent), (above, b""))
        body = {**SYSTEM, **READY}[path].encode()
        info = tarfile.TarInfo(path)
        info.size = len(body)
        tree[path] = info, body
    with file_system(tree.values()) as made:
        return made.read_bytes()


def machine_of(machine: Any, content: bytes, mib: int = PARTITION_MIB) -> dict[str, Any]:
    wanted = installer(machine, content)
    wanted["image"]["url"] = wanted["image"]["url"].replace(".tar.", ".ext4.")
    for name in REAL:
        (machine.tools / name).unlink(missing_ok=True)
        (machine.tools / name).symlink_to(str(shutil.which(name, path=SBIN)))
    (machine.folder / "base/truncate").symlink_to(str(shutil.which("truncate")))
    machine.tool("sfdisk", f'cat >"$CROWBAR_ROOT/table"; for d; do :; done; for n in 1 2; do : >"$d$n"; done; truncate -s {mib}M "${{d}}3"')
    machine.tool("mount", MOUNT)
    return wanted


def header(partition: Path) -> dict[str, str]:
    said = subprocess.run(["dumpe2fs", "-h", str(partition)], capture_output=True, text=True, check=True, env={**os.environ, "PATH": SBIN})
    return {key: value.strip() for key, _, value in (line.partition(":") for line in said.stdout.splitlines())}


def test_it_becomes_the_disks_own_file_system(machine: Any) -> None:
    wanted = machine_of(machine, blocks(*READY))
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert done.gives["installed"] == {"os": "debian-12", "disk": "sda", "root": UUID}
    partition = machine.root / "dev/sda3"
    assert (
        subprocess.run(["e2fsck", "-fn", str(partition)], capture_output=True, check=False, env={**os.environ, "PATH": SBIN}).returncode
        == 0
    )
    found = header(partition)
    assert found["Filesystem UUID"] == UUID
    assert int(found["Block count"]) == PARTITION_MIB * 256, "all of the partition"
    assert "has_journal" in found["Filesystem features"]
    assert found["Filesystem volume name"] == "root"
    assert not [call for call in machine.calls if call.startswith("mkfs.ext4")]
    root = machine.root / "fs/sda3"
    assert (root / "etc/hostname").read_text() == "node-1\n"
    assert f"UUID={UUID} / ext4" in (root / "etc/fstab").read_text()
    looked = machine.run("os-install", wanted, "verify")
    assert (looked.code, looked.gives) == (0, done.gives)


def test_grub_that_the_image_has_ready_is_placed(machine: Any) -> None:
    wanted = machine_of(machine, blocks(*READY))
    machine.write("proc/cmdline", "initrd=x console=tty0 console=ttyS1,57600n8\n")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert "os-install: boot loader for efi bios" in done.out
    inside = [call for call in machine.calls if call.startswith("chroot")]
    assert [call.split()[2:] for call in inside] == [
        ["/usr/lib/grub/i386-pc/grub-bios-setup", "--directory=/boot/grub/i386-pc", "/dev/sda"],
    ]
    efi = machine.root / "fs/sda2/EFI"
    assert (efi / "BOOT/BOOTX64.EFI").read_text() == "shim"
    assert (efi / "debian/grubx64.efi").read_text() == "grub"
    assert (efi / "debian/grub.cfg").read_text() == (
        f"search.fs_uuid {UUID} root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n"
    )
    assert machine.read("fs/sda3/boot/grub/grub.cfg").splitlines() == [
        "serial --unit=1 --speed=57600",
        "terminal_input console serial",
        "terminal_output console serial",
        "set default=0",
        "set timeout=2",
        f"search --no-floppy --fs-uuid --set=root {UUID}",
        "menuentry 'debian-12' {",
        f"    linux /boot/vmlinuz-6.1.0-10 root=UUID={UUID} ro console=tty0 console=ttyS1,57600n8",
        "    initrd /boot/initrd.img-6.1.0-10",
        "}",
    ]
    assert 'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS1,57600n8"' in machine.read("fs/sda3/etc/default/grub.d/crowbar.cfg"), (
        "for update-grub"
    )


def test_a_disk_that_bios_cannot_read_gets_no_core(machine: Any) -> None:
    wanted = machine_of(machine, blocks(*READY))
    machine.write("sys/block/sda/queue/logical_block_size", "4096\n")
    machine.write("sys/firmware/efi/systab")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert "os-install: boot loader for efi\n" in done.out


def test_an_image_without_it_makes_its_own(machine: Any) -> None:
    done = machine.run("os-install", machine_of(machine, blocks()))
    assert done.code == 0, done.err
    assert any("grub-install --target=i386-pc /dev/sda" in call for call in machine.calls)
    assert any(call.endswith("update-grub") for call in machine.calls)


def test_a_core_that_cannot_be_written_is_said(machine: Any) -> None:
    wanted = machine_of(machine, blocks(*READY))
    machine.tool("chroot", 'case "$*" in *grub-bios-setup*) echo "grub-bios-setup: error: will not proceed" >&2; exit 1 ;; esac')
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert "the boot loader for BIOS cannot be installed on /dev/sda: grub-bios-setup: error: will not proceed" in done.err
    assert not (machine.root / "fs/sda3/etc/crowbar/installed").exists()


def test_a_damaged_file_system_is_never_mounted(machine: Any) -> None:
    content = blocks(*READY)
    wanted = machine_of(machine, content)
    (machine.root / "image").write_bytes(content[:-1] + b"x")
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert "the image is damaged: its checksum is" in done.err
    assert not [call for call in machine.calls if call.startswith("mount ")]
    assert [call.rpartition("/")[2] for call in machine.calls if call.startswith("wipefs")] == ["sda", "sda3", "sda"]


def test_it_comes_in_pieces(machine: Any) -> None:
    wanted = machine_of(machine, blocks(*READY))
    machine.environment = {"CROWBAR_FETCH_PIECE": str(5_000_000), "BREAK": str(3_333_333)}
    machine.tool("sleep", "")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert "going on from there" in done.out


def test_a_partition_that_is_full(machine: Any) -> None:
    wanted = machine_of(machine, blocks(*READY))
    (machine.tools / "dd").unlink()
    machine.tool("dd", "head -c 1000000 >/dev/null; echo \"dd: error writing '/dev/sda3': No space left on device\" >&2; exit 1")
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert "disk sda is too small: the image does not fit into the 8192 MiB (no space left)" in done.err


def test_tools_that_are_missing_are_named(machine: Any) -> None:
    wanted = machine_of(machine, blocks(*READY))
    (machine.tools / "resize2fs").unlink()
    assert machine.run("os-install", wanted).err == "os-install: tools are missing here: resize2fs\n"
