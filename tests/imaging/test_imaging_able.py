"""What a machine or a user lacks to build images is one sentence that says what to do."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from engine.images.build import able
from engine.images.build.bootstrap import command
from engine.images.build.recipe import Recipe, Variant

HERE = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "amd64")
OTHER = "arm64" if HERE == "amd64" else "amd64"
LINUX = {"amd64": "x86_64", "arm64": "aarch64"}[OTHER]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """All programs there are, as files that succeed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("mmdebstrap", "zstd", "newuidmap", "newgidmap", "arch-test", f"qemu-{LINUX}-static", "unshare"):
        put(folder, name)
    return folder


def put(folder: Path, name: str, code: int = 0) -> None:
    (folder / name).write_text(f"#!/bin/sh\nexit {code}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """/etc of a system where user `ann`, who is not root, may build."""
    monkeypatch.setattr(os, "geteuid", lambda: 1234)
    monkeypatch.setattr(os, "getuid", lambda: 1234)
    monkeypatch.setenv("LOGNAME", "ann")
    etc = tmp_path / "etc"
    etc.mkdir()
    for name in ("subuid", "subgid"):
        (etc / name).write_text("bob:100000:65536\nann:165536:65536\n")
    return etc


def test_root_on_its_own_architecture(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert able.why_not(HERE) == ""
    (programs / "zstd").unlink()
    assert able.why_not(HERE) == "not installed: zstd (apt install zstd)"


def test_root_for_another_architecture(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert able.why_not(OTHER) == ""
    put(programs, "arch-test", 1)
    assert able.why_not(OTHER).startswith(f"this machine does not start programs for {OTHER} (systemctl restart systemd-binfmt")
    (programs / "arch-test").unlink()
    (programs / f"qemu-{LINUX}-static").unlink()
    assert able.why_not(OTHER) == "not installed: arch-test, qemu-user-static (apt install arch-test qemu-user-static)"


def test_a_user(programs: Path, user: Path) -> None:
    assert able.why_not(HERE, user) == ""
    put(programs, "unshare", 1)
    assert able.why_not(HERE, user).startswith("this system lets only root make user namespaces")
    (user / "subgid").write_text("1234:100000:1000\n")
    assert able.why_not(HERE, user) == (
        "ann has no 65536 further ids in /etc/subgid: run it as root, or once as root "
        "`usermod --add-subuids 100000-165535 --add-subgids 100000-165535 ann`"
    )
    (user / "subgid").write_text("1234:100000:65536\n")
    (user / "subuid").unlink()
    assert "in /etc/subuid:" in able.why_not(HERE, user)
    (programs / "newuidmap").unlink()
    assert able.why_not(HERE, user) == "not installed: uidmap (apt install uidmap)"


@pytest.mark.parametrize(("who", "mode"), [(0, "root"), (1234, "unshare")])
def test_how_mmdebstrap_works_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, who: int, mode: str) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: who)
    line = command(Recipe(name="x", folder=str(tmp_path), format="tar", suite="bookworm", arch="arm64"), Variant(name=""), ["a"], [], "")
    assert f"--mode={mode}" in line
    assert "--architectures=arm64" in line
