"""The image writer with stand-in tools on machines that are folders: what it writes, and what it says when it cannot."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

from engine.jigs.cause import first_cause

MOUNT = r"""
[ "$1" = --bind ] && exit 0
[ "$1" != -o ] || shift 2
fs=$CROWBAR_ROOT/fs/${1##*/}; place=${2%/}
[ -d "$fs" ] || exit 32
rmdir "$place" && ln -s "$fs" "$place"
"""
# A curl that serves $CROWBAR_ROOT/image in pieces. BREAK: each answer ends after so many bytes. GONE: nobody answers. STATUS: an error.
CURL = r"""
all=$(wc -c <"$CROWBAR_ROOT/image"); from=0; to=$((all - 1)); head=/dev/null
while [ $# -gt 0 ]; do
    case $1 in
    -r) from=${2%-*}; to=${2#*-}; shift ;;
    -D) head=$2; shift ;;
    esac
    shift
done
[ -z "${GONE:-}" ] || { echo "curl: (7) Failed to connect to 192.168.124.10 port 80: Connection refused" >&2; exit 7; }
if [ -n "${STATUS:-}" ]; then
    echo "HTTP/1.1 $STATUS No" >"$head"; echo "curl: (22) The requested URL returned error: $STATUS" >&2; exit 22
fi
if [ -n "${PLAIN:-}" ]; then echo "HTTP/1.1 200 OK" >"$head"; from=0 to=$((all - 1)); else echo "HTTP/1.1 206 Partial" >"$head"; fi
want=$((to - from + 1))
if [ -n "${BREAK:-}" ] && [ "$want" -gt "$BREAK" ]; then
    tail -c "+$((from + 1))" "$CROWBAR_ROOT/image" | head -c "$BREAK"
    echo "curl: (18) transfer closed with outstanding read data remaining" >&2
    exit 18
fi
tail -c "+$((from + 1))" "$CROWBAR_ROOT/image" | head -c "$want"
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB engine@admin"
SECRET = "c2VjcmV0.n1"
UUID = "6f8b1f9e-0000-4000-8000-000000000001"
MEBIBYTE = 2048
"""In sectors."""


def disk(name: str, size: int, serial: str = "") -> dict[str, Any]:
    return {"name": name, "size": size, "serial": serial, "rotational": True, "signature": "", "transport": "sas"}


def image(*, os_release: str = "debian", more: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    names = ("etc/ssh/ssh_host_rsa_key", "boot/vmlinuz-6.1.0-9", "boot/vmlinuz-6.1.0-10", "boot/initrd.img-6.1.0-10", *more)
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in names:
            body = f"ID={os_release}\n".encode() if name == "etc/os-release" else (os_release + name).encode()
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return out.getvalue()


def a_disk(machine: Any, name: str, mib: int = 8192, serial: str = "") -> None:
    machine.write(f"dev/{name}", "x")
    machine.write(f"sys/block/{name}/size", f"{mib * MEBIBYTE}\n")
    machine.write(f"sys/block/{name}/serial", f"{serial}\n")


def installer(machine: Any, content: bytes) -> dict[str, Any]:
    a_disk(machine, "sda")
    machine.write("proc/sys/kernel/random/uuid", UUID + "\n")
    machine.write("sys/class/net/eno1/address", "f4:02:70:aa:bb:01\n")
    (machine.root / "image").write_bytes(content)
    machine.tool("sfdisk", 'cat >"$CROWBAR_ROOT/table"; for d; do :; done; for n in 1 2 3; do : >"$d$n"; done')
    machine.tool("wipefs", "")
    machine.tool("mkfs.ext4", 'for d; do :; done; rm -rf "$CROWBAR_ROOT/fs/${d##*/}"; mkdir -p "$CROWBAR_ROOT/fs/${d##*/}"')
    machine.tool("mkfs.vfat", 'for d; do :; done; mkdir -p "$CROWBAR_ROOT/fs/${d##*/}"')
    machine.tool("mount", MOUNT)
    machine.tool("umount", '[ ! -L "${1%/}" ] || { rm "${1%/}"; mkdir "${1%/}"; }')
    machine.tool("zstd", "exec cat")
    machine.tool("curl", CURL)
    machine.tool("chroot", 'case "$*" in *--help) echo --force-extra-removable ;; esac')
    machine.tool("ssh-keygen", 'for f; do :; done; echo private >"$f"; echo "ssh-ed25519 AAAAhost x@y" >"$f.pub"')
    machine.tool("ip", 'case "$*" in *addr*) echo "2: eno1    inet 192.168.124.22/24 brd 192.168.124.255 scope global eno1" ;; esac')
    return {
        "target-os": "debian-12",
        "root-disk": "",
        "volumes": [],
        "disks": [disk("sda", 4096000)],
        "hostname": "node-1",
        "domain": "r07.example.net",
        "admin-network": {"name": "admin", "address": "192.168.124.81", "mask": "255.255.255.0", "router": "192.168.124.1"},
        "engine-key": KEY,
        "engine-url": "http://192.168.124.10",
        "image": {
            "name": "debian-12",
            "url": "http://192.168.124.10/image/debian-12/root.tar.zst",
            "sha256": hashlib.sha256(content).hexdigest(),
            "size": len(content),
        },
        "credential": SECRET,
    }


def test_install_makes_the_system_this_nodes_own(machine: Any) -> None:
    wanted = installer(machine, image())
    assert machine.run("os-install", wanted, "verify").code == 1
    (machine.folder / "home/agent").mkdir(parents=True)
    (machine.folder / "home/agent/curl.conf").write_text("")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert done.gives == {"installed": {"os": "debian-12", "disk": "sda", "root": UUID}, "ssh-host-key": "ssh-ed25519 AAAAhost"}
    root = machine.root / "fs/sda3"
    assert (root / "etc/hostname").read_text() == "node-1\n"
    assert "192.168.124.81 node-1.r07.example.net node-1" in (root / "etc/hosts").read_text()
    assert (root / "etc/systemd/network/50-crowbar-admin.network").read_text() == (
        "[Match]\nMACAddress=f4:02:70:aa:bb:01\nType=ether\n[Network]\nAddress=192.168.124.81/24\nGateway=192.168.124.1\n"
    )
    assert (root / "root/.ssh/authorized_keys").read_text() == KEY + "\n"
    assert not (root / "etc/ssh/ssh_host_rsa_key").exists(), "the image's own host keys go"
    assert (root / "etc/crowbar/url").read_text() == "http://192.168.124.10\n"
    assert (root / "etc/crowbar/environment").read_text() == "debian-12\n"
    assert (root / "etc/crowbar/credential").read_text() == SECRET + "\n"
    assert (root / "etc/crowbar/credential").stat().st_mode & 0o777 == 0o600
    assert (root / "usr/lib/crowbar/agent").exists()
    assert "agent hello" in (root / "etc/systemd/system/crowbar-hello.service").read_text()
    assert (root / "etc/fstab").read_text().splitlines() == [
        f"UUID={UUID} / ext4 errors=remount-ro 0 1",
        "UUID=6F8B-1F9E /boot/efi vfat umask=0077,nofail,x-systemd.device-timeout=60 0 2",
    ]
    assert (root / "etc/machine-id").read_text() == ""
    assert (root / "etc/resolv.conf").read_text() == "search r07.example.net\n"
    assert (machine.folder / "home/kexec/kernel").read_text().endswith("vmlinuz-6.1.0-10")
    assert (machine.folder / "home/kexec/cmdline").read_text() == f"root=UUID={UUID} ro\n"
    assert any("grub-install --target=i386-pc /dev/sda" in call for call in machine.calls)
    assert any(call.startswith("curl") and call.endswith(wanted["image"]["url"]) and "-K" in call for call in machine.calls)
    everything = "\n".join(machine.calls) + done.out + done.err
    assert SECRET not in everything, "no secret in an argument list or in the log"
    looked = machine.run("os-install", wanted, "verify")
    assert (looked.code, looked.gives) == (0, done.gives)


def test_verify_tells_another_image(machine: Any) -> None:
    wanted = installer(machine, image())
    assert machine.run("os-install", wanted).code == 0
    other = {**wanted, "image": {**wanted["image"], "sha256": "0" * 64}}
    done = machine.run("os-install", other, "verify")
    assert done.code == 1
    assert "holds an image with the checksum" in done.err
    (machine.root / "fs/sda3/etc/crowbar/installed").unlink()
    assert "is not whole" in machine.run("os-install", wanted, "verify").err


# -- the image comes ----------------------------------------------------------------------------------------------


def test_an_image_that_comes_in_pieces_is_whole(machine: Any) -> None:
    """Each answer breaks off: it goes on where it ended, and no byte comes twice."""
    content = image()
    wanted = installer(machine, content)
    machine.environment = {"CROWBAR_FETCH_PIECE": "6000", "BREAK": "4096"}
    machine.tool("sleep", "")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    asked = [call.split(" -r ")[1].split()[0] for call in machine.calls if call.startswith("curl")]
    assert asked[:3] == ["0-5999", "4096-10095", f"8192-{len(content) - 1}"] or asked[1] == f"4096-{len(content) - 1}", asked
    assert "MiB came, going on from there" in done.out


def test_a_damaged_image_leaves_nothing_that_starts(machine: Any) -> None:
    wanted = installer(machine, image())
    (machine.root / "image").write_bytes(image(os_release="Debian"))
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "the image is damaged" in done.err
    assert done.gives is None
    assert not (machine.root / "fs/sda3/etc/crowbar").exists()
    assert [call.rpartition("/")[2] for call in machine.calls if call.startswith("wipefs")] == ["sda", "sda3", "sda"]
    assert not (machine.folder / "home/kexec").exists(), "nothing is left to be started without firmware"


def test_an_image_that_cannot_be_decompressed_is_damaged(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("zstd", 'head -c 10 >/dev/null; echo "zstd: /*stdin*\\: Data corruption detected" >&2; exit 1')
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert done.err.startswith("os-install: the image is damaged, and cannot be unpacked: zstd: ")


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"GONE": "1"}, "cannot be fetched from http://192.168.124.10/image/debian-12/root.tar.zst: curl: (7) Failed to connect"),
        ({"STATUS": "404", "CROWBAR_FETCH_PATIENCE_S": "300"}, "root.tar.zst: the engine does not have it, or it is damaged there"),
        ({"STATUS": "503"}, "error: 503"),
        ({"BREAK": "2000", "PLAIN": "1"}, "it cannot be gone on with at byte 2000, since the server sent status 200"),
    ],
)
def test_an_image_that_does_not_come(machine: Any, environment: dict[str, str], line: str) -> None:
    wanted = installer(machine, image())
    machine.environment = {"CROWBAR_FETCH_PATIENCE_S": "0", **environment}
    machine.tool("sleep", "")
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert line in done.err
    assert not (machine.root / "fs/sda3/etc/crowbar").exists()


