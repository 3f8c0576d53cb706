"""Whether the system gives this process room for an engine: open files and memory. Checked before anything large is loaded, because
afterwards every library fails in its own way.

An idle engine has 24 files open, 80 MiB in memory and 0.9 GiB of addresses (Python 3.11, 12 threads). Each thread takes 8 MiB of addresses
for its stack and up to 64 MiB for its allocator (malloc(3), M_ARENA_MAX); each agent's connection takes two files.
"""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

FILES = 512
WANTED_FILES = 8192 + 256
"""The HTTP service uses two files for each of its connections (`serve.http`)."""
ADDRESSES = 2 << 30
DATA = 512 << 20
MEMORY = 192 << 20
"""Least bytes: of addresses, of data, and of memory that is free for this process."""
CGROUPS = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60


def tight(proc: Path = Path("/proc"), cgroups: Path = CGROUPS) -> str:
    """Why an engine would not fit, in one sentence with advice. Empty: it fits. Raises the limits of this process as far as it may."""
    if (files := _raised(resource.RLIMIT_NOFILE, WANTED_FILES)) < FILES:
        return (
            f"this process may open {files} files, and an engine needs {FILES}: raise the limit (ulimit -n {FILES}; systemd: LimitNOFILE=)"
        )
    for what, least, word, option in (
        (resource.RLIMIT_AS, ADDRESSES, "addresses", "-v"),
        (resource.RLIMIT_DATA, DATA, "data", "-d"),
    ):
        if (most := _raised(what, least)) < least:
            needs = f"this process may use {_mib(most)} of {word}, and an engine needs {_mib(least)}"
            return f"{needs}: raise the limit (ulimit {option} unlimited)"
    free, whose = min((_free(proc), "this machine has"), (_of_group(proc, cgroups), "the control group of this process has"))
    if free < MEMORY:
        return f"{whose} {_mib(free)} of memory left, and an engine needs {_mib(MEMORY)}: stop other programs, or give it more memory"
    return ""


def ran_out(error: BaseException) -> str:
    """The same for a limit that was met all the same. Empty: the error is another one."""
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
        return f"there are no free files ({os.strerror(error.errno)}): raise the limit (ulimit -n; systemd: LimitNOFILE=)"
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return "there is not enough memory: raise the limit (ulimit -v, ulimit -d, the control group), or stop other programs"
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "no further thread can start: raise the limits of memory and processes (ulimit -v, ulimit -u; systemd: TasksMax=)"
    return ""


def _raised(what: int, wanted: int) -> int:
    """The limit, after it was raised to `wanted` if the hard one allows that."""
    soft, hard = (_NO_LIMIT if one == resource.RLIM_INFINITY else one for one in resource.getrlimit(what))
    if soft < wanted and soft < hard:
        soft = min(wanted, hard)
        resource.setrlimit(what, (soft, resource.RLIM_INFINITY if hard == _NO_LIMIT else hard))
    return soft


def _free(proc: Path) -> int:
    """Bytes that programs may still take on this machine (proc(5), MemAvailable)."""
    for line in _text(proc / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return _NO_LIMIT


def _of_group(proc: Path, cgroups: Path) -> int:
    """The least of the limits of this process's control groups (cgroups(7)), of either version; less what they use."""
    least = _NO_LIMIT
    for line in _text(proc / "self/cgroup").splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds == "":
            root, limit, used, total = cgroups, "memory.max", "memory.current", ""
        elif "memory" in kinds.split(","):
            root, limit, used, total = cgroups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_"
        else:
            continue
        group = root / path.lstrip("/")
        for folder in (group, *group.parents):
            if (most := _text(folder / limit)).isdecimal() and int(most) < _NO_LIMIT:
                counts = dict(line.split() for line in _text(folder / "memory.stat").splitlines())
                cached = sum(int(counts.get(f"{total}{kind}", 0)) for kind in _CACHED)
                least = min(least, max(int(most) - max(int(_text(folder / used) or 0) - cached, 0), 0))
            if folder == root:
                break
    return least


_CACHED = ("inactive_file", "active_file")
"""Of memory.stat: the kernel takes these back when a program needs memory."""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _mib(many: int) -> str:
    return f"{many >> 20} MiB"
