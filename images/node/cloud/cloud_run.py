#!/usr/bin/python3
"""Makes a node run one service of a cloud, as a description says, or looks whether it does. It travels with the roles of OpenStack.

    cloud_run.py run FILE       files, databases, steps, what Keystone must know of the service, and units, in this order
    cloud_run.py verify FILE    0: the node runs the service as described. 1: it does not, with a line that says what differs

FILE is Python. It defines `service(site)`, which returns a Service (`cloud.py`). `run` and `verify` read the same description, so they
cannot disagree. `run` changes only what differs: a second one costs the questions, and restarts nothing.

Traps
* A password is never an argument of a program: everybody on the machine reads those. It stands in a file, in the environment, or goes
  through a pipe.
* oslo.config reads `/etc/PROJECT/PROJECT.conf.d/*.conf` after the files that Debian's units name, so those files stay as packaged.
* Each call of a `*-manage` program imports all of its service, which takes seconds. Hence `unless`, and one process for all entries.

With CROWBAR_ROOT, paths lie in that folder, and units are left alone, as on a machine without systemd.

Exit: 0; 1 not so, or failed; 2 bad use.
"""

from __future__ import annotations

import grp
import importlib.util
import json
import os
import pwd
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from cloud import WITHIN_S, Act, Answer, Check, Database, File, Service, Site, Step
from cloud_api import Fault, Http, http

ROOT = os.environ.get("CROWBAR_ROOT", "")
RUNS = ("active", "reloading")
LOOK_S = 0.3
"""Least seconds between two looks at something that starts."""
PULLED = ("rabbitmq-server", "mariadb", "postgresql", "keystone", "ntp")
"""What Debian's units of OpenStack want on their own node."""


def _path(path: str) -> Path:
    return Path(ROOT + path)


def with_systemd() -> bool:
    return not ROOT and Path("/run/systemd/system").is_dir()


def progress(percent: int, text: str) -> None:
    print(f"cloud: {text}", flush=True)
    file = os.environ.get("CROWBAR_PROGRESS")
    if file:
        with open(file, "a", encoding="utf-8") as out:
            out.write(f"{percent} {text}\n")


def differs(path: str, file: File) -> str:
    """What of the file is not as described. Empty: nothing."""
    there = _path(path)
    try:
        if there.read_text(encoding="utf-8") != file.text():
            return f"{path} has other content"
    except (OSError, UnicodeDecodeError):
        return f"{path} is not there"
    now = there.stat()
    if now.st_mode & 0o7777 != file.mode:
        return f"{path} has the mode {now.st_mode & 0o7777:o}, not {file.mode:o}"
    if not ROOT and (now.st_uid, now.st_gid) != _ids(file):
        return f"{path} does not belong to {file.owner}:{file.group}"
    return ""


def _ids(file: File) -> tuple[int, int]:
    try:
        return pwd.getpwnam(file.owner).pw_uid, grp.getgrnam(file.group).gr_gid
    except KeyError:
        raise Fault(f"there is no account {file.owner}:{file.group} on this node: are its packages installed?") from None


