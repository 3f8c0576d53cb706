"""A process without room for an engine says so in one sentence before it begins: real limits of the system, and faked control groups."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.process.room import FILES, MEMORY, ran_out, tight

ROOT = Path(__file__).parents[2]
FEW = (
    resource.RLIMIT_NOFILE,
    64,
    "this process may open 64 files, and an engine needs 512: raise the limit (ulimit -n 512; systemd: LimitNOFILE=)",
)
LITTLE = [
    (
        resource.RLIMIT_AS,
        60 << 20,
        "this process may use 60 MiB of addresses, and an engine needs 2048 MiB: raise the limit (ulimit -v unlimited)",
    ),
    (
        resource.RLIMIT_AS,
        500 << 20,
        "this process may use 500 MiB of addresses, and an engine needs 2048 MiB: raise the limit (ulimit -v unlimited)",
    ),
    (
        resource.RLIMIT_DATA,
        40 << 20,
        "this process may use 40 MiB of data, and an engine needs 512 MiB: raise the limit (ulimit -d unlimited)",
    ),
]
COMMANDS = {"engine": ["engine"], "rehearse": ["rehearse", "--nodes", "1", "--headless"], "setup": ["setup"]}


def command(store: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "crowbar_tui.cli", "--store", str(store), *words]


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize(("what", "most", "sentence"), [FEW, *LITTLE], ids=["files", "tiny", "addresses", "data"])
def test_without_room_a_command_says_so_at_the_start(tmp_path: Path, words: list[str], what: int, most: int, sentence: str) -> None:
    done = subprocess.run(
        command(tmp_path / "store", *words),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(what, (most, most)),
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"crowbar: {sentence}\n")
    assert not list(tmp_path.iterdir()), "nothing was begun"


def test_so_does_the_console(tmp_path: Path) -> None:
    here, there = pty.openpty()
    what, most, sentence = FEW
    process = subprocess.Popen(
        command(tmp_path / "store"),
        stdin=there,
        stdout=there,
        stderr=there,
        cwd=ROOT,
        preexec_fn=lambda: resource.setrlimit(what, (most, most)),
    )
    os.close(there)
    said = b""
    with contextlib.suppress(OSError):  # the terminal's other end is closed
        while piece := os.read(here, 4096):
            said += piece
    os.close(here)
    assert process.wait(60) == 2
    assert said.decode().split("\r\n") == [f"crowbar: {sentence}", ""]


def test_a_soft_limit_is_raised(tmp_path: Path) -> None:
    """The usual soft limit is 1,024, and nobody wants to hear of it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FILES:
        pytest.skip(f"the hard limit is {hard}")
    program = "import resource; from engine.process.room import tight; print(repr(tight()), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)),
    )
    why, soft = done.stdout.split()
    assert why == "''"
    assert int(soft) >= FILES


# -- memory --------------------------------------------------------------------------------------------------------


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A machine with enough memory, and no control groups."""
    folder = tmp_path / "proc"
    (folder / "self").mkdir(parents=True)
    (folder / "meminfo").write_text("MemTotal: 16000000 kB\nMemAvailable:   8000000 kB\n")
    (folder / "self" / "cgroup").write_text("0::/\n")
    return folder


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"memory.{name}").write_text(text)


def test_a_machine_without_memory(proc: Path, tmp_path: Path) -> None:
    assert tight(proc, tmp_path) == ""
    (proc / "meminfo").write_text("MemTotal: 200000 kB\nMemAvailable:   102400 kB\n")
    assert tight(proc, tmp_path) == (
        "this machine has 100 MiB of memory left, and an engine needs 192 MiB: stop other programs, or give it more memory"
    )


def test_the_least_limit_on_the_way_to_the_root_counts(proc: Path, tmp_path: Path) -> None:
    (proc / "self" / "cgroup").write_text("0::/system.slice/crowbar.service\n")
    group(tmp_path / "system.slice" / "crowbar.service", max="max", current=str(1 << 20))
    group(tmp_path / "system.slice", max=str(256 << 20), current=str(128 << 20), stat="anon 1\nactive_file 10485760\n")
    assert tight(proc, tmp_path).startswith("the control group of this process has 138 MiB of memory left")
    group(tmp_path / "system.slice", max=str(1 << 30))
    assert tight(proc, tmp_path) == ""


def test_the_first_version_of_control_groups(proc: Path, tmp_path: Path) -> None:
    (proc / "self" / "cgroup").write_text("9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n")
    group(tmp_path / "memory" / "a" / "b", limit_in_bytes=str(64 << 20), usage_in_bytes="0", stat="total_active_file 0\n")
    assert tight(proc, tmp_path).startswith("the control group of this process has 64 MiB of memory left")
    group(tmp_path / "memory" / "a" / "b", limit_in_bytes="9223372036854771712")
    assert tight(proc, tmp_path) == ""


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A real control group with less memory than an engine needs."""
    line = next((one for one in Path("/proc/self/cgroup").read_text().splitlines() if one.split(":")[1] in ("memory", "")), "0::/")
    _, kinds, path = line.split(":", 2)
    base = Path("/sys/fs/cgroup", *(["memory"] if kinds else []), path.lstrip("/"))
    folder = base / f"crowbar-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / ("memory.limit_in_bytes" if kinds else "memory.max")).write_text(str(MEMORY // 2))
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        pytest.skip(f"this process may make no control group with a limit of memory ({error})")
    yield folder
    end = time.monotonic() + 60
    while folder.exists():  # the kernel lets go of the last process a moment later
        with contextlib.suppress(OSError):
            folder.rmdir()
        assert time.monotonic() < end


def test_a_real_control_group(small_group: Path, tmp_path: Path) -> None:
    words = ["sh", "-c", 'echo $$ >"$0"/cgroup.procs && exec "$@"', str(small_group), *command(tmp_path / "store", "engine")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("crowbar: the control group of this process has ")
    assert done.stderr.endswith("MiB of memory left, and an engine needs 192 MiB: stop other programs, or give it more memory\n")


# -- a limit that is met all the same ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "begins"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "there are no free files"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "there is not enough memory"),
        (MemoryError(), "there is not enough memory"),
        (RuntimeError("can't start new thread"), "no further thread can start"),
        (OSError(errno.EIO, "of a disk"), ""),
        (RuntimeError("a defect"), ""),
    ],
)
def test_what_ran_out_is_told(error: BaseException, begins: str) -> None:
    assert ran_out(error).startswith(begins)
    assert bool(ran_out(error)) == bool(begins)
