"""os-install makes the system this node's own; what is given to it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from writer_lab import KEY, LABEL, SECRET, UUID, image, installer


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


def test_the_new_system_begins_with_the_engine_s_time(machine: Any) -> None:
    wanted = installer(machine, image())
    machine.tool("hwclock", 'echo "$*" >"$CROWBAR_ROOT/hardware-clock"')
    (machine.folder / "home/agent").mkdir(parents=True)
    (machine.folder / "home/agent/curl.conf").write_text("")
    done = machine.run("os-install", wanted)
    assert done.code == 0, done.err
    assert (machine.root / "hardware-clock").read_text() == "-w -u\n"
    assert (machine.root / "fs/sda3/usr/lib/clock-epoch").exists(), "for a machine whose hardware clock cannot be set"


def test_verify_tells_another_image(machine: Any) -> None:
    wanted = installer(machine, image())
    assert machine.run("os-install", wanted).code == 0
    other = {**wanted, "image": {**wanted["image"], "sha256": "0" * 64}}
    done = machine.run("os-install", other, "verify")
    assert done.code == 1
    assert "holds an image with the checksum" in done.err
    (machine.root / "fs/sda3/etc/crowbar/installed").unlink()
    assert "is not whole" in machine.run("os-install", wanted, "verify").err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hostname", "a b"),
        ("hostname", "x\ny"),
        ("engine-key", "ssh-ed25519 AAAA\nssh-ed25519 BBBB"),
        ("engine-url", "http://x/$(id)"),
        ("credential", "a b"),
        ("install-disk", {"name": "../sda", "label": LABEL}),
        ("install-disk", {"name": "sda", "size": 8 << 30, "label": "x\ny"}),
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
