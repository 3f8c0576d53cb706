"""The Debian package in a fresh Debian: it installs, its command and its service work without root, and purging it leaves nothing.

The service runs in two ways. systemd starts it in a container that systemd-nspawn boots. For machines that cannot boot a container, the
test runs its command with exactly the account and the capabilities of the unit.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("mmdebstrap", "dpkg-deb", "curl", "ip", "nsenter", "setpriv")
PACKAGES = ("python3", "adduser", "systemd", "man-db", "bash-completion", "zsh")
"""What the package depends on, and what reads its manual page and its completion."""
ADDRESS = "192.168.124.10"
PLAN = (ROOT / "crowbar_tui" / "plans" / "six-nodes.yml").read_text(encoding="utf-8")
SECRET = "CROWBAR_BMC_PASSWORD=planted"
PATIENCE_S = 300.0
"""For each step, on a machine with much to do."""

missing = [tool for tool in TOOLS if shutil.which(tool) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing) or os.geteuid() != 0, reason=f"needs root and {', '.join(missing or TOOLS)}"),
]


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package; CROWBAR_TEST_DEB names one that is there."""
    if kept := os.environ.get("CROWBAR_TEST_DEB"):
        return Path(kept)
    out = tmp_path_factory.mktemp("deb")
    subprocess.run([sys.executable, str(ROOT / "packaging" / "deb.py"), "--out", str(out)], check=True, timeout=1800)
    (found,) = out.glob("*.deb")
    return found


@pytest.fixture(scope="module")
def debian(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The root of a fresh Debian of this machine's release; CROWBAR_TEST_DEBIAN names one that is there, to be copied."""
    root = tmp_path_factory.mktemp("debian") / "root"
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)["VERSION_CODENAME"]
    words = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={','.join(PACKAGES)}", release, str(root)]
    if kept := os.environ.get("CROWBAR_TEST_DEBIAN"):
        words = ["cp", "--archive", kept, str(root)]
    subprocess.run(words, check=True, timeout=1800)
    subprocess.run(["mount", "-t", "proc", "proc", str(root / "proc")], check=True)
    yield root
    subprocess.run(["umount", str(root / "proc")], check=True)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def installed(deb: Path, debian: Path) -> Iterator[Path]:
    """Purged after the test, whatever became of it."""
    shutil.copy(deb, debian / "tmp" / "crowbar.deb")
    inside(debian, "dpkg", "-i", "/tmp/crowbar.deb")
    yield debian
    subprocess.run(["chroot", str(debian), "dpkg", "--purge", "crowbar-tui"], check=False, capture_output=True, timeout=PATIENCE_S)
    (debian / "tmp" / "crowbar.deb").unlink(missing_ok=True)


