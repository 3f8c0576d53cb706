"""The bios, raid and os-install scripts with stand-in tools on machines that are folders."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest

# -- bios ---------------------------------------------------------------------------------------------------------

ATTRIBUTES = "sys/class/firmware-attributes/dell-wmi-sysman/attributes"


def firmware(machine: Any, pending: str = "0") -> None:
    for name, value, possible in (("Virtualization", "Disabled", "Enabled;Disabled"), ("AssetTag", "", "")):
        machine.write(f"{ATTRIBUTES}/{name}/current_value", value + "\n")
        machine.write(f"{ATTRIBUTES}/{name}/type", "enumeration\n" if possible else "string\n")
        machine.write(f"{ATTRIBUTES}/{name}/possible_values", possible + "\n")
    machine.write(f"{ATTRIBUTES}/pending_reboot", pending + "\n")


def test_bios_is_set_once(machine: Any) -> None:
    firmware(machine)
    wanted = {"bios-wanted": {"Virtualization": "Enabled", "AssetTag": 'r07 "x" $(id)'}}
    assert machine.run("bios-configure", wanted, "verify").code == 1
    done = machine.run("bios-configure", wanted)
    assert (done.code, done.err) == (64, "")
    assert done.gives == {"bios-settings": {"Virtualization": "Enabled", "AssetTag": 'r07 "x" $(id)'}}
    again = machine.run("bios-configure", wanted)
    assert (again.code, again.gives) == (0, done.gives)
    looked = machine.run("bios-configure", wanted, "verify")
    assert (looked.code, looked.gives) == (0, done.gives)


def test_bios_waits_for_the_reboot(machine: Any) -> None:
    firmware(machine, pending="1")
    wanted = {"bios-wanted": {"Virtualization": "Disabled"}}
    assert machine.run("bios-configure", wanted).code == 64
    looked = machine.run("bios-configure", wanted, "verify")
    assert looked.code == 1
    assert "waits for a reboot" in looked.err


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        ({"Virtualization": "Enabled", "Turbo": "On"}, "does not offer the settings: Turbo"),
        ({"Virtualization": "Perhaps"}, "cannot be 'Perhaps' on this machine, but Enabled;Disabled"),
        ({"..": "1"}, "does not offer"),
    ],
)
def test_bios_says_what_the_machine_does_not_offer(machine: Any, wanted: dict[str, str], line: str) -> None:
    firmware(machine)
    done = machine.run("bios-configure", {"bios-wanted": wanted})
    assert done.code == 1
    assert line in done.err
    assert machine.read(f"{ATTRIBUTES}/Virtualization/current_value") == "Disabled\n", "nothing is written before"


def test_bios_with_nothing_wanted(machine: Any) -> None:
    done = machine.run("bios-configure", {"bios-wanted": {}})
    assert (done.code, done.gives) == (0, {"bios-settings": {}})
    assert machine.run("bios-configure", {"bios-wanted": {}}, "verify").code == 0


# -- raid ---------------------------------------------------------------------------------------------------------


def disk(name: str, size: int) -> dict[str, Any]:
    return {"name": name, "size": size, "serial": "S" + name, "rotational": True, "signature": "", "transport": "sas"}


DISKS = [disk("nvme0n1", 50), disk("sda", 4096000), disk("sdb", 4096000), disk("sdc", 4096000), disk("sdd", 4096000)]

MDADM = r"""
md="$CROWBAR_ROOT/dev/md/crowbar0"
case $1 in
--create)
    mkdir -p "${md%/*}" "$CROWBAR_ROOT/sys/block/md127"
    : >"$CROWBAR_ROOT/dev/md127"; ln -s ../md127 "$md"; echo 8000 >"$CROWBAR_ROOT/sys/block/md127/size"
    for word; do case $word in
    --level=*) level=${word#*=} ;;
    */dev/sd*) printf 'MD_DEVICE_dev_%s_DEV=/dev/%s\n' "${word##*/}" "${word##*/}" ;;
    esac; done >"$CROWBAR_ROOT/detail"
    echo "MD_LEVEL=raid$level" >>"$CROWBAR_ROOT/detail" ;;
