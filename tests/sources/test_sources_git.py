"""Mirrors of real git repositories: which commit a revision means, what a repository that is away changes, and what never runs."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from source_lab import REPO, Upstream, git

from engine.sources import SourceError
from engine.sources.git import mirror
from engine.sources.wish import Origin

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is missing: apt install git")


@pytest.fixture
def upstream(tmp_path: Path) -> Upstream:
    return Upstream(tmp_path / "upstream")


def commit(folder: Path, url: str, revision: str, *, ask: bool = True) -> str:
    with mirror(folder / "sources", Origin(repository=url, revision=revision)) as one:
        return one.commit(ask=ask)


def refusal(folder: Path, url: str, revision: str) -> SourceError:
    with pytest.raises(SourceError) as refused:
        commit(folder, url, revision)
    return refused.value


def test_tags_branches_and_commits(upstream: Upstream, tmp_path: Path) -> None:
    first = upstream.release("1.0")
    assert commit(tmp_path, upstream.url, "v1.0") == commit(tmp_path, upstream.url, "main") == first
    second = upstream.release("2.0")
    assert commit(tmp_path, upstream.url, "v1.0") == first
    assert commit(tmp_path, upstream.url, "main") == second, "a branch is asked each time"
    assert commit(tmp_path, upstream.url, "v2.0") == commit(tmp_path, upstream.url, second) == second
    assert commit(tmp_path, upstream.url, second[:9]) == second
    git(upstream.folder, "update-ref", "refs/changes/12/3412/1", first)
    assert commit(tmp_path, upstream.url, "refs/changes/12/3412/1") == first


def test_a_revision_that_is_not_there(upstream: Upstream, tmp_path: Path) -> None:
    upstream.release("1.0")
    for revision in ("v9", "a" * 40, "refs/changes/1", "HEAD"):
        why = refusal(tmp_path, upstream.url, revision)
        assert (why.code, str(why)) == ("source_no_revision", f"{upstream.url} {revision}: there is no such tag, branch or commit")


def test_a_repository_that_is_away(upstream: Upstream, tmp_path: Path) -> None:
    first = upstream.release("1.0")
    why = refusal(tmp_path, f"file://{tmp_path}/nothing", "v1")
    assert why.code == "source_unreachable"
    assert "does not appear to be a git repository" in str(why) or "does not exist" in str(why)
    assert commit(tmp_path, upstream.url, "main") == first
    upstream.folder.rename(tmp_path / "away")
    assert commit(tmp_path, upstream.url, "v1.0") == first
    with mirror(tmp_path / "sources", Origin(repository=upstream.url, revision="main")) as one:
        assert one.commit() == first
        assert one.note.endswith(f"; the commit of the last fetch counts: {first}")
    assert refusal(tmp_path, upstream.url, "v2").code == "source_unreachable"


def test_a_bundle_comes_first(upstream: Upstream, tmp_path: Path) -> None:
    first = upstream.release("1.0")
    origin = Origin(repository=upstream.url, revision="main")
    made = []
    for name in ("a", "b"):
        with mirror(tmp_path / name / "sources", origin) as one:
            one.pack({"main": one.commit(), "v1.0": first}, tmp_path / f"{name}.bundle")
        made.append(hashlib.sha256((tmp_path / f"{name}.bundle").read_bytes()).hexdigest())
    assert made[0] == made[1], "the same history gives the same bytes"
    second = upstream.release("2.0")
    there = tmp_path / "there" / "sources"
    there.mkdir(parents=True)
    shutil.copy(tmp_path / "a.bundle", there / f"{origin.id}.bundle")
    assert commit(tmp_path / "there", upstream.url, "main") == first, "all nodes get the version of the bundle"
    assert commit(tmp_path / "there", upstream.url, "v2.0") == second, "what it lacks is asked for"
    upstream.folder.rename(tmp_path / "away")
    assert commit(tmp_path / "there", upstream.url, "v1.0", ask=False) == first


def test_nothing_of_a_repository_runs(upstream: Upstream, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (upstream.folder / ".gitattributes").write_text("* filter=evil\n")
    (upstream.folder / ".gitmodules").write_text(f'[submodule "x"]\n\tpath = x\n\turl = ext::touch {mark}\n')
    found = upstream.release("1.0")
    git(upstream.folder, "config", "filter.evil.smudge", f"touch {mark}")
    git(upstream.folder, "config", "core.fsmonitor", f"touch {mark}")
    for name in ("post-checkout", "post-update", "pre-auto-gc", "reference-transaction"):
        hook = upstream.folder / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    with mirror(tmp_path / "sources", Origin(repository=upstream.url, revision="v1.0")) as one:
        assert one.commit() == found
        one.check_out(found, tmp_path / "tree")
        assert one.file_of(found, "version") == b"1.0"
        with pytest.raises(SourceError, match="has no file nothing"):
            one.file_of(found, "nothing")
    assert (tmp_path / "tree/version").read_text() == "1.0"
    assert git(tmp_path / "tree", "describe", "--tags") == "v1.0", "versions are made from tags"
    assert not mark.exists()


def test_a_mirror_survives_a_kill_and_two_at_once(upstream: Upstream, tmp_path: Path) -> None:
    for number in range(3):
        upstream.release(f"{number}.0")
    words = "from engine.sources.git import mirror; from engine.sources.wish import Origin; from pathlib import Path; import sys\n"
    words += "with mirror(Path(sys.argv[1]), Origin(repository=sys.argv[2], revision='v2.0')) as one: print(one.commit())"
    command = [sys.executable, "-c", words, str(tmp_path / "sources"), upstream.url]
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    path = tmp_path / "sources" / f"{Origin(repository=upstream.url, revision='x').id}.git"
    stop = threading.Event()
    threading.Timer(60, stop.set).start()
    while not path.exists() and killed.poll() is None and not stop.is_set():
        pass
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=120)[0].strip() for one in both]
    assert said == [git(upstream.folder, "rev-parse", "HEAD")] * 2
