#!/usr/bin/python3
"""Stands for systemd on a node that has the daemons of Swift from PyPI: the words of systemctl that roles say, and the node's first process.

    systemctl_stand_in.py init         the first process: reaps what ends
    systemctl restart|start|stop|kill|is-active|show UNIT...   all other verbs do nothing

A unit is one process, with its PID and the time of its start in /run/units."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/run/units")
STOP_S = 30.0
SERVERS = ("account", "container", "object")
COMMANDS = {
    "rsync": ["/usr/bin/rsync", "--daemon", "--no-detach"],
    "memcached": ["/usr/bin/memcached"],
    "swift-proxy": ["swift-proxy-server", "/etc/swift/proxy-server.conf"],
    **{f"swift-{kind}": [f"swift-{kind}-server", f"/etc/swift/{kind}-server.conf"] for kind in SERVERS},
}


def command(unit: str) -> list[str]:
    if unit == "memcached":  # Debian's unit reads the words of the file's lines that begin with "-", without -d and -P
        words = [line.split() for line in Path("/etc/memcached.conf").read_text().splitlines() if line.startswith("-")]
        return [*COMMANDS[unit], *(word for line in words if line[0] not in ("-d", "-P") for word in line)]
    if unit in COMMANDS:
        return COMMANDS[unit]
    kind = unit.split("-")[1]
    return [unit, f"/etc/swift/{kind}-server.conf"]


def known(unit: str) -> dict[str, float]:
    file = UNITS / unit
    return json.loads(file.read_text()) if file.exists() else {}


def runs(unit: str) -> bool:
    try:
        os.kill(int(known(unit)["pid"]), 0)
    except (KeyError, ProcessLookupError):
        return False
    return True


def stop(unit: str) -> None:
    if runs(unit):
        pid, end = int(known(unit)["pid"]), time.monotonic() + STOP_S
        os.killpg(pid, signal.SIGTERM)
        while runs(unit) and time.monotonic() < end:
            time.sleep(0.05)
        if runs(unit):
            os.killpg(pid, signal.SIGKILL)
    (UNITS / unit).unlink(missing_ok=True)


def start(unit: str) -> None:
    if runs(unit):
        return
    with open(f"/var/log/unit-{unit}.log", "ab") as log:
        process = subprocess.Popen(command(unit), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
    UNITS.mkdir(parents=True, exist_ok=True)
    (UNITS / unit).write_text(json.dumps({"pid": process.pid, "at": time.monotonic()}))


def init() -> None:
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            signal.pause()


def main(words: list[str]) -> int:
    verb, *units = [word for word in words if not word.startswith("-") and word != "ActiveEnterTimestampMonotonic"]
    if verb == "init":
        init()
    if verb == "is-system-running":
        print("running")
    for unit in units if verb == "is-active" else ():
        print("active" if runs(unit) else "failed" if known(unit) else "inactive")
    for unit in units if verb == "show" else ():
        print("" if "--property=Job" in words else known(unit).get("at", 0))
    for unit in units if verb in ("stop", "restart") else ():
        stop(unit)
    for unit in units if verb in ("start", "restart") else ():
        start(unit)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