def write(path: str, file: File) -> None:
    """Replaces it by a rename, so that it is never half there and never readable for others."""
    there = _path(path)
    there.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(dir=there.parent, prefix=".crowbar-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            out.write(file.text())
            out.flush()
            os.fsync(out.fileno())
        if not ROOT:
            os.chown(fresh, *_ids(file))
        os.chmod(fresh, file.mode)
        os.replace(fresh, there)
    except BaseException:
        os.unlink(fresh)
        raise
    print(f"cloud: wrote {path}")


def make_database(one: Database) -> None:
    """The database and its account. An account that has another password gets this one."""
    import pymysql  # of the service's own packages

    try:
        link = pymysql.connect(host=one.server, user="crowbar", password=one.admin_password, connect_timeout=30)
    except pymysql.MySQLError as error:
        raise Fault(f"the database server {one.server} does not take the account crowbar: {error.args[-1]}") from None
    with link, link.cursor() as cursor:
        name, account = f"`{one.name}`", f"'{one.user}'@'%%'"
        cursor.execute(f"CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")
        cursor.execute(f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY %s", (one.password,))
        if not _opens(one):
            cursor.execute(f"ALTER USER {account} IDENTIFIED BY %s", (one.password,))
        cursor.execute(f"GRANT ALL ON {name}.* TO {account}", ())


def _opens(one: Database) -> bool:
    import pymysql

    try:
        pymysql.connect(host=one.server, user=one.user, password=one.password, connect_timeout=30).close()
    except pymysql.MySQLError:
        return False
    return True


def do(step: Step | Act) -> None:
    if isinstance(step, Act):
        step.act()
        return
    if step.unless is not None and step.unless():
        return
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", **step.environment}
    argv = ["runuser", "-u", step.user, "--", *step.argv] if step.user else list(step.argv)
    begun = time.monotonic()
    done = subprocess.run(argv, env=environment, input=step.stdin, capture_output=True, text=True, errors="replace", check=False, cwd="/")
    if done.returncode != 0:
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        for line in said[-30:]:
            print(line)
        raise Fault(f"{step.name} failed with exit code {done.returncode}: {said[-1][:300] if said else 'it said nothing'}")
    print(f"cloud: {step.name}: {time.monotonic() - begun:.1f} s")


def systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    # Beside units, Debian has init scripts that nothing runs. To keep their links in step costs a Perl and a reload for each unit.
    environment = {**os.environ, "SYSTEMCTL_SKIP_SYSV": "1"}
    return subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False, env=environment)


def states(units: Sequence[str]) -> dict[str, str]:
    """Unit -> its state, by one question: `active`, `activating`, `inactive`, `failed`."""
    return dict(zip(units, systemctl("is-active", *units).stdout.split(), strict=True)) if units else {}


def active(*units: str) -> bool:
    """True if all run."""
    return all(state in RUNS for state in states(units).values())


def mask_pulled(units: Sequence[str], root: Path = Path("/")) -> bool:
    """Debian's units want a broker, a database and Keystone on their own node (`Wants=`). A start of one would start these with Debian's
    settings, so they are masked until their own role starts them. True: one more is masked, and systemd has to read its units again."""
    made = False
    for name in PULLED:
        own = root / "etc/systemd/system" / f"{name}.service"
        shipped = any((root / folder / f"{name}.service").exists() for folder in ("lib/systemd/system", "usr/lib/systemd/system"))
        enabled = any(os.path.lexists(wants / f"{name}.service") for wants in own.parent.glob("*.wants"))
        if name not in units and shipped and not enabled and not own.is_symlink() and not own.exists():
            own.symlink_to("/dev/null")
            made = True
    return made


def unmask(units: Sequence[str], root: Path = Path("/")) -> bool:
    """True: one was masked, and systemd has to read its units again."""
    made = False
    for unit in units:
        own = root / "etc/systemd/system" / (unit if "." in unit else f"{unit}.service")
        if own.is_symlink() and os.readlink(own) == "/dev/null":
            own.unlink()
            made = True
    return made


def start(units: Sequence[str], restart: bool) -> None:
    """All are asked at once, because a start under load takes minutes; then each is waited for."""
    if not with_systemd() or not units:
        return
    enabled = systemctl("--quiet", "--no-reload", "enable", *units)
    if enabled.returncode != 0:
        raise Fault(f"{' '.join(units)} cannot be enabled: {enabled.stderr.strip()[:300]}")
    due = [unit for unit, state in states(units).items() if restart or state not in RUNS]
    if not due:
        return
    systemctl("reset-failed", *due)
    systemctl("--no-block", "restart", *due)
    until = time.monotonic() + WITHIN_S
    while True:
        begun = time.monotonic()
        now = alive(due)
        waits = [unit for unit, state in now.items() if state not in RUNS]
        if not waits:
            return
        if begun > until:
            raise Fault(f"{waits[0]} does not start: see journalctl -u {waits[0]} on the node")
        pause(begun)


def pause(begun: float) -> None:
    """Until the next look. A look takes processor time from what it waits for: at most a fifth, however slow the machine is."""
    time.sleep(max(LOOK_S, 4 * (time.monotonic() - begun)))


def alive(units: Sequence[str]) -> dict[str, str]:
    """The states of units. Raises Fault for one that systemd has given up, after its last words."""
    found = states(units) if with_systemd() else {}
    for unit, state in found.items():
        # One that did not end in time counts as failed, until the job that restarts it comes to its second half.
        if state == "failed" and systemctl("show", "--property=Job", "--value", unit).stdout.strip() in ("", "0"):
            words = ["journalctl", "-u", unit, "-n", "30", "--no-pager", "-o", "cat"]
            print(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
            raise Fault(f"{unit} does not start: see journalctl -u {unit} on the node")
    return found


def answers(answer: Answer, units: Sequence[str] | None = None) -> None:
    """`units`: waits for the answer as long as none of them has failed. None: looks once."""
    until = time.monotonic() + (0 if units is None else answer.within)
    while True:
        begun = time.monotonic()
        try:
            http("GET", answer.url, timeout=30)
            status, said = 200, ""
        except Http as error:
            status, said = error.status, str(error)
        except Fault as error:
            status, said = 0, str(error)
        if status in answer.status:
            return
        alive(units or ())
        if time.monotonic() > until:
            raise Fault(f"{answer.url} does not answer: {said}")
        pause(begun)


def proven(check: Check, wait: bool) -> None:
    """A service that has just begun may need a moment until others know it."""
    until = time.monotonic() + (WITHIN_S if wait else 0)
    while True:
        try:
            return check.proof()
        except (Fault, Http) as wrong:
            if time.monotonic() > until:
                raise Fault(f"{check.name}: {wrong}") from None
        time.sleep(2)


def run(service: Service) -> None:
    progress(5, "files")
    changed = False
    for path, file in service.files.items():
        if differs(path, file):
            write(path, file)
            changed = changed or file.restarts
    for database in service.databases:
        progress(10, f"database {database.name}")
        make_database(database)
    for number, step in enumerate(service.steps):
        progress(15 + 35 * number // len(service.steps), step.name)
        do(step)
    # Before the units start: some log in at once, and end if they cannot.
    for entry in service.entries:
        progress(45, f"Keystone's entry of {entry.user}")
        assert service.keystone is not None
        service.keystone.enter(entry)
    if with_systemd():
        stale = changed and any(path.startswith("/etc/systemd/") for path in service.files)
        if service.units:
            masked, unmasked = mask_pulled(service.units), unmask(service.units)
            stale = stale or masked or unmasked
        if stale:  # once, because each takes seconds
            systemctl("daemon-reload")
    if service.units:
        progress(50, f"starting {', '.join(service.units)}")
        start(service.units, changed)
    for answer in service.answers:
        progress(70, f"waiting for {answer.url}")
        answers(answer, service.units)
    for step in service.after:
        progress(85, step.name)
        do(step)
    for check in service.checks:
        progress(90, check.name)
        proven(check, wait=True)


def verify(service: Service) -> None:
    for path, file in service.files.items():
        wrong = differs(path, file)
        if wrong:
            raise Fault(wrong)
    for unit, state in states(service.units).items() if with_systemd() else ():
        if state not in RUNS:
            raise Fault(f"{unit} does not run")
    for answer in service.answers:
        answers(answer)
    for entry in service.entries:
        assert service.keystone is not None
        service.keystone.has(entry)
    for check in service.checks:
        proven(check, wait=False)


def described(file: Path) -> Callable[[Site], Service]:
    """`service` of a description."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[Site], Service] = module.service
    return found


def main(words: Sequence[str]) -> int:
    if len(words) != 2 or words[0] not in ("run", "verify"):
        print("usage: cloud_run.py run FILE | cloud_run.py verify FILE", file=sys.stderr)
        return 2
    try:
        site = Site(json.loads(Path(os.environ.get("CROWBAR_ATTRIBUTES", "attributes.json")).read_text(encoding="utf-8")))
        service = described(Path(words[1]))(site)
        {"run": run, "verify": verify}[words[0]](service)
        gives = service.gives()
    except (Fault, Http) as wrong:
        print(f"cloud: {wrong}", file=sys.stderr)
        return 1
    file = os.environ.get("CROWBAR_GIVES")
    if file:
        Path(file).write_text(json.dumps(gives), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
