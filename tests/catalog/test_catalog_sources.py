"""What can be handed over: folders and revisions in git. Everything else is refused with what was seen and what to do."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from clamp_rig import barclamp, folder

from engine.api.barclamps import BarclampError, check, from_git, from_path, import_source, imports
from engine.files.clamps.content import MAX_BYTES, digest


def refused(path: Path) -> str:
    with pytest.raises(BarclampError) as caught:
        from_path(path)
    return str(caught.value).replace(str(path), "IT")


def test_what_is_no_barclamp_is_told(tmp_path: Path) -> None:
    assert refused(tmp_path / "none") == "cannot read IT: No such file or directory; name a folder of barclamps or an archive"
    (tmp_path / "empty").mkdir()
    assert (
        refused(tmp_path / "empty")
        == "there is no barclamp in IT: expected barclamp.yml in it or in one of its folders, and it has nothing"
    )
    for name in "abcdefgh":
        (tmp_path / "other" / name).mkdir(parents=True)
    assert refused(tmp_path / "other").endswith("in one of its folders, and it has a, b, c, d, e, f and 2 more")
    (tmp_path / "file.yml").write_text("barclamp: {}\n")
    assert refused(tmp_path / "file.yml").startswith("file.yml is a file, and not a tar: hand over the folder of a barclamp")
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == "IT is neither a folder nor a file: name a folder of barclamps or an archive"


def test_a_folder_that_is_nearly_a_barclamp_is_named(tmp_path: Path) -> None:
    folder(tmp_path / "clamps", barclamp())
    (tmp_path / "clamps/db").mkdir()
    (tmp_path / "clamps/db/barclamp.yaml").write_text("")
    assert refused(tmp_path / "clamps") == "IT/db has barclamp.yaml, and no barclamp.yml: rename it"
    (tmp_path / "clamps/db/barclamp.yaml").unlink()
    (tmp_path / "clamps/db/roles").mkdir()
    assert refused(tmp_path / "clamps") == "IT/db has the folder roles, and no barclamp.yml: write one, or move the folder away"


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    place = folder(tmp_path / "clamps", barclamp())
    odd = place / "odd"
    odd.symlink_to("/etc/passwd")
    assert refused(place) == "IT/odd is a link: a barclamp has plain files only, so put a file there"
    odd.unlink()
    os.mkfifo(odd)
    assert refused(place) == "IT/odd is a pipe: a barclamp has plain files only, so put a file there"
    odd.unlink()
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(odd))
        assert refused(place) == "IT/odd is a socket: a barclamp has plain files only, so put a file there"
    odd.unlink()
    odd.symlink_to(tmp_path)
    assert refused(place).startswith("IT/odd is a link"), "a link to a folder is not walked"
    odd.unlink()
    odd.write_text("")
    odd.chmod(0o4755)
    assert refused(place) == "IT: 'odd' has a setuid, setgid or sticky bit (mode 4755); nothing was written"


def test_one_barclamp_or_a_folder_of_them(tmp_path: Path) -> None:
    web = folder(tmp_path / "clamps", barclamp())
    folder(tmp_path / "clamps", barclamp("db"), "db")
    (tmp_path / "clamps/README.md").write_text("not a barclamp")
    (tmp_path / "clamps/docs").mkdir()
    assert list(from_path(tmp_path / "clamps").barclamps) == ["db", "web"]
    assert list(from_path(web).barclamps) == ["web"]
    assert {"web-role", "db-role"} <= check(tmp_path / "store", from_path(tmp_path / "clamps")).roles.keys()


def test_a_folder_is_bounded_like_an_archive(tmp_path: Path) -> None:
    web = folder(tmp_path / "clamps", barclamp())
    with (web / "zeros").open("wb") as large:
        large.truncate(MAX_BYTES + 1)
    assert refused(web) == f"IT: 'zeros' makes it larger than {MAX_BYTES} bytes; nothing was written"
    (web / "zeros").unlink()
    for i in range(5):
        with (folder(tmp_path / "clamps", barclamp(f"w{i}"), f"w{i}") / "zeros").open("wb") as large:
            large.truncate(MAX_BYTES - 1000)
    assert refused(web.parent) == f"the barclamps in IT have more than {4 * MAX_BYTES} bytes: hand over fewer at a time"


# -- git -----------------------------------------------------------------------------------------------------------


def git(place: Path, *words: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.net", "-c", "commit.gpgsign=false"]
    environment = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(["git", *who, *words], cwd=place, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture()
def repository(tmp_path: Path) -> Path:
    """Two commits: `web` of version 1 with the tag v1, and of version 2; and a folder `more` with `db`."""
    place = tmp_path / "clamps"
    folder(place, barclamp())
    folder(place / "more", barclamp("db"), "db")
    git(place, "init", "--quiet", "--initial-branch=main")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "-m", "one")
    git(place, "tag", "v1")
    folder(place, barclamp(version="2"))
    git(place, "commit", "--quiet", "-am", "two")
    (place / "web/barclamp.yml").write_text("not committed")
    return place


def test_a_revision_is_imported_and_not_the_working_tree(tmp_path: Path, repository: Path) -> None:
    store = tmp_path / "store"
    import_source(store, from_git(repository, "v1"))
    import_source(store, from_git(repository, "main"))
    assert [(one.name, one.version, one.origin) for one in imports(store)] == [
        ("web", "1", f"git {repository} at {git(repository, 'rev-parse', 'v1')}"),
        ("web", "2", f"git {repository} at {git(repository, 'rev-parse', 'main')}"),
    ]
    assert list(from_git(repository / "more", "main~1").barclamps) == ["db"]
    assert digest(from_git(repository / "web", "v1").barclamps["web"]) == imports(store)[0].sha256


def test_a_revision_that_is_none(tmp_path: Path, repository: Path) -> None:
    for revision, said in (
        ("v9", f"{repository} has no commit v9: git -C {repository} log --oneline --all lists them"),
        ("--output=/tmp/evil", "'--output=/tmp/evil' cannot be a revision: name a commit, a tag or a branch, which does not begin with -"),
        ("v1 v2", "'v1 v2' cannot be a revision: name a commit, a tag or a branch, which does not begin with -"),
        ("", "'' cannot be a revision: name a commit, a tag or a branch, which does not begin with -"),
    ):
        with pytest.raises(BarclampError) as caught:
            from_git(repository, revision)
        assert str(caught.value) == said
    (tmp_path / "plain").mkdir()
    with pytest.raises(BarclampError, match="git in .*: fatal: not a git repository"):
        from_git(tmp_path / "plain", "main")
    with pytest.raises(BarclampError, match="is not a folder: name a git repository"):
        from_git(tmp_path / "none", "main")


def test_nothing_that_the_repository_names_is_run(tmp_path: Path, repository: Path) -> None:
    """Filters, hooks, a monitor, a format of archives and a remote for missing objects: each would leave a file."""
    ran = tmp_path / "ran"
    evil = f"touch {ran}"
    for key, value in (
        ("filter.evil.smudge", f"{evil}; cat"),
        ("filter.evil.process", evil),
        ("filter.evil.required", "true"),
        ("core.fsmonitor", evil),
        ("core.sshCommand", evil),
        ("core.pager", evil),
        ("tar.tar.command", evil),
        ("uploadpack.packObjectsHook", evil),
        ("diff.evil.textconv", evil),
    ):
        git(repository, "config", key, value)
    for name in ("post-checkout", "pre-commit", "post-index-change", "reference-transaction"):
        hook = repository / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{evil}\n")
        hook.chmod(0o755)
    (repository / ".git/info").mkdir(exist_ok=True)
    (repository / ".git/info/attributes").write_text("* filter=evil diff=evil\n")
    assert list(from_git(repository, "main").barclamps) == ["web"]
    assert not ran.exists()
    git(repository, "config", "--unset", "filter.evil.process")
    subprocess.run(["git", "archive", "--format=tar", "--worktree-attributes", "v1"], cwd=repository, capture_output=True, check=False)
    assert ran.exists(), "the filter is one that git itself would run"


def test_a_link_in_a_revision_is_refused(tmp_path: Path, repository: Path) -> None:
    (repository / "web/evil").symlink_to("/etc/passwd")
    git(repository, "add", "web/evil")
    git(repository, "commit", "--quiet", "-m", "evil")
    with pytest.raises(BarclampError, match="'web/evil' is a link to '/etc/passwd'"):
        from_git(repository, "main")
