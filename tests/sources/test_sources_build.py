"""Real builds with git, venv and pip: built once, also by two at a time and after a kill; and apart from the engine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from source_lab import Task, lab

from engine.sources import SourceError, apart
from engine.sources.shelf import find

PATIENCE_S = 240.0


def apart_is_possible() -> bool:
    if shutil.which("unshare") is None or shutil.which("git") is None:
        return False
    try:
        apart.check([], Path("/tmp"))
    except SourceError:
        return False
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not apart_is_possible(), reason="git is missing, or this system allows no namespaces"),
]

EVIL = """
import glob, os, signal
said = open("/tmp/all-said", "w")


def attempt(what, do):
    try:
        print(what, do(), file=said)
    except BaseException as error:
        print(what, type(error).__name__, file=said)


attempt("store", lambda: os.listdir({store!r}))
attempt("keys", lambda: os.listdir({keys!r}))
attempt("secret", lambda: open({secret!r}).read())
attempt("engine", lambda: os.kill({pid}, 0))
attempt("environment", lambda: sorted(set(os.environ) & {{"SECRET_OF_THE_ENGINE", "CROWBAR_SOURCES"}}))
attempt("write", lambda: open({outside!r}, "w"))
attempt("etc", lambda: open("/etc/crowbar-evil", "w"))
attempt("root", lambda: os.setuid(0))
attempt("others", lambda: len([one for one in glob.glob("/proc/[0-9]*") if os.path.exists(one + "/environ")]) < 20)
said.flush()
os.makedirs("/tmp/all", exist_ok=True)
print(open("/tmp/all-said").read().replace("\\n", "; "))
raise SystemExit("error: said " + open("/tmp/all-said").read().replace("\\n", "; "))
"""


def test_built_once_and_kept(tmp_path: Path) -> None:
    upstream, task = lab(tmp_path)
    commit = upstream.release("1.0")
    wish = {"repository": upstream.url, "revision": "v1.0"}
    assert task.run(wish, action="verify") == 1, "it is not built yet"
    assert task.run(wish, {}, wish) == 0, task.said
    (row,) = task.gives
    assert (row["source"], row["commit"], row["project"], row["version"], row["pure"]) == (wish, commit, "greet", "1.0", True)
    kept = find(task.sources, row["key"])
    assert kept is not None
    assert kept.sha256 == row["sha256"]
    assert [one.name for one in kept.manifest.files] == ["greet-1.0-py3-none-any.whl"]
    before = kept.folder.stat().st_ino

    assert task.run(wish | {"revision": "main"}, wish) == 0, task.said
    assert [one["key"] for one in task.gives] == [row["key"]] * 2, "the same commit is the same build"
    assert kept.folder.stat().st_ino == before
    assert task.run(wish, action="verify") == 0, task.said
    assert len(task.built) == 1
    upstream.folder.rename(tmp_path / "away")
    assert task.run(wish) == 0, "a tag that is known needs no connection"
    assert not [one for one in task.sources.iterdir() if one.name.startswith((".work-", ".new-"))]
    assert task.run() == 0
    assert task.gives == []


def test_why_it_fails(tmp_path: Path) -> None:
    upstream, task = lab(tmp_path)
    upstream.release("1.0", version_needed="x")
    wish = {"repository": upstream.url, "revision": "v9"}
    assert task.run(wish) == 68
    assert f"source: source_no_revision: {upstream.url} v9: there is no such tag, branch or commit" in task.said
    assert task.run(wish | {"repository": f"file://{tmp_path}/nothing"}) == 68
    assert f"source: source_unreachable: file://{tmp_path}/nothing: fatal: " in task.said
    backend = upstream.folder / "build_it/backend.py"
    backend.write_text(backend.read_text().replace("import os, zipfile", "import os, zipfile, pbr"))
    upstream.release("1.1")
    assert task.run(wish | {"revision": "v1.1"}) == 68
    assert task.said.rstrip().splitlines()[-1].endswith("ModuleNotFoundError: No module named 'pbr'"), task.said
    assert "source: source_build_failed: greet v1.1 (" in task.said
    assert task.run(wish | {"revision": "v1.0"}, requirements=["certainly-not-there"]) == 68
    assert "No matching distribution found for certainly-not-there" in task.said.rstrip().splitlines()[-1]
    assert task.run(wish | {"revision": "v1.0"}, python="python3.99") == 68
    assert "source: source_python: the admin node has no python3.99" in task.said
    assert task.built == []


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A folder that every user may see: what is hidden in it is hidden by the build's mounts only."""
    place = Path(f"/var/tmp/crowbar-apart-{os.getpid()}")
    place.mkdir()
    place.chmod(0o755)
    yield place
    apart.remove(place)


