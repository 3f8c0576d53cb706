"""The node's side: real virtual environments, made of wheels that come over real HTTP, on machines that are folders.

The last test is about a real service: gunicorn from PyPI serves the page of the barclamp `about`, first as a package, then from source in
two versions, then as a package again.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from http_rig import Rig
from node_folder import REPO, Machine
from source_lab import Task, git, lab
from test_sources_build import apart_is_possible

from engine.sources.shelf import file_of

LIMIT_S = 280
PYTHON = "/usr/bin/python3"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not apart_is_possible() or not Path(PYTHON).exists(), reason="git or python3 is missing, or there are no namespaces"
    ),
]
SYSTEMCTL = r"""
unit=$CROWBAR_ROOT/etc/systemd/system/crowbar-about.service
pid=$CROWBAR_ROOT/run.pid
case "$*" in
*is-active*) [ -e "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null ;;
restart*)
    if [ -e "$pid" ]; then
        kill "$(cat "$pid")" 2>/dev/null
        while kill -0 "$(cat "$pid")" 2>/dev/null; do sleep 0.1; done
    fi
    setsid $(sed -n 's/^ExecStart=//p' "$unit") --pid "$pid" </dev/null >"$CROWBAR_ROOT/server.log" 2>&1 &
    ;;
esac
"""
"""What systemctl does, for one unit: it really runs its program."""


class Node(Machine):
    """A machine that is a folder, with the system's Python."""

    def __init__(self, folder: Path, engine_url: str) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.engine_url = engine_url
        (folder / "base/python3").symlink_to(PYTHON)
        for name in ("setsid", "sync"):
            if not (folder / "base" / name).exists():
                (folder / "base" / name).symlink_to(str(shutil.which(name)))
        self.said = ""

    def call(self, script: Path, words: tuple[str, ...], attributes: dict[str, Any]) -> int:
        (self.folder / "attributes.json").write_text(json.dumps({"engine-url": self.engine_url, **attributes}))
        environment = {
            "PATH": f"{self.tools}:{REPO / 'images/node'}:{self.folder / 'base'}",
            "CROWBAR_ROOT": str(self.root),
            "CROWBAR_ATTRIBUTES": str(self.folder / "attributes.json"),
            "CROWBAR_GIVES": str(self.folder / "gives.json"),
            "TMPDIR": str(self.folder / "tmp"),
        }
        (self.folder / "gives.json").unlink(missing_ok=True)
        done = subprocess.run(
            ["dash", str(script), *words],
            env=environment,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        self.said = done.stdout + done.stderr
        return done.returncode

    def tool_call(self, verb: str, source: dict[str, Any], wheels: Any) -> int:
        attributes = {"greet-source": source, "greet-wheels": wheels}
        return self.call(REPO / "images/node/from-source", (verb, "greet"), attributes)

    @property
    def venvs(self) -> Path:
        return self.root / "opt/crowbar/venv"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Task, Rig]]:
    task = Task(tmp_path)
    rig = Rig(tmp_path / "http", wheels=partial(file_of, task.sources))
    yield task, rig
    rig.stop()


