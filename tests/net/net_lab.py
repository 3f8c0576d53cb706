"""A little network that this machine makes for itself: a switch with the engine on it, and clients in namespaces of their own.

    namespace `server`: bridge `br0` 192.168.124.10 (engine)  <-- veth -->  namespace of each client, interface `c0`

As root, or without privilege where the system lets users make namespaces. Everything in it is started through `Lab.popen` or `Lab.run`, which
name the namespace; a namespace lives as long as its holder, a `cat` that ends when this process does. Nothing outlives `Lab.close`.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ADMIN = "192.168.124.10"
PATIENCE_S = 60.0


def unshare() -> list[str]:
    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]


def why_no_lab() -> str:
    """Why the network cannot be made here, in one sentence; empty: it can."""
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            return f"the program {program!r} is not installed"
    tried = subprocess.run(
        [*unshare(), "ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"], capture_output=True, text=True, check=False
    )
    return f"no network namespaces: {tried.stderr.strip()[:200]}" if tried.returncode else ""


def program(*names: str) -> str:
    """The path of the first of these that is installed, empty if none is."""
    for name in names:
        found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")
        if found:
            return found
    return ""


def plan_text(strangers: str = "lease", subnet: str = "192.168.124.0/24", dhcp: str = "192.168.124.21-192.168.124.80") -> str:
    return (
        f"crowbar: 1\nsite: {{name: lab, admin: {{address: {ADMIN}}}}}\n"
        f"networks: {{admin: {{subnet: {subnet}, ranges: {{dhcp: {dhcp}}}, strangers: {strangers}}}}}\n"
        "deployments: {}\n"
    )


class Lab:
    """`with Lab() as lab:`; the client namespaces are named by `names`, each with `c0` on the switch."""

    def __init__(self, *names: str, prefix: int = 24) -> None:
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._started: list[subprocess.Popen[Any]] = []
        try:
            self._keep("server", [*unshare(), "cat"])
            self.run("server", "ip", "link", "set", "lo", "up")
            self.run("server", "ip", "link", "add", "br0", "type", "bridge")
            self.run("server", "ip", "address", "add", f"{ADMIN}/{prefix}", "brd", "+", "dev", "br0")
            self.run("server", "ip", "link", "set", "br0", "up")
            for i, name in enumerate(names):
                self._keep(name, [*self._enter("server"), "unshare", "--net", "cat"])
                self.run(name, "ip", "link", "set", "lo", "up")
                self.cable(f"s{i}", name)
                self.run("server", "ip", "link", "set", f"s{i}", "master", "br0")
        except BaseException:
            self.close()
            raise

    def cable(self, link: str, name: str) -> None:
        """Makes the interface `link` of `server`, with a client's `c0` at its other end."""
        far = ("peer", "name", "c0", "netns", str(self._holders[name].pid))
        self.run("server", "ip", "link", "add", link, "type", "veth", *far)
        self.run("server", "ip", "link", "set", link, "up")
        self.run(name, "ip", "link", "set", "c0", "up")

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End what was started, then the namespaces."""
        for process in reversed(self._started):
            stop(process)
        for process in reversed(self._holders.values()):
            assert process.stdin is not None
            process.stdin.close()
            process.kill()
            process.wait()
        self._started, self._holders = [], {}

    def popen(self, where: str, *words: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a program in a namespace; it is ended with the lab."""
        process = subprocess.Popen([*self._enter(where), *words], **options)
        self._started.append(process)
        return process

    def run(
        self, where: str, *words: str, check: bool = True, timeout_s: float = PATIENCE_S, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run([*self._enter(where), *words], capture_output=True, text=True, timeout=timeout_s, check=False, **options)
        if check:
            assert done.returncode == 0, (words, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done

    def keep_namespace(self, name: str, link: str) -> None:
        """A further namespace, with an interface of `server` moved into it."""
        self._keep(name, [*self._enter("server"), "unshare", "--net", "cat"])
        self.run("server", "ip", "link", "set", link, "netns", str(self._holders[name].pid))

    def mac(self, where: str) -> str:
        return str(json.loads(self.run(where, "ip", "-j", "link", "show", "c0").stdout)[0]["address"])

    def _enter(self, where: str) -> list[str]:
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={self._holders[where].pid}", *user, "--net", "--"]

    def _keep(self, name: str, words: list[str]) -> None:
        here = os.readlink("/proc/self/ns/net")
        outer = os.readlink(f"/proc/{self._holders['server'].pid}/ns/net") if self._holders else here
        holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self._holders[name] = holder
        wait_for(lambda: _namespace(holder.pid) not in (here, outer, "") and _command(holder.pid) == "cat", f"the namespace {name}")


class EngineProcess:
    """The engine in the lab's server namespace (further `words` are arguments of `net_engine`); `ask` puts a word to it."""

    def __init__(self, lab: Lab, store: Path, plan: str, *words: str) -> None:
        file = store.parent / "plan.yml"
        file.write_text(plan, encoding="utf-8")
        self._errors = store.parent / "engine.err"
        with self._errors.open("ab") as errors:
            self.process = lab.popen(
                "server",
                sys.executable,
                str(HERE / "net_engine.py"),
                str(store),
                str(file),
                "br0",
                *words,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
            )
        assert self._line() == {"ready": True}

    def ask(self, word: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        return self._line()

    def stop(self) -> None:
        """In order; asserts that it ended well."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(PATIENCE_S) == 0, self._errors.read_text()[-3000:]

    def _line(self) -> Any:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        line = self.process.stdout.readline() if ready else ""
        assert line, f"the engine is silent: {self._errors.read_text()[-3000:]}"
        return json.loads(line)


def cpu_s(pid: int) -> float:
    """Seconds of processor that a process and those below it have used, children that ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    below = [child for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + sum(cpu_s(int(child)) for child in below)


def stop(process: subprocess.Popen[Any]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def wait_for(true: Any, what: str, patience_s: float = PATIENCE_S) -> Any:
    end = time.monotonic() + patience_s
    while not (found := true()):
        assert time.monotonic() < end, f"waited {patience_s:g} s for {what}"
        time.sleep(0.02)
    return found


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    except OSError:
        return ""
