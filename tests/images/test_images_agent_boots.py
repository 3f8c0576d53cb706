"""The agent: reboot, kexec, installed systems, unusable settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from agent_rig import Node
from fake_engine import Engine
from node_shell import Shell


def test_reboot_says_bye_first(curl_node: Node, engine: Engine) -> None:
    reboot = curl_node.stub("reboot")
    engine.order(do="reboot")
    curl_node.agent()
    curl_node.until(reboot.exists, "reboot")
    assert engine.byes == [{"reason": "reboot"}]


def test_kexec_starts_what_the_install_left_else_reboots(curl_node: Node, engine: Engine) -> None:
    reboot, kexec = curl_node.stub("reboot"), curl_node.stub("kexec")
    systemctl = curl_node.stub("systemctl")
    engine.order(do="kexec")
    curl_node.agent()
    curl_node.until(reboot.exists, "reboot, as there is no kernel")
    assert not kexec.exists()
    curl_node.kill()
    at = curl_node.attempts.home / "kexec"
    at.mkdir()
    (at / "kernel").touch()
    (at / "initrd").touch()
    (at / "cmdline").write_text("root=/dev/sda2 ro quiet\n")
    engine.order(do="kexec")
    curl_node.agent()
    curl_node.until(lambda: systemctl.exists() or len(kexec.read_text().splitlines()) == 2 if kexec.exists() else False, "kexec")
    assert kexec.read_text().splitlines()[0] == f"-l {at}/kernel --command-line=root=/dev/sda2 ro quiet --initrd={at}/initrd"
    assert engine.byes[-1] == {"reason": "kexec"}


def test_the_fingerprint_is_on_the_machines_own_screen(node: Node, engine: Engine) -> None:
    """The kernel writes it on all of its consoles: a file stands for its log here."""
    node.write("dev/kmsg", "")
    engine.fingerprint = "0a1b-2c3d"
    assert node.agent("hello").wait(30) == 0, node.said.read_text()
    assert (node.root / "dev/kmsg").read_text() == "<1>crowbar: fingerprint of this machine: 0a1b-2c3d\n"
    assert "agent: fingerprint 0a1b-2c3d\n" in node.said.read_text()


@pytest.mark.parametrize("text", ["0a1b-2c3d-4e5f", "0A1B-2C3D", "$(reboot)", "<0>panic", "%s%s", ""])
def test_no_other_text_of_the_engine_is_shown_for_one(node: Node, engine: Engine, text: str) -> None:
    node.write("dev/kmsg", "")
    engine.fingerprint = text
    assert node.agent("hello").wait(30) == 0, node.said.read_text()
    assert (node.root / "dev/kmsg").read_text() == ""
    assert "fingerprint" not in node.said.read_text()


def test_an_installed_system_says_hello_and_bye(node: Node, engine: Engine) -> None:
    node.write("proc/cmdline", "root=/dev/sda2 ro quiet\n")
    node.write("etc/crowbar/url", f"http://127.0.0.1:{engine.port}\n")
    node.write("etc/crowbar/environment", "debian-12\n")
    node.write("etc/crowbar/credential", "cred.n1.0123456789abcdef\n")
    assert node.agent("hello").wait(30) == 0, node.said.read_text()
    assert "nonce" not in engine.hellos[0]
    assert engine.hellos[0]["credential"] == "cred.n1.0123456789abcdef"
    assert engine.hellos[0]["environment"] == "debian-12"
    assert node.agent("bye", "shutdown").wait(30) == 0
    assert engine.byes == [{"reason": "shutdown"}]
    for path in (node.attempts.home / "agent").iterdir():  # the token is in there
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.parametrize(
    ("cmdline", "message"),
    [
        ("", "crowbar.url"),
        ("crowbar.url=file:///etc/passwd crowbar.nonce=x crowbar.env=sledgehammer", "crowbar.url"),
        ("crowbar.url=http://h/path crowbar.nonce=x crowbar.env=sledgehammer", "crowbar.url"),
        ("crowbar.url=http://$(id) crowbar.nonce=x crowbar.env=sledgehammer", "crowbar.url"),
        ("crowbar.url=http://h crowbar.env=sledgehammer", "crowbar.nonce"),
        ('crowbar.url=http://h crowbar.nonce=a"b crowbar.env=sledgehammer', "crowbar.nonce"),
        ("crowbar.url=http://h crowbar.nonce=x crowbar.env=a/b", "crowbar.env"),
    ],
)
def test_unusable_settings_are_said(tmp_path: Path, engine: Engine, cmdline: str, message: str) -> None:
    node = Node(Shell("dash", tmp_path), tmp_path, engine)
    node.write("proc/cmdline", cmdline)
    assert node.agent().wait(30) == 1
    assert message in node.said.read_text()