def test_an_image_of_another_length(machine: Any) -> None:
    wanted = installer(machine, image())
    wanted["image"]["size"] -= 1024
    machine.environment = {"PLAIN": "1"}
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert f"it has {wanted['image']['size'] + 1024} bytes, not {wanted['image']['size']}" in done.err


def test_an_image_without_a_kernel(machine: Any) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("boot/nothing"))
    done = machine.run("os-install", installer(machine, out.getvalue()))
    assert done.code == 1
    assert "the image is no system: there is no kernel" in done.err


# -- the disk -----------------------------------------------------------------------------------------------------


def test_no_disk(machine: Any) -> None:
    wanted = installer(machine, image()) | {"disks": []}
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "no disk was found in this machine" in done.err


def test_a_disk_that_is_gone(machine: Any) -> None:
    wanted = installer(machine, image()) | {"root-disk": "sdq"}
    assert "disk sdq is missing" in machine.run("os-install", wanted).err


def test_a_disk_too_small_is_told_before_it_is_touched(machine: Any) -> None:
    wanted = installer(machine, image())
    a_disk(machine, "sda", mib=1024)
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert done.err == "os-install: disk sda is too small: it has 1024 MiB, and debian-12 needs 1539 MiB\n"
    assert not any(call.startswith(("wipefs", "sfdisk")) for call in machine.calls)


