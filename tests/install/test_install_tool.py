"""`images/node/installer`, the agent and the role's `plant`, as a distribution's installer runs them, against a running engine: from the early
command to the hello of the installed system. Only partitions and packages are missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from node_shell import NODE, Shell, until

sys.path.append(str(Path(__file__).parents[1] / "e2e"))

from fake_machine import PLAN, FakeMachine, running

from engine.events import Commit
from engine.files import plan_file
from engine.files.catalog import shipped
from engine.model import NodeRole, State
from engine.plan import Approve
from engine.racks.simulated.reports import packed
from engine.reasons import sentence
from engine.runtime.engine import Engine

PRESEED = PLAN.replace(
    "  cloud: {roles: {ready: all}}", "  cloud: {roles: {ready: all}, attributes: {install-method: preseed, target-os: debian-12}}"
).replace("}}\nnetworks:", "}, trust: network}\napprove: {wipe: all}\nnetworks:", 1)
GIVES: dict[str, dict[str, Any]] = {
    "inventory": {
        "product": "PC",
        "vendor": "V",
        "memory-mb": 1536,
        "cpus": 2,
        "firmware": "bios",
        "kexec": False,
        "nics": [],
        "media": [],
        "hardware": {"reports": packed({})},
        "disks": [{"name": "vda", "size": 6 << 30, "serial": "", "rotational": False, "signature": "", "transport": "virtio"}],
    },
    "lldp": {"neighbours": []},
    "bmc-discover": {"bmc": {}},
    "bios-configure": {"bios-settings": {}},
    "raid-discover": {"raid-report": []},
    "raid-configure": {"volumes": []},
}
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHostKeyHostKeyHostKeyHostKeyHostKeyHo"


class Guest:
    """A machine that Debian's installer runs on: a folder for its files, and a real engine."""

    def __init__(self, engine: Engine, shell: Shell, folder: Path) -> None:
        self.engine, self.shell = engine, shell
        self.home, self.root, self.target = folder / "crowbar", folder / "root", folder / "target"
        self.wire = FakeMachine(engine, 1)
        self.write("dev/vda", "")
        self.write("sys/block/vda/size", f"{(6 << 30) // 512}\n")
        self.write("proc/sys/kernel/random/boot_id", "boot-of-the-installer\n")
        self.write("sys/class/net/eth0/address", self.wire.mac + "\n")
        self.write("sys/class/net/eth0/device/x", "")
        # The certificate is for the plan's address, not for where a rehearsal's lane has it: no TLS here.
        self.write("etc/crowbar/ca.crt", "none\n")
        self.write("etc/crowbar/tls", "none\n")
        self.write("usr/lib/finish-install.d/95umount", "")
        self.processes: list[subprocess.Popen[bytes]] = []

    def write(self, name: str, text: str, root: Path | None = None) -> Path:
        path = (root or self.root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def discover(self) -> None:
        """The first stages, said by HTTP."""
        self.wire.script()
        assert self.wire.hello("b1").status == 200
        while (order := self.wire.next())["do"] != "reboot":
            if order["do"] == "run":
                role = self.role_of(order["id"])
                assert self.wire.result(order["id"], gives=GIVES[role]).status == 200

    def role_of(self, leg: str) -> str:
        (role,) = [r.role for r in self.engine.world.node_roles.values() if r.attempt == leg.rpartition(".")[0]]
        return role

    @property
    def install(self) -> NodeRole:
        (role,) = [r for r in self.engine.world.node_roles.values() if r.role == "os-install"]
        return role

    @property
    def runs(self) -> str:
        return self.engine.world.nodes[self.install.node].runs

    def boot(self) -> None:
        """Kernel line and answers, as the loader and the installer get them; then the early command."""
        self.wire.script()
        host, port = self.wire.there
        line = (
            f"crowbar.url=http://{host}:{port} crowbar.nonce={self.wire.nonce} crowbar.env=debian-12-installer crowbar.mac={self.wire.mac}"
        )
        self.cmdline = self.write("proc/cmdline", line + "\n")
        path = f"/boot/answers/{self.wire.nonce}/preseed.cfg"
        answers = self.wire.call("GET", path)
        assert answers.status == 200, answers
        assert "netcfg/get_hostname string web-1\n" in answers.text
        tool = self.wire.call("GET", "/boot/tool/installer")
        self.tool = self.write("tmp/installer", tool.text)
        self.early = self.begin("begin")
        until(lambda: self.runs == "debian-12-installer", "hello of the installer")
        assert self.wire.call("GET", path).status == 403, "after hello the nonce is worthless"

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        env = self.shell.env(
            CROWBAR_HOME=str(self.home),
            CROWBAR_ROOT=str(self.root),
            CROWBAR_CMDLINE=str(self.cmdline),
            CROWBAR_DELAY_S="0",
            CROWBAR_WATCH_S="1",
            CROWBAR_SIGN_S="1",
            CROWBAR_PATIENCE_S="20",
        )
        process = subprocess.Popen(
            [*self.shell.words, str(self.tool), *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
        )
        self.processes.append(process)
        return process

    def call(self, *words: str, exit: int = 0) -> str:
        process = self.begin(*words)
        out = process.communicate(timeout=60)[0].decode()
        assert process.returncode == exit, out
        return out

    def installed_tree(self) -> None:
        """What Debian's installer leaves."""
        self.write("etc/fstab", "# <file system>\nUUID=0a1b-2c / ext4 errors=remount-ro 0 1\n", self.target)
        self.write("etc/network/interfaces", "auto ens3\niface ens3 inet dhcp\n", self.target)
        self.write("etc/ssh/ssh_host_ed25519_key.pub", f"{HOST_KEY} root@debian\n", self.target)

    def close(self) -> None:
        for process in self.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            finally:
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()


@pytest.fixture
def guest(shell: Shell, tmp_path: Path) -> Iterator[Guest]:
    with running(tmp_path / "store", plan_file.read(PRESEED, "plan.yml", shipped())) as engine:
        one = Guest(engine, shell, tmp_path)
        try:
            yield one
        finally:
            one.close()


def test_from_the_early_command_to_the_hello_of_the_installed_system(guest: Guest) -> None:
    guest.discover()
    guest.boot()
    assert guest.early.wait(30) == 0, "the order came, and the installer goes on"
    assert guest.install.state is State.TRANSITION
    assert guest.call("disk").strip() == "vda"
    guest.write("var/log/syslog", "Nov 21 10:00:00 main-menu[301]: INFO: Menu item 'pkgsel' selected\n")
    node = guest.install.node
    until(lambda: "pkgsel" in repr(guest.engine.last_values.snapshot()), "progress")
    guest.installed_tree()
    hooks = guest.root / "usr/lib/finish-install.d"
    assert sorted(path.name for path in hooks.iterdir()) == ["93crowbar", "95umount", "96crowbar"]
    guest.call("plant", str(guest.target))
    credential = (guest.target / "etc/crowbar/credential").read_text().strip()
    assert (guest.target / "etc/crowbar/credential").stat().st_mode & 0o077 == 0
    assert (guest.target / "etc/hostname").read_text() == "web-1\n"
    assert "address 192.168.124.81/24\n    gateway 192.168.124.1\n" in (guest.target / "etc/network/interfaces.d/crowbar-admin").read_text()
    assert "ens3" not in (guest.target / "etc/network/interfaces").read_text()
    assert (guest.target / "usr/lib/crowbar/attempt").read_bytes() == (NODE / "attempt").read_bytes(), "the real one, not the installer's"
    assert (guest.target / "etc/systemd/system/multi-user.target.wants/crowbar-hello.service").is_symlink()
    assert guest.install.state is State.TRANSITION, "nothing is said before everything is unmounted"
    guest.call("tell")
    assert guest.install.state is State.ACTIVE
    assert guest.install.gave == {"installed": {"os": "debian-12", "disk": "vda", "root": "0a1b-2c"}, "ssh-host-key": HOST_KEY}
    assert guest.engine.world.nodes[node].host_key == HOST_KEY
    guest.wire.nonce = ""
    hello = guest.wire.hello("b3", nonce="", credential=credential, environment="debian-12")
    assert hello.status == 200, hello
    assert guest.runs == "debian-12"
    for secret in (credential, guest.wire.nonce or "-no nonce-"):
        assert secret not in (guest.home / "agent.log").read_text()


def test_a_disk_that_is_not_there_is_told_and_the_installer_stands_still(guest: Guest) -> None:
    guest.discover()
    guest.boot()
    guest.early.wait(30)
    (guest.root / "dev/vda").unlink()
    standing = guest.begin("disk")
    until(lambda: guest.install.state is State.ERROR, "the failure")
    assert guest.install.failure is not None
    assert "disk vda is missing" in sentence(guest.install.failure)
    assert standing.poll() is None, "it must not go on to another disk"


def swap_space(octets: int) -> bytes:
    """A disk that is used as swap space (mkswap(8); include/linux/swap.h, union swap_header)."""
    disk = bytearray(octets)
    disk[1024:1032] = (1).to_bytes(4, "little") + (octets // 4096 - 1).to_bytes(4, "little")
    disk[4086:4096] = b"SWAPSPACE2"
    return bytes(disk)


@pytest.mark.parametrize(("wipe", "held"), [("blank", True), ("blank", False), ("all", True)])
def test_an_installer_obeys_a_plan_that_approves_blank_disks_only(guest: Guest, wipe: str, held: bool) -> None:
    plan = guest.engine.world.plan
    assert plan is not None
    guest.engine.ask(Commit(who="test", plan=replace(plan, approve=Approve(wipe=wipe))))
    guest.discover()
    guest.boot()
    guest.early.wait(30)
    disk = guest.root / "dev/vda"
    disk.write_bytes(swap_space(4 << 20) if held else bytes(4 << 20))
    if wipe == "all" or not held:
        assert guest.call("disk").strip() == "vda"
        return
    guest.begin("disk")
    until(lambda: guest.install.state is State.ERROR, "the failure")
    assert guest.install.failure is not None
    assert "disk vda is not blank any more" in sentence(guest.install.failure)


def test_a_step_of_the_installer_that_failed_is_told(guest: Guest) -> None:
    guest.discover()
    guest.boot()
    guest.early.wait(30)
    guest.write(
        "var/log/syslog",
        "Nov 21 10:00:00 base-installer: error: exiting on error base-installer/debootstrap-failed\n"
        "Nov 21 10:00:01 main-menu[301]: WARNING **: Menu item 'bootstrap-base' failed.\n",
    )
    until(lambda: guest.install.state is State.ERROR, "the failure")
    assert guest.install.failure is not None
    assert "the installer's step bootstrap-base failed" in sentence(guest.install.failure)
    assert "debootstrap-failed" in sentence(guest.install.failure)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("choose-mirror[3073]: WARNING **: mirror does not support the specified release (bookworm)", "mirror does not support"),
        ("debootstrap: E: Couldn't download packages: adduser", "Couldn't download packages: adduser"),
        (
            "in-target: E: The repository 'http://m/debian-security x Release' does not have a Release file.",
            "The repository 'http://m/debian-sec",
        ),
        ("in-target: W: Failed to fetch http://m/debian/dists/x/InRelease  Could not connect to m:80", "Failed to fetch http://m/debian"),
    ],
)
def test_a_mirror_that_is_gone_is_told(guest: Guest, line: str, words: str) -> None:
    guest.discover()
    guest.boot()
    guest.early.wait(30)
    guest.write("var/log/syslog", f"Nov 21 10:00:00 {line}\n")
    until(lambda: guest.install.state is State.ERROR, "the failure")
    assert guest.install.failure is not None
    assert f"cannot use its package mirror: {words}" in sentence(guest.install.failure)


def test_a_second_order_in_the_same_boot_asks_for_another_boot(guest: Guest) -> None:
    guest.discover()
    guest.boot()
    guest.early.wait(30)
    guest.begin("failed", "no packages")
    until(lambda: guest.install.state is State.ERROR, "the failure")
    from engine.events import Operate

    guest.engine.ask(Operate(who="test", verb="retry", node="web-1.r07.example.net", role="os-install"))
    until(lambda: guest.engine.world.nodes[guest.install.node].boot is not None, "another boot of the installer")
    boot = guest.engine.world.nodes[guest.install.node].boot
    assert boot is not None
    assert boot.environment == "debian-12-installer"
