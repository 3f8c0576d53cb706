"""Runs a build apart from the engine: what a repository brings is a program of a stranger.

| | an engine of root | an engine of another user, such as `crowbar` |
|---|---|---|
| user | `nobody`, without groups and capabilities | the engine's, inside a user namespace, without capabilities outside |
| processes | its own pid namespace: it sees and signals no others, and all end with it | the same |
| files | all but its own folder, which is its /tmp, is read-only; the hidden folders are empty | the same |
| environment | PATH, HOME=/tmp, the locale and a proxy without a password | the same |

Hidden are the store, the keys, and the homes. There is no fallback: where the system allows no namespaces, nothing is built.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from . import SourceError

NOBODY = 65534
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LARGEST_FILE = 4 << 30
LARGEST_WORK = 16 << 30
"""Octets on disk that a build may use."""
LEAST_FREE = 1 << 30
"""Octets that a build leaves free on its disk; and of its inodes, LEAST_INODES."""
LEAST_INODES = 10_000
LOOK_S = 2.0
_PROXY = ("http_proxy", "https_proxy", "no_proxy")
_INNER = r"""
set -eu
work=$1; shift
mount --make-rprivate /
mount --bind "$work" /tmp
# All is read-only, with the flags that each mount has: those from outside cannot be taken off.
while read -r _ _ _ _ place flags _; do
    place=$(printf '%b' "$place")
    case $place in
    /tmp | /tmp/* | /proc | /proc/* | /sys | /sys/* | /dev | /dev/*) ;;
    *) mount -o "remount,bind,ro,$(printf '%s' "$flags" | sed 's/^r[wo],*//; s/,r[wo]$//; s/,r[wo],/,/')" "$place" ;;
    esac
done </proc/self/mountinfo
mount -t proc proc /proc 2>/dev/null || :
while [ "$1" != -- ]; do
    [ ! -d "$1" ] || mount -t tmpfs -o size=4k,mode=755,ro tmpfs "$1"
    shift
done
shift
cd /tmp
"""
_AS_ROOT = (
    'exec setpriv --pdeathsig KILL --reuid=65534 --regid=65534 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"\n'
)
# Mounts that come from the outer user namespace cannot be taken off in the inner one (mount_namespaces(7)).
_AS_USER = (
    'exec unshare --user --map-user=65534 --mount -- setpriv --pdeathsig KILL --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"\n'
)


def run(
    words: Sequence[str], work: Path, hidden: Sequence[Path], *, limit_s: float, output: int, network: bool, more: Mapping[str, str] = {}
) -> int:
    """Runs a command in `work`, which it sees as /tmp. `output`: the file descriptor for what it prints; `more`: of its environment.
    Returns its exit code, or -1 after `limit_s` seconds. Raises SourceError if it takes too much of the disk."""
    root = os.geteuid() == 0
    if root:  # all of the folder becomes nobody's
        subprocess.run(["chown", "-hR", f"{NOBODY}:{NOBODY}", "--", str(work)], check=True)
    outer = ["unshare", *([] if root else ["--user", "--map-root-user"]), "--mount", "--pid", "--ipc", "--fork", "--kill-child"]
    outer += [] if network else ["--net"]
    # The limit holds inside too: a build whose caller was killed does not go on for ever.
    bounded = ["timeout", "--signal=KILL", str(int(limit_s) + 60), *words]
    places = [str(one) for one in (*hidden, Path("/root"), Path("/home"), Path("/run/user"))]
    script = _INNER + (_AS_ROOT if root else _AS_USER)
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *outer, "--", "sh", "-c", script, "apart", str(work), *places, "--", *bounded],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env=environment() | dict(more),
        cwd="/",
        preexec_fn=_bounded,
    )
    until = time.monotonic() + limit_s
    try:
        while (left := until - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(min(left, LOOK_S))
            _within(work)
        return -1
    finally:
        if process.poll() is None:
            process.kill()  # `unshare --kill-child` takes all with it
            process.wait()


def check(hidden: Sequence[Path], parent: Path) -> None:
    """Raises SourceError if this system cannot keep a build apart. `parent`: where folders for builds are made."""
    for tool in ("unshare", "setpriv", "mount"):
        if shutil.which(tool, path=PATH) is None:
            raise SourceError("source_not_apart", f"the program {tool} is missing on the admin node: apt install util-linux mount")
    with tempfile.TemporaryFile() as said, tempfile.TemporaryDirectory(prefix=".try-", dir=parent) as work:
        code = run(["true"], Path(work), hidden, limit_s=60, output=said.fileno(), network=True)
        if code != 0:
            said.seek(0)
            lines = said.read(4096).decode("utf-8", "replace").split("\n")
            raise SourceError("source_not_apart", f"the system refuses namespaces: {lines[0].strip()[:200] or f'exit code {code}'}")


def environment() -> dict[str, str]:
    """Of a build: nothing of the engine's environment but a proxy, and that only if it has no password."""
    proxies = {name: os.environ[name] for name in _PROXY if name in os.environ}
    kept = {name: value for name, value in proxies.items() if "@" not in value and not urlsplit(value).password}
    return kept | {"PATH": PATH, "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}


def remove(work: Path) -> None:
    """Removes the folder of a build, however deep a stranger made it (`shutil.rmtree` ends at Python's depth of calls), and whatever
    rights its folders have."""
    words = ["rm", "-rf", "--", str(work)]
    if subprocess.run(words, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        subprocess.run(["chmod", "-R", "u+rwX", "--", str(work)], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(words, stderr=subprocess.DEVNULL, check=False)


def _within(work: Path) -> None:
    """Raises SourceError if a build takes too much of the disk. What it deleted and holds open, or hides in a folder that nobody may read,
    is missing in its size, and counts for what is free."""
    about = os.statvfs(work)
    free = about.f_bavail * about.f_frsize
    if free < LEAST_FREE:
        raise SourceError("source_build_failed", f"the build was ended, because the disk of {work.parent} has only {free >> 20} MiB free")
    if about.f_files and about.f_favail < LEAST_INODES:
        inodes = about.f_favail
        raise SourceError("source_build_failed", f"the build was ended, because the disk of {work.parent} has only {inodes} inodes free")
    done = subprocess.run(["du", "-s", "--block-size=1", "--", str(work)], capture_output=True, text=True, check=False)
    size = done.stdout.partition("\t")[0]
    if size.isdecimal() and int(size) > LARGEST_WORK:
        raise SourceError("source_build_failed", f"the build was ended, because it uses more than {LARGEST_WORK >> 20} MiB of disk")


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
