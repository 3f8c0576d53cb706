"""The image writer on a real disk, and the system that it wrote: by BIOS, by UEFI, over SSH with the host key that it reported."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import disk_lab as lab
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(lab.missing()), reason=lab.missing() or "-")]
MEBI = 1 << 20


def a_disk(name: str, mib: int, serial: str) -> dict[str, Any]:
    return {"name": name, "size": mib * MEBI, "serial": serial, "rotational": False, "signature": "", "transport": "virtio"}


def chosen(name: str, mib: int, serial: str) -> dict[str, Any]:
    """What the engine gives of its choice (`disk_choice.install_disk`)."""
    return {"name": name, "wwn": "", "serial": serial, "path": "", "size": mib << 20, "label": "0e3f9c51-7f0d-5a3e-8b21-2f1c8e0d7a55"}


class Installed:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.admin = lab.Admin()
        self.key = folder / "key"
        self.disk = folder / "a.qcow2"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "engine", "-f", str(self.key)], check=True)
        for name, size in (("a", "5G"), ("b", "1G")):
            subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(folder / f"{name}.qcow2"), size], check=True)

    def attributes(self, **more: Any) -> dict[str, Any]:
        root = lab.images() / "debian-12" / "root.ext4.zst"
        self.admin.files.setdefault("root.ext4.zst", root)
        image = {"name": "debian-12", "url": f"{self.admin.url}/root.ext4.zst", "sha256": lab.sha256(root), "size": root.stat().st_size}
        return {
            "target-os": "debian-12",
            "root-disk": "",
            "install-disk": chosen("vda", 5120, "SA"),
            "volumes": [],
            "disks": [a_disk("vda", 5120, "SA"), a_disk("vdb", 1024, "SB")],
            "firmware": "bios",
            "hostname": "node-1",
            "domain": "r07.example.net",
            "admin-network": {"name": "admin", "address": lab.GUEST, "mask": "255.255.255.0", "router": lab.ADMIN},
            "engine-key": self.key.with_suffix(".pub").read_text().strip(),
            "engine-url": self.admin.url,
            "image": image,
            "credential": lab.CREDENTIAL,
            **more,
        }

    def install(self) -> None:
        """Fails on purpose first, then writes while each answer breaks off and the server is away for a while."""
        wanted = self.attributes()
        nowhere = {**wanted["image"], "url": f"{self.admin.url}/nowhere"}
        tasks = {
            "bios": ("bios-configure", "run", {"bios-wanted": {}}),
            "inventory": ("inventory", "run", {}),
            "raid": ("raid-configure", "run", {"raid-wanted": {"level": "none"}, "raid-disks": {"members": []}, "disks": wanted["disks"]}),
            "none": ("os-install", "run", {**wanted, "disks": [], "install-disk": None}),
            "small": ("os-install", "run", {**wanted, "root-disk": "vdb", "install-disk": chosen("vdb", 1024, "SB")}),
            "gone": ("os-install", "run", {**wanted, "image": nowhere}),
            "before": ("os-install", "verify", wanted),
            "install": ("os-install", "run", wanted),
            "after": ("os-install", "verify", wanted),
        }
        self.admin.files["roles.tar"] = lab.role_tar(tasks)
        self.admin.cut = {"root.ext4.zst": 9 * MEBI}
        self.admin.refuse = 2
        arguments = [
            "-kernel",
            str(lab.images() / "sledgehammer" / "vmlinuz"),
            "-initrd",
            str(lab.initrd(self.folder)),
            "-append",
            f"console=ttyS0 panic=5 BOOTIF=01-{lab.MAC.replace(':', '-')} try={self.admin.url}",
            *self._drive("a", "SA"),
            *self._drive("b", "SB"),
        ]
        with lab.guest(self.folder, "install", *arguments) as guest:
            lab.until(lambda: guest.process.poll() is not None, lab.INSTALL_S, guest, "the install is over")
            self.console = guest.console

    def _drive(self, name: str, serial: str, more: str = "") -> list[str]:
        file = self.folder / f"{name}.qcow2"
        return [
            "-drive",
            f"file={file},format=qcow2,if=none,id={name},cache=unsafe{more}",
            "-device",
            f"virtio-blk-pci,drive={name},serial={serial}",
        ]

    def log(self, task: str) -> str:
        assert f"{task}.log" in self.admin.posted, self.console[-3000:]
        return self.admin.posted[f"{task}.log"].decode()

    def gives(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.admin.posted[f"{task}.gives"])
        return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    one = Installed(tmp_path_factory.mktemp("disk"))
    one.install()
    yield one
    one.admin.close()


def test_it_is_written_and_found_whole(installed: Installed) -> None:
    assert installed.log("install").endswith("os-install: debian-12 is on vda\nEXIT 0\n"), installed.log("install")
    assert "going on from there" in installed.log("install"), "each answer broke off"
    gives = installed.gives("install")
    assert gives["installed"]["disk"] == "vda"
    assert installed.log("before").splitlines() == ["os-install: vda has no root partition", "EXIT 1"]
    assert installed.log("after") == "EXIT 0\n"
    assert installed.gives("after") == gives
    assert installed.admin.posted["kexec-cmdline"].decode() == f"root=UUID={gives['installed']['root']} ro console=ttyS0\n"
    assert lab.CREDENTIAL not in installed.console


def test_what_cannot_be_done_is_said_in_the_first_line(installed: Installed) -> None:
    for task, line in (
        ("none", "os-install: no disk was found in this machine"),
        ("small", "os-install: disk vdb is too small: it has 1024 MiB, and debian-12 needs"),
    ):
        assert installed.log(task).startswith(line)
        assert installed.log(task).endswith("EXIT 1\n")
    assert "the image cannot be fetched from" in installed.log("gone")
    assert "the engine does not have it, or it is damaged there" in installed.log("gone")


def test_a_machine_that_has_nothing_to_set_up(installed: Installed) -> None:
    assert installed.log("bios").startswith("bios-configure: nothing to do")
    assert installed.log("raid") == "raid-configure: nothing to do: none leaves the disks as they are\nEXIT 0\n"
    found = {one["name"]: (one["size"], one["serial"]) for one in installed.gives("inventory")["disks"]}
    assert found == {"vda": (5 << 30, "SA"), "vdb": (1 << 30, "SB")}


class Shell:
    def __init__(self, installed: Installed, port: int) -> None:
        known = installed.folder / "known"
        known.write_text(f"[{lab.HERE}]:{port} {installed.gives('install')['ssh-host-key']}\n")
        self.command = [
            "ssh",
            "-i",
            str(installed.key),
            "-p",
            str(port),
            "-o",
            f"UserKnownHostsFile={known}",
            "-o",
            "StrictHostKeyChecking=yes",
            "-o",
            "BatchMode=yes",
            "-o",
            "ConnectTimeout=10",
            f"root@{lab.HERE}",
        ]

    def run(self, command: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([*self.command, command], input=stdin, capture_output=True, timeout=300, check=False)

    def __call__(self, command: str, stdin: bytes = b"") -> str:
        done = self.run(command, stdin)
        assert done.returncode == 0, done
        return done.stdout.decode()

    def role(self, role: str, action: str, attributes: dict[str, Any]) -> dict[str, Any]:
        """As the engine's jig does it."""
        name = f"t-{role}-{action}.1"
        tool = "/usr/lib/crowbar/attempt"
        self(f"{tool} start {name} 120", lab.attempt_tar(role, action, attributes))
        state: dict[str, Any] = json.loads(self(f"{tool} wait {name} 120"))
        assert (state["state"], state.get("exit")) == ("ended", 0), self(f"{tool} log {name} 0")
        gives: dict[str, Any] = state["gives"]
        return gives


