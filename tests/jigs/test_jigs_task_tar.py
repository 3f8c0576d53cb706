"""The tar of a task."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from jig_orders import order, role_folder
from msgspec.structs import replace

from engine.jigs.task_tar import MAX_FILES, TOOLS, TaskTarError, task_tar


def entries(data: bytes) -> dict[str, tuple[bytes, int]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {m.name: (tar.extractfile(m).read(), m.mode) for m in tar.getmembers()}  # type: ignore[union-attr]


def test_what_is_in_it(tmp_path: Path) -> None:
    folder = role_folder(tmp_path / "r", "echo run", verify="echo verify")
    (folder / "files").mkdir()
    (folder / "files" / "ntp.conf").write_text("server x\n")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "x.pyc").write_bytes(b"x")
    (folder / "files" / "ntp.conf").chmod(0o600)
    got = entries(task_tar(order(folder=folder, attributes={"ntp": {"servers": ["ü"]}})))
    assert sorted(got) == ["attributes.json", "files/ntp.conf", "run", "task.json", "verify"]
    assert json.loads(got["attributes.json"][0]) == {"ntp": {"servers": ["ü"]}}
    assert json.loads(got["task.json"][0]) == {
        "role": "demo",
        "barclamp": "demos",
        "action": "run",
        "attempt": "ab-1.0",
    }
    assert got["run"] == (b"#!/bin/sh\necho run\n", 0o755)
    assert got["files/ntp.conf"] == (b"server x\n", 0o644)
    assert got["attributes.json"][1] == 0o600


def test_for_a_verify_the_entry_is_the_verify_script(tmp_path: Path) -> None:
    folder = role_folder(tmp_path / "r", "echo run", verify="echo verify")
    got = entries(task_tar(order(folder=folder, action="verify")))
    assert got["run"][0] == b"#!/bin/sh\necho verify\n"
    assert json.loads(got["task.json"][0])["action"] == "verify"


def test_a_role_that_needs_packages_becomes_itself_after_they_are_installed(tmp_path: Path) -> None:
    folder = role_folder(tmp_path / "r", "echo run", verify="echo verify")

    def got(action: str, jig: str) -> dict[str, tuple[bytes, int]]:
        plain = order(folder=folder, action=action)  # type: ignore[arg-type]
        needs = {"debian": ("chrony", "jq"), "redhat": ("chrony",)}
        return entries(task_tar(replace(plain, role=replace(plain.role, jig=jig, packages=needs))))

    run = got("run", "script")
    assert run["run"] == ((TOOLS / "packages").read_bytes(), 0o755)
    assert run["role-run"] == (b"#!/bin/sh\necho run\n", 0o755)
    assert run["packages.list"][0] == b"debian chrony\ndebian jq\nredhat chrony\n"
    assert got("verify", "script").keys() == {"attributes.json", "run", "task.json", "verify"}
    assert got("run", "local").keys() == {"attributes.json", "run", "task.json", "verify"}


def test_the_same_order_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = role_folder(tmp_path / "r", "true", b="1", a="2")
    first = task_tar(order(folder=folder, attributes={"b": 1, "a": {"d": 1, "c": 2}}))
    os.utime(folder / "run", (1, 1))
    assert task_tar(order(folder=folder, attributes={"a": {"c": 2, "d": 1}, "b": 1})) == first
    assert len(first) % 512 == 0
    assert first.endswith(b"\0" * 1024)


def test_a_link_inside_the_folder_is_its_file(tmp_path: Path) -> None:
    folder = role_folder(tmp_path / "r", "echo both")
    (folder / "verify").symlink_to("run")
    assert entries(task_tar(order(folder=folder, action="verify")))["run"][0] == b"#!/bin/sh\necho both\n"


def test_what_must_not_travel_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("key")
    folder = role_folder(tmp_path / "r", "true")
    for name, target in (("leak", secret / "key"), ("leak", secret), ("leak", "../secret/key")):
        (folder / name).symlink_to(target)
        with pytest.raises(TaskTarError, match="leads out of"):
            task_tar(order(folder=folder))
        (folder / name).unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(TaskTarError, match="not a plain file"):
        task_tar(order(folder=folder))
    (folder / "pipe").unlink()
    (folder / "task.json").write_text("{}")
    with pytest.raises(TaskTarError, match="that the engine makes"):
        task_tar(order(folder=folder))


def test_missing_things_are_named(tmp_path: Path) -> None:
    with pytest.raises(TaskTarError, match="cannot read"):
        task_tar(order(folder=tmp_path / "nowhere"))
    with pytest.raises(TaskTarError, match="has no file 'verify'"):
        task_tar(order(folder=role_folder(tmp_path / "r", "true"), action="verify"))
    with pytest.raises(TaskTarError, match="has no file 'run'"):
        task_tar(order())


def test_bounded(tmp_path: Path) -> None:
    folder = role_folder(tmp_path / "r", "true")
    for i in range(MAX_FILES):
        (folder / f"f{i}").touch()
    with pytest.raises(TaskTarError, match=f"more than {MAX_FILES}"):
        task_tar(order(folder=folder))


def test_an_order_does_not_show_what_it_carries(tmp_path: Path) -> None:
    one = order(folder=tmp_path, attributes={"password": "sesame-open"}, secrets=("sesame-open",))
    assert "sesame" not in repr(one)
    assert "sesame" not in f"{one}"