def test_a_disk_that_fills_up(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("tar", 'case $1 in --version) exit 0 ;; esac; cat >/dev/null; echo "tar: usr: Cannot write: No space left on device" >&2; exit 2')
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert done.err.startswith("os-install: disk sda is too small: the image does not fit into the 8192 MiB")


def test_a_disk_that_fails(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("tar", 'case $1 in --version) exit 0 ;; esac; head -c 99 >/dev/null; echo "tar: usr: Cannot write: Input/output error" >&2; exit 2')
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert done.err.startswith("os-install: disk sda fails: tar: usr: Cannot write: Input/output error")


@pytest.mark.parametrize(
    ("tool", "line"),
    [("mkfs.ext4", "the root file system cannot be made: no luck"), ("sfdisk", "disk sda cannot be partitioned: no luck")],
)
def test_a_disk_that_cannot_be_written(machine: Any, tool: str, line: str) -> None:
    wanted = installer(machine, image())
    machine.tool(tool, "echo error: first >&2; echo no luck >&2; exit 1")
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert line in done.err
    assert line in first_cause(done.err, 1), "which is what the operator sees at the node"


def test_a_disk_that_changed_its_name_is_found_by_its_serial_number(machine: Any) -> None:
    wanted = installer(machine, image()) | {"disks": [disk("sda", 4096000, "S1")]}
    a_disk(machine, "sda", serial="S2")
    a_disk(machine, "sdb", serial="S1")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert done.gives["installed"]["disk"] == "sdb"
    assert not any(call.endswith("/dev/sda") for call in machine.calls if call.startswith("wipefs"))
    a_disk(machine, "sdb", serial="S3")
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "disk sda must be the one with the serial number S1, which is not there" in done.err


def test_what_holds_the_disk_lets_go(machine: Any) -> None:
    """An old RAID on its partition, with a logical volume on top."""
    wanted = installer(machine, image())
    machine.write("sys/block/sda/sda2/partition", "2\n")
    machine.write("sys/block/sda/sda2/holders/md127")
    machine.write("sys/block/md127/holders/dm-0")
    machine.write("sys/block/dm-0/dm/name", "vg0-root\n")
    machine.tool("mdadm", "")
    machine.tool("dmsetup", "")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    order = [call for call in machine.calls if call.startswith(("dmsetup", "mdadm", "wipefs"))]
    assert [call.split()[0] for call in order] == ["dmsetup", "mdadm", "wipefs", "wipefs"]
    assert order[0] == "dmsetup remove --retry vg0-root"
    assert order[2].endswith("/dev/sda2")


def test_a_disk_in_use_is_left_alone(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.write("proc/mounts", f"{machine.root}/dev/sda2 /data ext4 rw 0 0\n")
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "it is mounted on /data" in done.err
    machine.write("proc/mounts", f"{machine.root}/dev/sdaa /data ext4 rw 0 0\n")
    assert machine.run("os-install", wanted).code == 0, "another disk whose name begins the same"


def test_nothing_is_claimed_while_something_stays_mounted(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("umount", 't=${1%/}; [ "${t##*/}" != root ] || [ -e "$CROWBAR_ROOT/once" ] && { rm -f "${1%/}"; mkdir "${1%/}"; exit 0; }; : >"$CROWBAR_ROOT/once"; exit 1')
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert "disk sda cannot be unmounted" in done.err


@pytest.mark.parametrize(
    ("volumes", "root_disk", "chosen"),
    [
        ([{"name": "sdb", "level": "raid1", "disks": ["sda", "sdc"], "size": 1}], "", "sdb"),
        ([{"name": "md1", "level": "raid10", "disks": ["sda"], "size": 1}], "", "sdb"),
        ([], "sdb", "sdb"),
    ],
)
def test_which_disk(machine: Any, volumes: list[Any], root_disk: str, chosen: str) -> None:
    wanted = installer(machine, image()) | {"volumes": volumes, "root-disk": root_disk}
    wanted["disks"] = [disk("sda", 1), disk("sdb", 1)]
    a_disk(machine, "sdb")
    assert machine.run("os-install", wanted).gives["installed"]["disk"] == chosen


def test_no_disk_that_firmware_can_read(machine: Any) -> None:
    wanted = installer(machine, image()) | {"volumes": [{"name": "md1", "level": "raid0", "disks": ["sda"], "size": 1}]}
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "there is no disk that firmware could start a system from" in done.err


# -- the port, and how it starts ----------------------------------------------------------------------------------


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
        assert (root / "etc/systemd/network/10-crowbar-admin.link").read_text() == "[Match]\nMACAddress=f4:02:70:aa:bb:01\n[Link]\nName=admin0\n"
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


# -- what is given to it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hostname", "a b"),
        ("hostname", "x\ny"),
        ("engine-key", "ssh-ed25519 AAAA\nssh-ed25519 BBBB"),
        ("engine-url", "http://x/$(id)"),
        ("credential", "a b"),
        ("root-disk", "../sda"),
        ("domain", None),
    ],
)
def test_attributes_that_are_not_fit_are_refused_before_anything_is_written(machine: Any, name: str, value: Any) -> None:
    wanted = installer(machine, image()) | {name: value}
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert done.err.startswith("os-install: ")
    assert not any(call.startswith(("wipefs", "sfdisk")) for call in machine.calls)


def test_tools_that_are_missing_are_all_named(machine: Any) -> None:
    wanted = installer(machine, image())
    for name in ("zstd", "mkfs.vfat"):
        (machine.tools / name).unlink()
    assert machine.run("os-install", wanted).err == "os-install: tools are missing here: mkfs.vfat zstd\n"


def test_progress_is_told(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.environment = {"CROWBAR_FETCH_PIECE": "2048"}
    machine.run("os-install", wanted)
    lines = (machine.folder / "progress").read_text().splitlines()
    assert [int(line.split()[0]) for line in lines] == sorted(int(line.split()[0]) for line in lines)
    assert lines[-1] == "100 done"
    assert json.loads((machine.root / "fs/sda3/etc/crowbar/installed").read_text())["os"] == "debian-12"