@pytest.mark.parametrize("firmware", ["bios", "efi"])
def test_it_starts_and_is_that_system(installed: Installed, firmware: str) -> None:
    arguments = installed._drive("a", "SA", ",snapshot=on")
    if firmware == "efi":
        variables = installed.folder / "vars.fd"
        shutil.copy(lab.OVMF / "OVMF_VARS_4M.fd", variables)
        code = lab.OVMF / "OVMF_CODE_4M.fd"
        arguments += [
            "-drive",
            f"if=pflash,format=raw,readonly=on,file={code}",
            "-drive",
            f"if=pflash,format=raw,file={variables}",
        ]
    with socket.socket() as free:
        free.bind((lab.HERE, 0))
        port = free.getsockname()[1]
    installed.admin.posted.pop("hello", None)
    with lab.guest(installed.folder, firmware, *arguments, forward=port) as guest:
        shell = Shell(installed, port)
        began = time.monotonic()
        lab.until(lambda: shell.run("true").returncode == 0, lab.BOOT_S, guest, "it answers by SSH with the host key that was reported")
        print(f"{firmware}: SSH after {time.monotonic() - began:.0f} s")
        assert shell("hostname; hostname -f").split() == ["node-1", "node-1.r07.example.net"]
        assert shell("uname -r").startswith("6.1.")
        assert shell("[ -d /sys/firmware/efi ] && echo efi || echo bios").strip() == firmware
        assert f"inet {lab.GUEST}/24" in shell("ip -4 addr show")
        assert shell("findmnt -n -o UUID /").strip() == installed.gives("install")["installed"]["root"]
        assert shell("stat -c %a /etc/crowbar/credential").strip() == "600"
        assert len(shell("cat /etc/machine-id").strip()) == 32
        assert shell("swapon --show") == ""
        lab.until(lambda: "hello" in installed.admin.posted, 120, guest, "it says hello")
        hello = json.loads(installed.admin.posted["hello"])
        assert hello["boot_id"] == shell("cat /proc/sys/kernel/random/boot_id").strip()
        assert (hello["credential"], hello["environment"], hello["macs"]) == (lab.CREDENTIAL, "debian-12", [lab.MAC])
        if firmware == "bios":
            admin = {"name": "admin", "address": lab.GUEST, "mask": "255.255.255.0", "router": lab.ADMIN, "vlan": 0}
            for action in ("run", "verify"):
                assert shell.role("network", action, {"network": admin})["addresses"] == [f"{lab.GUEST}/24"]
            assert shell.role("ntp-client", "run", {"ntp-servers": [lab.ADMIN]}) == {}, "nobody answers there, so it verifies nothing"
        shell.run("poweroff")
        lab.until(lambda: guest.process.poll() is not None, 180, guest, "it is off")
    assert json.loads(installed.admin.posted["bye"]) == {"reason": "stopping"}