def greeting(node: Node) -> str:
    assert node.call(REPO / "images/node/from-source", ("bin", "greet"), {}) == 0
    return subprocess.run([f"{node.said.strip()}/greet"], capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_a_node_goes_to_source_to_another_revision_and_back(tmp_path: Path) -> None:
    upstream, task = lab(tmp_path)
    rig = Rig(tmp_path / "http", wheels=partial(file_of, task.sources))
    node = Node(tmp_path / "node", rig.url)
    one, two = ({"repository": upstream.url, "revision": f"v{number}.0"} for number in (1, 2))
    try:
        upstream.release("1.0")
        commit = upstream.release("2.0")
        assert task.run(one, two) == 0, task.said
        wheels = task.gives

        assert node.tool_call("up", {}, wheels) == 0, node.said
        assert node.tool_call("check", {}, wheels) == 0, node.said
        assert not node.venvs.exists()
        assert node.tool_call("check", one, wheels) == 1
        assert node.tool_call("up", one, wheels) == 0, node.said
        assert greeting(node) == "greet 1.0"
        assert node.tool_call("check", one, wheels) == 0, node.said
        made = (node.venvs / "greet").resolve()
        before = made.stat().st_ino
        assert node.tool_call("up", one, wheels) == 0
        assert (node.said, made.stat().st_ino) == ("", before), "the same again does nothing"

        assert node.tool_call("up", two, wheels) == 0, node.said
        assert greeting(node) == "greet 2.0"
        assert node.tool_call("version", two, wheels) == 0
        assert node.said == f"2.0 (v2.0, {commit})\n"
        assert made.exists(), "a service that runs keeps its files"

        assert node.tool_call("up", {}, wheels) == 0
        assert node.said == "from-source: greet comes from packages again\n"
        assert not (node.venvs / "greet").exists()
        assert node.tool_call("check", two, wheels) == 1
        assert node.tool_call("version", {}, wheels) == 0
        assert node.said == ""

        (made / "complete").unlink()  # a power cut while it was made
        rig.stop()
        assert node.tool_call("up", one, wheels) == 68
        assert f"source: source_not_fetched: {rig.url}/wheels/" in node.said
        assert not (node.venvs / "greet").exists()
    finally:
        rig.stop()


def test_what_a_node_does_not_take(tmp_path: Path) -> None:
    upstream, task = lab(tmp_path)
    rig = Rig(tmp_path / "http", wheels=partial(file_of, task.sources))
    node = Node(tmp_path / "node", rig.url)
    wish = {"repository": upstream.url, "revision": "v1.0"}
    try:
        upstream.release("1.0")
        assert task.run(wish) == 0, task.said
        (row,) = task.gives
        assert node.tool_call("up", wish, []) == 68
        assert node.said == "source: source_not_fetched: the admin node has no build of v1.0 yet\n"
        assert node.tool_call("up", wish | {"repository": upstream.url + "x"}, [row]) == 68, "another repository is another wish"
        assert node.tool_call("up", wish, [row | {"sha256": "0" * 64}]) == 68
        assert "manifest.json does not have the SHA-256 that it should have" in node.said
        assert node.tool_call("up", wish, [row | {"key": "../../x"}]) == 68
        assert "has no usable key" in node.said
        assert node.tool_call("up", wish, [row | {"pure": False, "python": "3.4"}]) == 68
        assert "source: source_python: they are for Python 3.4 on x86_64, and this node has Python 3." in node.said
        wheel = next((task.sources / f"built-{row['key']}").glob("greet-*.whl"))
        wheel.write_bytes(wheel.read_bytes()[:-1] + b"x")
        assert node.tool_call("up", wish, [row]) == 68
        assert "greet-1.0-py3-none-any.whl does not have the SHA-256 that it should have" in node.said
        (node.folder / "base/python3").unlink()
        assert node.tool_call("up", wish, [row]) == 68
        assert node.said == "source: source_no_venv: this node has no python3\n"
        node.tool("python3", 'case "$*" in *"-m venv"*) exit 1 ;; esac; exec /usr/bin/python3 "$@"')
        assert node.tool_call("up", wish, [row]) == 68
        assert not list(node.venvs.glob("greet*")), "nothing half counts"
    finally:
        rig.stop()


def releases(folder: Path, *versions: str) -> Path:
    """A repository of gunicorn with a tag for each version, from what PyPI has. Skips where there is no index."""
    repository = folder / "gunicorn"
    repository.mkdir()
    git(repository, "init", "--quiet", "--initial-branch=master")
    for version in versions:
        words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", f"gunicorn=={version}"]
        done = subprocess.run([*words, "-d", str(folder / "sdists")], capture_output=True, text=True, timeout=LIMIT_S, check=False)
        if done.returncode != 0:
            pytest.skip(f"PyPI does not give gunicorn {version}: {done.stderr[-200:]}")
        for path in repository.iterdir():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        archive = folder / "sdists" / f"gunicorn-{version}.tar.gz"
        subprocess.run(["tar", "-xzf", str(archive), "--strip-components=1", "-C", str(repository)], check=True, timeout=60)
        git(repository, "add", "--all", "--force")
        git(repository, "commit", "--quiet", "--message", version)
        git(repository, "tag", version)
    return repository


def test_gunicorn_from_packages_from_source_and_back(tmp_path: Path, served: tuple[Task, Rig]) -> None:
    task, rig = served
    task.name = "gunicorn"
    (task.folder / "task/task.json").write_text('{"role": "gunicorn-wheels"}')
    repository = releases(tmp_path, "22.0.0", "23.0.0")
    old, new = ({"repository": f"file://{repository}", "revision": version} for version in ("22.0.0", "23.0.0"))
    assert task.run(old, new, index="https://pypi.org/simple") == 0, task.said
    wheels = task.gives
    node = Node(tmp_path / "node", rig.url)
    node.tool("systemctl", SYSTEMCTL)
    packaged = tmp_path / "packaged"
    subprocess.run([PYTHON, "-m", "venv", str(packaged)], check=True, timeout=LIMIT_S)
    subprocess.run([str(packaged / "bin/pip"), "install", "-q", "gunicorn==21.2.0", "setuptools<70"], check=True, timeout=LIMIT_S)
    node.write("usr/bin/gunicorn").unlink()
    node.link("usr/bin/gunicorn", str(packaged / "bin/gunicorn"))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    attributes = {"admin-network": {"address": "127.0.0.1"}, "hostname": "n1.r07.test", "about-port": port, "gunicorn-wheels": wheels}
    scripts = REPO / "barclamps/about/roles/about-page"
    try:
        for source, version, origin in (
            ({}, "21.2.0", "packages"),
            (old, "22.0.0", f"22.0.0 (22.0.0, {git(repository, 'rev-parse', '22.0.0')})"),
            (new, "23.0.0", f"23.0.0 (23.0.0, {git(repository, 'rev-parse', '23.0.0')})"),
            ({}, "21.2.0", "packages"),
        ):
            wanted = attributes | {"gunicorn-source": source}
            assert node.call(scripts / "verify", (), wanted) == 1, node.said
            assert node.call(scripts / "run", (), wanted) == 0, node.said + (node.root / "server.log").read_text()
            expected = {"about-server": f"gunicorn {version}, from {origin}"}
            assert json.loads((node.folder / "gives.json").read_text()) == expected
            assert node.call(scripts / "verify", (), wanted) == 0, node.said
            assert json.loads((node.folder / "gives.json").read_text()) == expected
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                page = answer.read().decode()
            assert page == f"node: n1.r07.test\naddress: 127.0.0.1\nserver: gunicorn {version}\n"
            pid = (node.root / "run.pid").read_text()
            assert node.call(scripts / "run", (), wanted) == 0, node.said
            assert (node.root / "run.pid").read_text() == pid, "the same again restarts nothing"
    finally:
        if (node.root / "run.pid").exists():
            os.kill(int((node.root / "run.pid").read_text()), 15)