--detail) cat "$CROWBAR_ROOT/detail" ;;
esac
exit 0
"""


def rack(machine: Any) -> None:
    machine.tool("mdadm", MDADM)
    machine.tool("wipefs", "")
    for one in DISKS:
        machine.write(f"dev/{one['name']}")
        machine.write(f"sys/block/{one['name']}/size", "1\n")


@pytest.mark.parametrize(
    ("level", "members", "metadata"),
    [("raid1", ["sda", "sdb"], "1.0"), ("raid0", ["sda", "sdb", "sdc", "sdd"], "1.2"), ("raid10", ["sda", "sdb", "sdc", "sdd"], "1.2")],
)
def test_raid_is_made_once(machine: Any, level: str, members: list[str], metadata: str) -> None:
    rack(machine)
    wanted = {"raid-wanted": {"level": level}, "disks": DISKS}
    assert machine.run("raid-configure", wanted, "verify").code == 1
    done = machine.run("raid-configure", wanted)
    assert done.code == 0, done.err
    assert done.gives == {"volumes": [{"name": "md127", "level": level, "disks": members, "size": 8000 * 512}]}
    made = [call for call in machine.calls if "--create" in call]
    assert len(made) == 1
    assert f"--raid-devices={len(members)}" in made[0]
    assert f"--metadata={metadata}" in made[0]
    assert [call.rpartition("/")[2] for call in machine.calls if call.startswith("wipefs")] == members
    again = machine.run("raid-configure", wanted)
    assert (again.code, again.gives) == (0, done.gives)
    assert len([call for call in machine.calls if "--create" in call or call.startswith("wipefs")]) == 1 + len(members)
    assert machine.run("raid-configure", wanted, "verify").gives == done.gives


def test_raid_of_another_level_is_made_anew(machine: Any) -> None:
    rack(machine)
    machine.run("raid-configure", {"raid-wanted": {"level": "raid0"}, "disks": DISKS})
    machine.write("sys/block/sda/holders/md127")
    wanted = {"raid-wanted": {"level": "raid1"}, "disks": DISKS}
    assert machine.run("raid-configure", wanted, "verify").code == 1
    (machine.root / "dev/md/crowbar0").unlink()
    assert machine.run("raid-configure", wanted).code == 0
    assert any("--stop" in call and call.endswith("/dev/md127") for call in machine.calls)


def test_raid_leaves_disks_alone(machine: Any) -> None:
    rack(machine)
    none = machine.run("raid-configure", {"raid-wanted": {"level": "none"}, "disks": DISKS})
    assert (none.code, none.gives) == (0, {"volumes": []})
    jbod = machine.run("raid-configure", {"raid-wanted": {"level": "jbod"}, "disks": DISKS})
    assert jbod.gives["volumes"][0] == {"name": "nvme0n1", "level": "jbod", "disks": ["nvme0n1"], "size": 50}
    assert len(jbod.gives["volumes"]) == 5
    assert machine.calls == []


@pytest.mark.parametrize(
    ("level", "disks", "line"),
    [
        ("raid1", DISKS[:2], "raid1 needs two disks"),
        ("raid10", DISKS[:4], "raid10 needs four disks"),
        ("raid7", DISKS, "'raid7' is not known"),
    ],
)
def test_raid_says_what_is_missing(machine: Any, level: str, disks: list[Any], line: str) -> None:
    rack(machine)
    done = machine.run("raid-configure", {"raid-wanted": {"level": level}, "disks": disks})
    assert done.code == 1
    assert line in done.err


def test_raid_keeps_off_what_is_in_use(machine: Any) -> None:
    rack(machine)
    wanted = {"raid-wanted": {"level": "raid1"}, "disks": DISKS}
    machine.write("sys/block/sda/holders/dm-0")
    assert "sda is held by dm-0" in machine.run("raid-configure", wanted).err
    (machine.root / "sys/block/sda/holders/dm-0").unlink()
    machine.write("proc/mounts", f"{machine.root}/dev/sdb1 / ext4 rw 0 0\n")
    assert "sdb is mounted" in machine.run("raid-configure", wanted).err
    assert not any("--create" in call for call in machine.calls)


# -- os-install ---------------------------------------------------------------------------------------------------

MOUNT = r"""
[ "$1" = --bind ] && exit 0
[ "$1" != -o ] || shift 2
fs=$CROWBAR_ROOT/fs/${1##*/}; place=${2%/}
[ -d "$fs" ] || exit 32
rmdir "$place" && ln -s "$fs" "$place"
"""
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB engine@admin"
SECRET = "c2VjcmV0.n1"


def image(*, os_release: str = "debian") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("etc/ssh/ssh_host_rsa_key", "boot/vmlinuz-6.1.0-9", "boot/vmlinuz-6.1.0-10", "boot/initrd.img-6.1.0-10"):
            body = (os_release + name).encode()
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return out.getvalue()


def installer(machine: Any, content: bytes) -> dict[str, Any]:
    machine.write("dev/sda", "x")
    machine.write("proc/sys/kernel/random/uuid", "6f8b1f9e-0000-4000-8000-000000000001\n")
    machine.write("sys/class/net/eno1/address", "f4:02:70:aa:bb:01\n")
    (machine.root / "image").write_bytes(content)
    machine.tool("sfdisk", 'cat >"$CROWBAR_ROOT/table"; for d; do :; done; for n in 1 2 3; do : >"$d$n"; done')
    machine.tool("wipefs", "")
    machine.tool("mkfs.ext4", 'for d; do :; done; rm -rf "$CROWBAR_ROOT/fs/${d##*/}"; mkdir -p "$CROWBAR_ROOT/fs/${d##*/}"')
    machine.tool("mkfs.vfat", 'for d; do :; done; mkdir -p "$CROWBAR_ROOT/fs/${d##*/}"')
    machine.tool("mount", MOUNT)
    machine.tool("umount", '[ ! -L "${1%/}" ] || { rm "${1%/}"; mkdir "${1%/}"; }')
    machine.tool("zstd", "exec cat")
    machine.tool("curl", 'cat "$CROWBAR_ROOT/image"')
    machine.tool("chroot", "")
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
    assert done.gives == {
        "installed": {"os": "debian-12", "disk": "sda", "root": "6f8b1f9e-0000-4000-8000-000000000001"},
        "ssh-host-key": "ssh-ed25519 AAAAhost",
    }
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
    assert "UUID=6f8b1f9e-0000-4000-8000-000000000001 / ext4" in (root / "etc/fstab").read_text()
    assert (machine.folder / "home/kexec/kernel").read_text().endswith("vmlinuz-6.1.0-10")
    assert (machine.folder / "home/kexec/cmdline").read_text() == "root=UUID=6f8b1f9e-0000-4000-8000-000000000001 ro quiet\n"
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


def test_a_damaged_image_leaves_nothing_that_starts(machine: Any) -> None:
    wanted = installer(machine, image())
    (machine.root / "image").write_bytes(image(os_release="Debian"))
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "the image is damaged" in done.err
    assert done.gives is None
    assert not (machine.root / "fs/sda3/etc/crowbar").exists()
    assert [call.rpartition("/")[2] for call in machine.calls if call.startswith("wipefs")] == ["sda", "sda3", "sda"]


def test_an_image_that_does_not_come(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("curl", 'head -c 100 "$CROWBAR_ROOT/image"; exit 18')
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "could not be fetched" in done.err


def test_a_disk_that_cannot_be_written(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("mkfs.ext4", "exit 1")
    done = machine.run("os-install", wanted)
    assert (done.code, done.gives) == (1, None)
    assert "the root file system cannot be made" in done.err


def test_efi_machines_get_the_removable_path(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.write("sys/firmware/efi/systab")
    assert machine.run("os-install", wanted).code == 0
    assert any("--target=x86_64-efi" in call and "--removable --no-nvram" in call for call in machine.calls)


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
    machine.write("dev/sdb", "x")
    assert machine.run("os-install", wanted).gives["installed"]["disk"] == chosen


def test_no_disk_that_firmware_can_read(machine: Any) -> None:
    wanted = installer(machine, image()) | {"volumes": [{"name": "md1", "level": "raid0", "disks": ["sda"], "size": 1}]}
    done = machine.run("os-install", wanted)
    assert done.code == 1
    assert "there is no disk that firmware could start a system from" in done.err


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


def test_progress_is_told(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.run("os-install", wanted)
    lines = (machine.folder / "progress").read_text().splitlines()
    assert [int(line.split()[0]) for line in lines] == sorted(int(line.split()[0]) for line in lines)
    assert lines[-1] == "100 done"
    assert json.loads((machine.root / "fs/sda3/etc/crowbar/installed").read_text())["os"] == "debian-12"