def said(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def inside(root: Path, *words: str) -> str:
    return said("chroot", str(root), "env", "LC_ALL=C.UTF-8", "TERM=dumb", *words)


def until(true: Callable[[], Any], what: Callable[[], str], seconds: float = PATIENCE_S) -> Any:
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, what()
        time.sleep(0.1)
    return found


BOOKS = (
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/log",
    "/var/cache",
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/subuid-",
    "/etc/subgid-",
)
"""Where dpkg, adduser, man-db and systemd keep their own."""
VOLATILE = ("/proc", "/sys", "/dev", "/run", "/tmp")


def files(root: Path) -> set[str]:
    out: set[str] = set()
    for folder, below, names in os.walk(root):
        at = "/" + os.path.relpath(folder, root).removeprefix(".")
        here = {name: f"{at}/{name}".replace("//", "/") for name in (*below, *names)}
        kept = {name: path for name, path in here.items() if not path.startswith((*BOOKS, *VOLATILE))}
        below[:] = [name for name in below if name in kept]
        out |= set(kept.values())
    return out


def test_it_installs_works_and_goes_without_a_trace(deb: Path, debian: Path, request: pytest.FixtureRequest) -> None:
    before, accounts = files(debian), (debian / "etc/passwd").read_text()
    request.getfixturevalue("installed")
    assert "usage: crowbar" in inside(debian, "crowbar", "--help")
    assert "crowbar:x:" in (debian / "etc/passwd").read_text()
    assert inside(debian, "stat", "-c", "%U %G %a", "/var/lib/crowbar").split() == ["crowbar", "crowbar", "750"]
    inside(debian, "systemd-analyze", "verify", "--man=no", "/lib/systemd/system/crowbar.service")
    inside(debian, "systemctl", "enable", "crowbar")
    link = debian / "etc/systemd/system/multi-user.target.wants/crowbar.service"
    assert link.is_symlink()
    (debian / "var/lib/crowbar/store").mkdir()

    inside(debian, "dpkg", "--remove", "crowbar-tui")
    assert not (debian / "usr/lib/crowbar-tui").exists()
    assert not link.is_symlink(), "no unit is enabled that is not there"
    assert (debian / "var/lib/crowbar/store").is_dir(), "removing it must leave the store"
    assert (debian / "etc/default/crowbar").is_file(), "and its configuration"
    inside(debian, "dpkg", "--purge", "crowbar-tui")
    assert files(debian) == before
    assert (debian / "etc/passwd").read_text() == accounts


def test_it_holds_the_program_and_no_tools_that_built_it(installed: Path) -> None:
    site = next(installed.glob("usr/lib/crowbar-tui/lib/python3*/site-packages"))
    names = {path.name for path in site.iterdir()}
    assert {"engine", "crowbar_tui", "barclamps", "images", "textual", "aiohttp"} <= names
    assert not names & {"hatchling", "setuptools", "build", "editables", "pytest", "mypy"}
    assert sorted(path.name for path in (installed / "usr/lib/crowbar-tui/bin").iterdir() if not path.is_symlink()) == ["crowbar"]
    assert str(ROOT) not in (installed / "usr/lib/crowbar-tui/bin/crowbar").read_text()
    inside(installed, "/usr/lib/crowbar-tui/bin/python", "-m", "pip", "check")


def test_the_manual_page_can_be_read(installed: Path) -> None:
    shown = inside(installed, "man", "-l", "/usr/share/man/man1/crowbar.1.gz")
    assert "takes a rack from servers in boxes to a working cloud" in shown
    assert all(f"crowbar {command}" in shown for command in ("rehearse", "replay", "engine", "explain", "doctor"))


def test_completion_loads(installed: Path) -> None:
    bash = ". /usr/share/bash-completion/bash_completion; _completion_loader crowbar; complete -p crowbar; "
    bash += "COMP_WORDS=(crowbar re) COMP_CWORD=1; $(complete -p crowbar | sed 's/.*-F \\([^ ]*\\).*/\\1/') crowbar re crowbar; "
    bash += 'printf "%s\\n" "${COMPREPLY[@]}"'
    assert {"rehearse", "replay"} <= set(inside(installed, "bash", "-c", bash).split())
    zsh = "autoload -U compinit; compinit -u -D; whence -w $_comps[crowbar]; autoload +X _crowbar && print loaded"
    assert inside(installed, "zsh", "-f", "-c", zsh).splitlines() == ["_crowbar: function", "loaded"]


# -- the service ---------------------------------------------------------------------------------------------------


def unit(root: Path) -> configparser.SectionProxy:
    found = configparser.ConfigParser(strict=False, interpolation=None)
    found.optionxform = str  # type: ignore[method-assign,assignment]
    found.read(root / "lib/systemd/system/crowbar.service")
    return found["Service"]


NUMBERS = {"CAP_NET_BIND_SERVICE": 10, "CAP_NET_RAW": 13}
"""Of capability.h; the unit may name no other."""
CABLE = (
    "link add rack type veth peer name far",
    "link set far up",
    f"addr add {ADDRESS}/24 dev rack",
    "link set rack up",
    "link set lo up",
)


def answers(*enter: str) -> bool:
    """Does HTTP answer anything at all?"""
    words = ["curl", "--silent", "--output", "/dev/null", "--max-time", "5", f"http://{ADDRESS}/"]
    return subprocess.run([*enter, *words], check=False, timeout=PATIENCE_S).returncode == 0


def is_without_root(pid: int, root: Path) -> None:
    """The process is of the account `crowbar`, and can do what its unit says and no more."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    account = int(inside(root, "id", "-u", "crowbar"))
    assert status["Uid"].split() == [str(account)] * 4
    may = sum(1 << NUMBERS[name] for name in unit(root)["AmbientCapabilities"].split())
    assert [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")] == [may] * 3
    assert [int(status[name], 16) for name in ("CapInh", "CapAmb")] == [0, 0], "its programs get none of it"
    assert status["NoNewPrivs"].strip() == "1"


@contextmanager
def booted(root: Path) -> Iterator[list[str]]:
    """The Debian as a container that systemd boots; the words that go before a command which runs in it."""
    with open(root / "tmp" / "boot.log", "wb") as log:
        words = [
            "systemd-nspawn",
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--private-network",
            "--console=pipe",
            "-D",
            str(root),
            "--boot",
        ]
        container = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        children = Path(f"/proc/{container.pid}/task/{container.pid}/children")

        def first() -> str:
            if container.poll() is not None:
                pytest.skip(f"systemd-nspawn cannot boot a container here: {told(root)}")
            pids = children.read_text().split()
            return next((pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == "systemd"), "")

        enter = ["nsenter", f"--target={until(first, lambda: told(root))}", "--mount", "--uts", "--ipc", "--net", "--pid"]

        def running() -> bool:
            asked = subprocess.run(
                [*enter, "systemctl", "is-system-running"], capture_output=True, text=True, timeout=PATIENCE_S, check=False
            )
            return asked.stdout.strip() in ("running", "degraded")

        until(running, lambda: told(root))
        yield enter
    finally:
        container.terminate()  # the container is shut down
        try:
            container.wait(60)
        except subprocess.TimeoutExpired:
            container.kill()
            container.wait(60)


def told(root: Path) -> str:
    return (root / "tmp" / "boot.log").read_text(errors="replace")[-3000:]


@pytest.mark.skipif(shutil.which("systemd-nspawn") is None, reason="systemd-nspawn is not installed (Debian package systemd-container)")
def test_systemd_runs_it(installed: Path) -> None:
    """`systemctl enable --now`, first without a plan, then with one; and a purge while it runs."""
    (installed / "etc/crowbar").mkdir()
    (installed / "etc/crowbar/plan.yml").write_text(PLAN, encoding="utf-8")
    with booted(installed) as enter:

        def journal() -> str:
            return said(*enter, "journalctl", "--unit=crowbar", "--lines=50", "--no-pager") + told(installed)

        def shows(what: str) -> str:
            return said(*enter, "systemctl", "show", "--value", f"--property={what}", "crowbar").strip()

        for words in CABLE:
            said(*enter[:2], "--net", "ip", *words.split())
        said(*enter, "systemctl", "enable", "--now", "crowbar")
        until(lambda: (installed / "var/lib/crowbar/store/store.db").exists(), journal)
        assert shows("ActiveState") == "active"
        options = installed / "etc/default/crowbar"
        assert options.stat().st_mode & 0o007 == 0, "it may hold a plan's secrets"
        options.write_text(f'CROWBAR_ENGINE_OPTIONS="--plan /etc/crowbar/plan.yml --interface rack"\n{SECRET}\n')
        said(*enter, "systemctl", "restart", "crowbar")
        until(lambda: answers(*enter[:2], "--net"), journal)
        (engine,) = [pid for pid in processes() if command(pid)[1:3] == ["/usr/bin/crowbar", "engine"]]
        is_without_root(engine, installed)
        assert shows("NRestarts") == "0"
        said(*enter, "systemctl", "stop", "crowbar")
        assert (shows("ActiveState"), shows("Result"), shows("ExecMainStatus")) == ("inactive", "success", "0")
        said(*enter, "systemctl", "start", "crowbar")
        until(lambda: answers(*enter[:2], "--net"), journal)
        said(*enter, "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "dpkg", "--purge", "crowbar-tui")
        assert not [pid for pid in processes() if command(pid)[1:3] == ["/usr/bin/crowbar", "engine"]]
        asked = subprocess.run([*enter, "systemctl", "status", "crowbar"], capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        assert asked.returncode == 4, asked  # no such unit
    assert not (installed / "var/lib/crowbar").exists()
    shutil.rmtree(installed / "etc/crowbar")


def processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def command(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:  # it has ended
        return []


def test_the_service_needs_no_root(installed: Path) -> None:
    """The unit's command with the unit's account and capabilities, on a network of its own."""
    (installed / "tmp" / "plan.yml").write_text(PLAN, encoding="utf-8")
    said_by_it = installed / "tmp" / "engine.log"
    net = f"crowbar-deb-{os.getpid()}"
    said("ip", "netns", "add", net)
    engine = None
    try:
        for words in CABLE:
            said("ip", "-n", net, *words.split())
        enter = ["nsenter", f"--net=/run/netns/{net}"]
        caps = ",".join("+" + name.removeprefix("CAP_").lower() for name in unit(installed)["AmbientCapabilities"].split())
        line = [*enter, "chroot", str(installed), "setpriv", "--reuid=crowbar", "--regid=crowbar", "--init-groups", "--no-new-privs"]
        line += [f"--bounding-set=-all,{caps}", f"--inh-caps=-all,{caps}", f"--ambient-caps=-all,{caps}"]
        line += ["env", "HOME=/var/lib/crowbar", SECRET, *unit(installed)["Environment"].split()]
        line += [
            *unit(installed)["ExecStart"].removesuffix(" $CROWBAR_ENGINE_OPTIONS").split(),
            "--plan",
            "/tmp/plan.yml",
            "--interface",
            "rack",
        ]
        with open(said_by_it, "wb") as log:
            engine = subprocess.Popen(line, stdout=log, stderr=log)
        until(lambda: engine.poll() is not None or answers(*enter), said_by_it.read_text)
        assert engine.poll() is None, said_by_it.read_text()
        is_without_root(engine.pid, installed)
        engine.terminate()
        assert engine.wait(PATIENCE_S) == 0, said_by_it.read_text()
    finally:
        if engine is not None and engine.poll() is None:
            engine.kill()
            engine.wait()
        subprocess.run(["ip", "netns", "del", net], check=False)
