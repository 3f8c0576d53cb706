"""Makes the Debian package: `python packaging/deb.py [--out DIR]` prints the path of the .deb. `make deb` calls it.

The package holds one virtual environment in /usr/lib/crowbar-tui with the locked dependencies (requirements.lock) and this tree's wheel.
A virtual environment names its own folder in its scripts, so it is made at a staging path and its scripts are rewritten to the final one.
It runs the Python of the Debian release on which it was built, and depends on exactly that minor version.

Debian's own tools for this (dh-virtualenv) want debhelper and a source package for what is a copy of files: dpkg-deb alone does it.

Octets repeat: files are dated with the commit (SOURCE_DATE_EPOCH), and no byte code is packed; Python writes it at the installation.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PARTS = Path(__file__).resolve().parent
HOME = "usr/lib/crowbar-tui"
"""Where the virtual environment is, below the root of the file system."""
PYTHON = Path("/usr/bin/python3")
"""Debian's interpreter: the package depends on it, so no other one will do."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR", help="folder for the package (dist)")
    out: Path = parser.parse_args().out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="crowbar-deb-") as work:
        print(build(Path(work), out))
    return 0


def build(work: Path, out: Path) -> Path:
    """Stage every file below `work`, and pack them. Raises CalledProcessError with the failing tool's words on standard error."""
    tree = work / "tree"
    when = commit_time()
    environment(tree / HOME, wheel(work))
    placed(tree, when)
    control(tree)
    for path in (tree, *tree.rglob("*")):
        os.utime(path, (when, when), follow_symlinks=False)
    deb = out / f"crowbar-tui_{version()}_{said('dpkg', '--print-architecture')}.deb"
    run("dpkg-deb", "--root-owner-group", "-Zxz", "-z1", "--build", str(tree), str(deb), SOURCE_DATE_EPOCH=str(when))
    return deb


def version() -> str:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise SystemExit('pyproject.toml has no line `version = "..."`')
    return found[1]


def commit_time() -> int:
    """Seconds since 1970 of the commit that is packed; of pyproject.toml where this is no checkout."""
    done = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else int((ROOT / "pyproject.toml").stat().st_mtime)


def wheel(work: Path) -> Path:
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(work / "wheel"), str(ROOT))
    (found,) = (work / "wheel").glob("*.whl")
    return found


