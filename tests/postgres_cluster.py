"""A PostgreSQL cluster of a test's own: made in a temporary folder, reached by a socket there, and ended with the test's process.

PostgreSQL refuses to run as root; then it runs as the user of Debian's package, or as nobody. Role `crowbar` needs no password, and role
`guarded` needs one.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PASSWORD = "correct-horse-battery"
PATIENCE_S = 60.0
HBA = "local all guarded scram-sha-256\nlocal all all trust\nlocal replication all trust\n"


def missing() -> str:
    """Why there can be none. Empty: there can."""
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "missing: psycopg (pip install crowbar-tui[postgres])"
    return "" if _programs() is not None else "missing: PostgreSQL (apt install postgresql)"


def _programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    if found:
        return found[-1].parent
    other = shutil.which("initdb")
    return Path(other).resolve().parent if other else None


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        programs = _programs()
        assert programs is not None
        self._programs = programs
        self._as = {} if os.getuid() else {"user": _user(), "group": pwd.getpwnam(_user()).pw_gid, "extra_groups": []}
        if self._as:
            os.chown(folder, pwd.getpwnam(_user()).pw_uid, pwd.getpwnam(_user()).pw_gid)
        self._made = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb",
            "-D",
            folder / "data",
            "-U",
            "crowbar",
            "-A",
            "trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        )
        hba = folder / "data" / "pg_hba.conf"
        hba.write_text(HBA)

    def _run(self, program: str, *words: object) -> None:
        ran = subprocess.run(
            [self._programs / program, *map(str, words)], capture_output=True, text=True, cwd=self.folder, env=_ENV, **self._as
        )
        assert ran.returncode == 0, ran.stderr

    def start(self, *settings: str) -> None:
        words = [word for one in ("listen_addresses=", f"unix_socket_directories={self.folder}", *settings) for word in ("-c", one)]
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", *words],
                stdout=log, stderr=log, cwd=self.folder, env=_ENV, preexec_fn=_end_with_parent, **self._as,
            )  # fmt: skip
        end = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.name("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def name(self, database: str, user: str = "crowbar") -> str:
        return f"postgresql:///{database}?host={self.folder}&user={user}"

    def new(self, encoding: str = "UTF8") -> str:
        """The name of a new, empty database."""
        import psycopg

        self._made += 1
        database = f"store{self._made}"
        with psycopg.connect(self.name("postgres"), autocommit=True) as db:
            db.execute(f"CREATE DATABASE {database} TEMPLATE template0 ENCODING '{encoding}'")
        return self.name(database)

    def kill(self) -> None:
        """All of it at once, as a machine that loses power would end it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE_S)
        self._process = None

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # fast: connections are ended
            self._process.wait(PATIENCE_S)
            self._process = None


@contextlib.contextmanager
def cluster(parent: str | None = "/dev/shm") -> Iterator[Cluster]:
    """One that runs, in a folder of `parent`. That has a short name: the path of a socket has 107 octets at most."""
    with tempfile.TemporaryDirectory(prefix="crowbar-pg-", dir=parent if parent and os.access(parent, os.W_OK) else None) as folder:
        made = Cluster(Path(folder))
        made.start()
        try:
            yield made
        finally:
            made.stop()


def _user() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


_ENV = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
_LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
