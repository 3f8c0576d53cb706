"""os-install: the port, and how the disk starts."""

from __future__ import annotations

from typing import Any

import pytest
from writer_lab import UUID, a_disk, chosen, disk, image, installer


def test_no_port_on_the_admin_network_is_told_before_the_disk_is_touched(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("ip", "")
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "no port of this machine has an address on the admin network (192.168.124.81/24): is a cable missing?" in done.err
    assert not any(call.startswith(("wipefs", "sfdisk")) for call in machine.calls)


def test_of_two_ports_the_one_that_it_was_booted_from(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.write("sys/class/net/eno2/address", "f4:02:70:aa:bb:02\n")
    machine.write("proc/cmdline", "initrd=initrd.img BOOTIF=01-F4-02-70-AA-BB-02 quiet\n")
    machine.tool("ip", 'case "$*" in *addr*) for n in 1 2; do echo "2: eno$n    inet 192.168.124.2$n/24 scope global eno$n"; done ;; esac')
    assert machine.run("os-install", wanted).code == 0
    assert "f4:02:70:aa:bb:02" in machine.read("fs/sda3/etc/systemd/network/50-crowbar-admin.network")


@pytest.mark.parametrize("networkd", [True, False])
def test_an_image_with_ifupdown(machine: Any, networkd: bool) -> None:
    more = ("etc/network/interfaces", "lib/systemd/systemd-networkd") if networkd else ("etc/network/interfaces",)
    assert machine.run("os-install", installer(machine, image(more=more))).code == 0
    root = machine.root / "fs/sda3"
    assert (root / "etc/systemd/network/50-crowbar-admin.network").exists() is networkd
    assert (root / "etc/network/interfaces.d/crowbar-admin").exists() is not networkd
    if not networkd:
        assert (
            root / "etc/systemd/network/10-crowbar-admin.link"
        ).read_text() == "[Match]\nMACAddress=f4:02:70:aa:bb:01\n[Link]\nName=admin0\n"
        assert "source /etc/network/interfaces.d/*" in (root / "etc/network/interfaces").read_text()


BOTH = ("etc/os-release", "usr/lib/grub/i386-pc/x", "usr/lib/grub/x86_64-efi/x")


@pytest.mark.parametrize("efi", [True, False])
@pytest.mark.parametrize(("more", "loaders"), [(BOTH, {"x86_64-efi", "i386-pc"}), ((), None)])
def test_the_disk_starts_by_either_firmware(machine: Any, efi: bool, more: tuple[str, ...], loaders: set[str] | None) -> None:
    """Both, where the image has both; else the one that this machine needs, which then has to be there."""
    wanted = installer(machine, image(more=more))
    if efi:
        machine.write("sys/firmware/efi/systab")
    assert machine.run("os-install", wanted).code == 0
    calls = [call for call in machine.calls if "grub-install --target" in call]
    assert {call.split("--target=")[1].split()[0] for call in calls} == (loaders or {"x86_64-efi" if efi else "i386-pc"})
    if efi or loaders:
        uefi = next(call for call in calls if "x86_64-efi" in call)
        assert "--no-nvram" in uefi, "the network stays first"
        assert "--force-extra-removable" in uefi
        assert f"--bootloader-id={'debian' if more else 'linux'}" in uefi


def test_a_loader_that_cannot_be_installed(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("chroot", 'case "$*" in *grub-install*i386-pc*) echo "grub-install: error: no BIOS boot partition" >&2; exit 1 ;; esac')
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert "the boot loader for BIOS cannot be installed on /dev/sda: grub-install: error: no BIOS boot partition" in done.err
    assert not (machine.root / "fs/sda3/etc/crowbar/installed").exists()


def test_the_consoles_go_along(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.write("proc/cmdline", "initrd=x console=tty0 console=ttyS1,57600n8 no_timer_check crowbar.nonce=0123\n")
    assert machine.run("os-install", wanted).code == 0
    settings = machine.read("fs/sda3/etc/default/grub.d/crowbar.cfg")
    assert 'GRUB_CMDLINE_LINUX="console=tty0 console=ttyS1,57600n8 no_timer_check"\n' in settings
    assert 'GRUB_SERIAL_COMMAND="serial --unit=1 --speed=57600"\n' in settings
    assert (machine.folder / "home/kexec/cmdline").read_text() == f"root=UUID={UUID} ro console=tty0 console=ttyS1,57600n8 no_timer_check\n"


@pytest.mark.parametrize("inside", ["usr/sbin/mdadm", "usr/sbin/lvm"])
def test_both_halves_of_a_mirror_get_the_loader(machine: Any, inside: str) -> None:
    wanted = installer(machine, image(more=("etc/mdadm/mdadm.conf",)))
    wanted["volumes"] = [{"name": "md127", "level": "raid1", "disks": ["sda", "sdb"], "size": 1}]
    disks = [disk("sda", 8 << 30), disk("sdb", 8 << 30)]
    wanted |= {"disks": disks, "install-disk": chosen(disks, wanted["volumes"])}
    a_disk(machine, "sdb")
    a_disk(machine, "md127")
    machine.tool("sfdisk", 'cat >/dev/null; for d; do :; done; for n in 1 2 3; do : >"${d}p$n"; done')
    machine.tool("mdadm", 'echo "ARRAY /dev/md/crowbar0 metadata=1.0 name=any:crowbar0 UUID=1:2:3:4"')
    machine.tool("chroot", f'case "$*" in *--help) echo --force-extra-removable ;; *lsinitramfs*) echo {inside} ;; esac')
    machine.write("sys/block/md127/md/level", "raid1\n")
    for name in ("sda", "sdb"):
        machine.write(f"sys/block/md127/slaves/{name}/size", "1\n")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert [call.split()[-1] for call in machine.calls if "--target=i386-pc" in call] == ["/dev/sda", "/dev/sdb"]
    assert machine.read("fs/md127p3/etc/mdadm/mdadm.conf").splitlines()[-1].startswith("ARRAY /dev/md/crowbar0")
    # It takes minutes on a slow machine, so only where the image's own one knows no mdadm.
    assert any("update-initramfs -u -k all" in call for call in machine.calls) is (not inside.endswith("mdadm"))
