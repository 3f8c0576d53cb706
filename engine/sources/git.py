"""Mirrors of git repositories. Nothing that a repository brings is run here: there are no hooks, filters, submodules or templates.

* Only the transports in TRANSPORTS work, whatever a URL says or a server redirects to: `ext::` would run a program.
* No configuration of the user or the system counts, except the proxy in the environment of the engine. SSH asks nobody for anything, and
  needs a known host.
* One process at a time works on a mirror. Killed in the middle, git leaves objects that no ref names; the next fetch goes on.
* A repository may have LARGEST octets in one pack, and FETCH_S seconds to come.

Which commit a revision means: a whole commit; then a tag, or a branch of an opened bundle; then a branch of the repository, which is
asked each time. If it does not answer, the branch of the last fetch counts.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import resource
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

from . import SourceError
from .wish import Origin

TRANSPORTS = ("https", "http", "git", "ssh", "file")
FETCH_S = 1800.0
CALL_S = 600.0
LARGEST = 8 << 30
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_SHORT = re.compile(r"[0-9a-f]{7,64}")
_WORDS = ["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never", "-c", "gc.auto=0"]
_WORDS += ["-c", "maintenance.auto=false", "-c", "fetch.recurseSubmodules=false", "-c", "core.askPass=true", "-c", "safe.directory=*"]
_WORDS += [word for name in TRANSPORTS for word in ("-c", f"protocol.{name}.allow=always")]
_PROXY = ("http_proxy", "https_proxy", "no_proxy", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSH_AUTH_SOCK", "HOME")


class Mirror:
    """The mirror of a repository in `folder`, while this process works on it. Making it raises SourceError and OSError."""

    def __init__(self, folder: Path, origin: Origin) -> None:
        self._origin = origin
        self._bundle = folder / f"{origin.id}.bundle"
        self.path = folder / f"{origin.id}.git"
        self.note = ""
        """A sentence if the repository did not answer, and the commit of an earlier fetch counts."""
        if not (self.path / "HEAD").is_file():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._git("init", "--quiet", "--bare", "--template=")
        self._take_bundle()

    def commit(self, *, ask: bool = True) -> str:
        """The commit of the revision, in hexadecimal. `ask`: the repository may be fetched. Raises SourceError."""
        revision = self._origin.revision
        fixed = [f"refs/tags/{revision}", f"refs/bundle/{revision}"]
        if found := self._known([revision] if _COMMIT.fullmatch(revision) else fixed):
            return found
        why = self._fetch() if ask else None
        asked = f"{self._origin.repository} {self._origin.revision}"
        short = [revision] if _SHORT.fullmatch(revision) else []
        found = self._known([*fixed, f"refs/heads/{revision}", f"refs/named/{revision}", *short])
        if found and why is not None:
            self.note = f"{why}; the commit of the last fetch counts: {found}"
        if found:
            return found
        raise why or SourceError("source_no_revision", f"{asked}: there is no such tag, branch or commit")

    def time_of(self, commit: str) -> int:
        """When it was committed, in seconds since 1970."""
        return int(self._git("show", "--no-patch", "--no-show-signature", "--format=%ct", commit).strip() or 0)

    def file_of(self, commit: str, path: str, most: int = 1 << 20) -> bytes:
        """A file's content. Raises SourceError."""
        try:
            data = self._git("cat-file", "blob", f"{commit}:{path}")
        except SourceError:
            raise SourceError("source_no_revision", f"{self._origin.repository} has no file {path} in {commit[:12]}") from None
        if len(data) > most:
            raise SourceError("source_build_failed", f"{path} of {self._origin.repository} has more than {most} bytes")
        return data.encode()

    def check_out(self, commit: str, into: Path) -> None:
        """A working tree with the history that versions are made from. `into` does not exist yet."""
        self._git("clone", "--quiet", "--no-hardlinks", "--no-checkout", "--template=", str(self.path), str(into), where=into.parent)
        self._git("fetch", "--quiet", "--no-write-fetch-head", str(self.path), commit, where=into)
        self._git("checkout", "--quiet", "--detach", "--force", commit, where=into)

    def pack(self, commits: Mapping[str, str], into: Path) -> None:
        """Writes a git bundle with these revisions (revision -> commit), and the tags before them. The same history gives the same bytes
        with the same git."""
        small = into.with_suffix(".small")
        small.mkdir()
        self._git("init", "--quiet", "--bare", "--template=", where=small)
        specs = set()
        for number, (revision, commit) in enumerate(sorted(commits.items())):
            tagged = self._known([f"refs/tags/{revision}"])
            if not tagged:
                self._git("update-ref", f"refs/packed/{number}", commit)
                specs.add(f"+refs/packed/{number}:refs/heads/{revision}")
            tags = self._git("for-each-ref", f"--merged={commit}", "--format=%(refname)", "refs/tags").split()
            specs |= {f"+{one}:{one}" for one in (*tags, *([f"refs/tags/{revision}"] if tagged else []))}
        self._git("fetch", "--quiet", "--no-tags", str(self.path), *sorted(specs), where=small)
        self._git("-c", "pack.threads=1", "repack", "-a", "-d", "-F", "-q", where=small)
        self._git("-c", "pack.threads=1", "bundle", "create", "--quiet", str(into.absolute()), "--all", where=small)

    def _take_bundle(self) -> None:
        """What an opened bundle brought becomes part of the mirror, once."""
        mark = self.path / "bundle-taken"
        try:
            about = self._bundle.stat()
        except FileNotFoundError:
            return
        now = f"{about.st_size} {about.st_mtime_ns} {about.st_ino}"
        if mark.is_file() and mark.read_text(encoding="ascii") == now:
            return
        self._git("fetch", "--quiet", "--no-tags", str(self._bundle), "+refs/heads/*:refs/bundle/*", "+refs/tags/*:refs/tags/*")
        mark.write_text(now, encoding="ascii")

    def _fetch(self) -> SourceError | None:
        """Brings the mirror up to date. Why it could not."""
        url, revision = self._origin.repository, self._origin.revision
        try:
            fetch = ("fetch", "--quiet", "--no-tags", "--force", "--prune", "--end-of-options", url)
            self._git(*fetch, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", limit_s=FETCH_S)
            named = bool(_COMMIT.fullmatch(revision)) or revision.startswith("refs/")
            if named and not self._known([revision if _COMMIT.fullmatch(revision) else f"refs/named/{revision}"]):
                with contextlib.suppress(SourceError):  # many servers give no commit that no branch has
                    self._git(*fetch, f"+{revision}:refs/named/{revision}", limit_s=FETCH_S)
        except SourceError as error:
            return SourceError("source_unreachable", f"{url}: {error}")
        return None

    def _known(self, names: list[str]) -> str:
        for name in names:
            try:
                return self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
            except SourceError:
                continue
        return ""

    def _git(self, *words: str, where: Path | None = None, limit_s: float = CALL_S) -> str:
        """The output. Raises SourceError with git's first complaint."""
        try:
            done = subprocess.run(
                ["git", *_WORDS, *words],
                cwd=where or self.path,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=limit_s,
                check=False,
                preexec_fn=_bounded,
            )
        except subprocess.TimeoutExpired:
            raise SourceError("source_unreachable", f"git took more than {limit_s:.0f} s") from None
        except FileNotFoundError:
            raise SourceError("source_unreachable", "git is not installed on the admin node: apt install git") from None
        if done.returncode != 0:
            lines = [line.strip() for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
            says = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0] if lines else "git says nothing")
            raise SourceError("source_unreachable", says[:200])
        return done.stdout.decode("utf-8", "replace")


@contextlib.contextmanager
def mirror(folder: Path, origin: Origin) -> Iterator[Mirror]:
    """The mirror, which no other process changes meanwhile. Raises SourceError and OSError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / f".lock-{origin.id}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield Mirror(folder, origin)


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", *_PROXY) if name in os.environ}
    return kept | {
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes",
        "GIT_SSH_VARIANT": "ssh",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_HTTP_LOW_SPEED_LIMIT": "100",
        "GIT_HTTP_LOW_SPEED_TIME": "60",
    }