def environment(home: Path, ours: Path) -> None:
    """The virtual environment, as it will stand at /usr/lib/crowbar-tui."""
    run(str(PYTHON), "-m", "venv", "--without-pip", str(home))
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet", "--no-compile"]
    run(*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock"))
    run(*pip, "--no-deps", str(ours))
    run(sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "uninstall", "--quiet", "--yes", *unneeded(home))
    for script in (home / "bin").iterdir():
        if not script.is_symlink() and script.name != "crowbar":  # commands of the libraries, which nobody asked for
            script.unlink()
    for text in (home / "bin" / "crowbar", home / "pyvenv.cfg"):
        text.write_text(text.read_text(encoding="utf-8").replace(str(home), f"/{HOME}"), encoding="utf-8")
    for folder in (home / "share", home / "include"):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in list(home.rglob("__pycache__")):
        shutil.rmtree(folder)
    for entry in home.rglob("direct_url.json"):  # says at which path the wheel was built
        entry.unlink()


def unneeded(home: Path) -> list[str]:
    """What the lock holds for building alone: all that the program does not require, directly or by others."""
    (site,) = home.glob("lib/python3*/site-packages")
    there = {canonicalize_name(found.metadata["Name"]): found for found in importlib.metadata.distributions(path=[str(site)])}
    python = {"python_version": minor_version(), "python_full_version": f"{minor_version()}.0"}
    wanted: set[tuple[str, str]] = set()
    left = [("crowbar-tui", "")]
    while left:
        name, extra = left.pop()
        if (name, extra) in wanted or name not in there:
            continue
        wanted.add((name, extra))
        for one in map(Requirement, there[name].requires or ()):
            if one.marker is None or one.marker.evaluate({**python, "extra": extra}):
                left += [(canonicalize_name(one.name), of) for of in ("", *one.extras)]
    return sorted(there.keys() - {name for name, _ in wanted})


def minor_version() -> str:
    """Of Debian's Python: `3.11`."""
    return said(str(PYTHON), "-c", "import sys; print('%d.%d' % sys.version_info[:2])")


def placed(tree: Path, when: int) -> None:
    """All that stands outside of the environment: the command, the units, the manual page, completion, the licence."""
    command = tree / "usr/bin/crowbar"
    command.parent.mkdir(parents=True)
    command.symlink_to(f"/{HOME}/bin/crowbar")
    copied(PARTS / "crowbar.service", tree / "lib/systemd/system/crowbar.service")
    for unit in sorted((PARTS / "units").glob("crowbar-daemon*")):
        copied(unit, tree / "lib/systemd/system" / (f"{unit.stem}.service.d/crowbar.conf" if unit.suffix == ".conf" else unit.name))
    copied(PARTS / "daemons", tree / HOME / "daemons", 0o755)
    copied(ROOT / "images" / "node" / "service", tree / HOME / "service", 0o755)
    copied(PARTS / "crowbar.default", tree / "etc/default/crowbar", 0o640)
    copied(ROOT / "LICENSE", tree / "usr/share/doc/crowbar-tui/copyright")
    written(tree / "usr/share/doc/crowbar-tui/changelog.gz", gzip.compress((ROOT / "CHANGELOG.md").read_bytes(), 9, mtime=0))
    written(tree / "usr/share/man/man1/crowbar.1.gz", gzip.compress(manual(when).encode(), 9, mtime=0))
    written(tree / "usr/share/bash-completion/completions/crowbar", completion("bash").encode())
    written(tree / "usr/share/zsh/vendor-completions/_crowbar", completion("zsh").encode())


def manual(when: int) -> str:
    """The manual page, from the command line's own help."""
    words = ["--module", "crowbar_tui.cli", "--function", "parser", "--prog", "crowbar", "--manual-title", "Crowbar TUI"]
    words += ["--project-name", "crowbar-tui", "--version", version()]
    words += ["--description", "takes a rack from servers in boxes to a working cloud"]
    return said("argparse-manpage", *words, SOURCE_DATE_EPOCH=str(when))


def completion(shell: str) -> str:
    return said("shtab", f"--shell={shell}", "--prog=crowbar", "crowbar_tui.cli.parser")


def control(tree: Path) -> None:
    minor = minor_version()
    following = f"{minor.partition('.')[0]}.{int(minor.partition('.')[2]) + 1}"
    size = sum(path.lstat().st_size for path in tree.rglob("*")) // 1024
    text = (PARTS / "control.in").read_text(encoding="utf-8")
    architecture = said("dpkg", "--print-architecture")
    values = {"VERSION": version(), "ARCHITECTURE": architecture, "SIZE": str(size), "PYTHON": minor, "FOLLOWING": following}
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    written(tree / "DEBIAN/control", text.encode())
    written(tree / "DEBIAN/conffiles", b"/etc/default/crowbar\n")
    for name in ("postinst", "prerm", "postrm"):
        copied(PARTS / name, tree / "DEBIAN" / name, 0o755)


def copied(source: Path, target: Path, mode: int = 0o644) -> None:
    written(target, source.read_bytes(), mode)


def written(target: Path, content: bytes, mode: int = 0o644) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    target.chmod(mode)


def run(*words: str, **variables: str) -> None:
    subprocess.run(words, check=True, cwd=ROOT, env=_around(variables), stdout=sys.stderr)


def said(*words: str, **variables: str) -> str:
    """Standard output of a program, without the blanks around it. Its errors go to ours."""
    return subprocess.run(words, check=True, cwd=ROOT, env=_around(variables), stdout=subprocess.PIPE, text=True).stdout.strip()


def _around(variables: dict[str, str]) -> dict[str, str]:
    """This process's environment, with the programs of its own virtual environment first."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **variables}


if __name__ == "__main__":
    sys.exit(main())
