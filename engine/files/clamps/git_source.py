"""The barclamps of one revision in a git repository on this machine.

Traps. The configuration of a repository can name programs: filters, hooks, formats of archives, a remote from which missing objects are
fetched. So `git archive` runs in an empty repository that only borrows the objects. In the other one only names are resolved. No
configuration of the user or the system is read, and no network is used.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path

from .content import BarclampError, Files
from .sources import Source, of_archive
from .tarball import read_stream

_REVISION = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9._/@{}^~+-]{0,199}")
_TIMEOUT_S = 60.0
_WORDS = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never", "-c", "safe.directory=*")
"""`safe.directory`: a repository of another user is fine, because nothing that its configuration names is run."""


def from_git(folder: Path, revision: str) -> Source:
    """The barclamps of a revision. `folder` lies in a working tree, or is a bare repository. Raises BarclampError."""
    if not _REVISION.fullmatch(revision):
        raise BarclampError(f"{revision[:60]!r} cannot be a revision: name a commit, a tag or a branch, which does not begin with -")
    if not folder.is_dir():
        raise BarclampError(f"{folder} is not a folder: name a git repository")
    commit = _ask(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if not commit:
        raise BarclampError(f"{folder} has no commit {revision}: git -C {folder} log --oneline --all lists them")
    prefix = _ask(folder, "rev-parse", "--show-prefix").rstrip("/")
    objects = (folder / _ask(folder, "rev-parse", "--git-path", "objects")).resolve()
    with tempfile.TemporaryDirectory(prefix="crowbar-git-") as made:
        lender = Path(made) / "lender.git"
        _ask(Path(made), "init", "--quiet", "--bare", "--template=", f"--object-format={_format(commit)}", str(lender))
        (lender / "objects" / "info").mkdir(parents=True, exist_ok=True)
        (lender / "objects" / "info" / "alternates").write_text(f"{objects}\n", encoding="utf-8")
        name = f"{folder.name}-{commit[:12]}"
        files = _archive(lender, f"{commit}:{prefix}" if prefix else commit, name)
    return of_archive(files, f"git {folder} at {commit}", name)


def _format(commit: str) -> str:
    return "sha256" if len(commit) == 64 else "sha1"


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return kept | {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_ATTR_NOSYSTEM": "1",
    }


def _ask(folder: Path, *words: str) -> str:
    """The first line that git answers. Empty if it only says no. Raises BarclampError."""
    try:
        done = subprocess.run(
            ["git", *_WORDS, *words],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        raise BarclampError("git is not installed: install it, or hand over a folder or an archive") from None
    except subprocess.TimeoutExpired:
        raise BarclampError(f"git did not answer within {_TIMEOUT_S:.0f} s: check {folder}") from None
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if done.returncode != 0 and said:
        raise BarclampError(f"git in {folder}: {said[0][:200]}")
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else ""


def _archive(lender: Path, tree: str, name: str) -> Files:
    with subprocess.Popen(
        ["git", *_WORDS, f"--git-dir={lender}", "archive", "--format=tar", tree],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            return read_stream(process.stdout, name)
        except BarclampError as error:
            process.kill()
            said = process.stderr.read(2000).decode("utf-8", "replace").strip().splitlines()
            raise BarclampError(f"git archive: {said[0][:200]}" if said else str(error)) from error