def test_a_build_is_apart(open_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream, task = lab(open_place)
    keys, outside = open_place / "keys", open_place / "open"
    for folder, mode in ((keys, 0o755), (outside, 0o777)):
        folder.mkdir()
        folder.chmod(mode)
    task.store.chmod(0o755)
    (keys / "site").write_text("the secret")
    monkeypatch.setenv("SECRET_OF_THE_ENGINE", "x")
    evil = EVIL.format(store=str(task.store), keys=str(keys), secret=str(keys / "site"), pid=os.getpid(), outside=str(outside / "evil"))
    upstream.release("1.0", evil__py=evil)
    assert task.run({"repository": upstream.url, "revision": "v1.0"}) == 68
    said = next(line for line in task.said.splitlines() if "error: said" in line)
    for what in (
        "store []",
        "keys []",
        "secret FileNotFoundError",
        "engine ProcessLookupError",
        "environment []",
        "write OSError",
        "etc OSError",
        "root PermissionError",
        "others True",
    ):
        assert what in said, said
    assert list(outside.iterdir()) == []
    assert task.built == []


MANY = """
import os, time
for depth in range(1200):
    os.mkdir("d")
    os.chdir("d")
    if depth < 60:
        open("file", "wb").write(b"x" * 50_000)
os.chmod(".", 0)
time.sleep(600)
"""


def test_many_files_do_not_fill_the_disk(open_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = open_place / "work"  # pytest cannot remove so deep a folder from its own place
    work.mkdir()

    def run() -> int:
        with (open_place / "said").open("wb") as said:
            return apart.run(["python3", "-c", MANY], work, [], limit_s=PATIENCE_S, output=said.fileno(), network=False)

    monkeypatch.setattr(apart, "LARGEST_WORK", 2_000_000)
    with pytest.raises(SourceError, match="uses more than 1 MiB of disk"):
        run()
    apart.remove(work)
    assert not work.exists(), "deeper than shutil.rmtree goes"
    work.mkdir()
    monkeypatch.setattr(apart, "LEAST_FREE", 1 << 60)
    with pytest.raises(SourceError, match="MiB free"):
        run()


def test_two_at_once_build_once(tmp_path: Path) -> None:
    upstream, task = lab(tmp_path)
    (tmp_path / "other").mkdir()
    other = Task(tmp_path / "other")
    upstream.release("1.0")
    wish = {"repository": upstream.url, "revision": "v1.0"}
    other.name, other.sources = "second", task.sources
    (other.folder / "task/task.json").write_text('{"role": "second-wheels"}')
    runs = []
    for one in (task, other):
        one.attributes(wish)
        runs.append(
            subprocess.Popen(
                one.command("run"), cwd=one.folder / "task", env=one.environment("run"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        )
    for run in runs:
        run.communicate(timeout=PATIENCE_S)
    assert task.run(wish) == other.run(wish) == 0, task.said + other.said
    assert task.gives[0]["key"] == other.gives[0]["key"]
    logs = "".join((task.sources / f".log-{name}").read_text() for name in ("greet", "second"))
    assert len(task.built) == 1
    assert logs.count("Successfully built greet") <= 1


def test_a_killed_build_leaves_nothing_half(tmp_path: Path) -> None:
    upstream, task = lab(tmp_path)
    upstream.release("1.0")
    wish = {"repository": upstream.url, "revision": "v1.0"}
    task.attributes(wish)
    first = subprocess.Popen(task.command("run"), cwd=task.folder / "task", env=task.environment("run"), stdout=subprocess.DEVNULL)
    end = time.monotonic() + PATIENCE_S
    while not (work := list(task.sources.glob(".work-*/venv"))):
        assert time.monotonic() < end
        time.sleep(0.02)
    victim = next(
        int(one.name)
        for one in Path("/proc").iterdir()
        if one.name.isdecimal() and _command(one).endswith(["engine.sources", "work"]) and str(task.sources) in _open(one)
    )
    os.kill(victim, signal.SIGKILL)
    assert first.wait(timeout=PATIENCE_S) in (68, 128), "the script sees it at once"
    assert task.built == []
    assert task.run(wish) == 0, task.said
    assert len(task.built) == 1
    assert not work[0].exists(), "the next build removes what the killed one left"


class _Words(list[str]):
    def endswith(self, words: list[str]) -> bool:
        return self[-len(words) :] == words


def _command(process: Path) -> _Words:
    try:
        return _Words((process / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0"))
    except OSError:
        return _Words()


def _open(process: Path) -> str:
    try:
        return " ".join(os.readlink(one) for one in (process / "fd").iterdir())
    except OSError:
        return ""


def test_constraints_of_another_repository(tmp_path: Path) -> None:
    upstream, task = lab(tmp_path)
    upstream.release("1.0", upper__txt="greet===1.0\n")
    limits = {"repository": upstream.url, "revision": "v1.0", "path": "upper.txt"}
    wish = {"repository": upstream.url, "revision": "v1.0", "constraints": limits}
    assert task.run(wish) == 0, task.said
    (row,) = task.gives
    assert row["source"] == wish
    assert task.run(wish | {"constraints": limits | {"path": "no.txt"}}) == 68
    assert "source_no_revision" in task.said
    upstream.release("1.1", upper__txt="greet===9\n")
    assert task.run(wish | {"constraints": limits | {"revision": "v1.1"}}) == 68
    assert "source_build_failed" in task.said


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be another user")
def test_an_engine_without_root_builds_too(tmp_path: Path) -> None:
    """With a user namespace. The Python is the system's, because another user may not see the one of the tests."""
    import msgspec

    place = Path(f"/var/tmp/crowbar-test-{os.getpid()}")
    place.mkdir()
    try:
        upstream, task = lab(place)
        upstream.release("1.0")
        task.attributes({"repository": upstream.url, "revision": "v1.0"})
        for path in (place, *place.rglob("*")):
            os.chown(path, 12345, 12345, follow_symlinks=False)
        site = str(Path(msgspec.__file__).parents[1])
        environment = task.environment("run")
        environment["PYTHONPATH"] += f":{site}"
        words = ["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "/usr/bin/python3", *task.command("run")[1:]]
        probe = subprocess.run(
            [*words[:4], "/usr/bin/python3", "-c", "import msgspec, yaml"], env=environment, capture_output=True, check=False
        )
        if probe.returncode != 0:
            pytest.skip("the system's Python does not take the modules of the tests")
        code = 128
        while code == 128:
            done = subprocess.run(
                words, cwd=task.folder / "task", env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
            )
            code = done.returncode
        assert code == 0, done.stdout + done.stderr
        assert len(task.built) == 1
    finally:
        shutil.rmtree(place)
