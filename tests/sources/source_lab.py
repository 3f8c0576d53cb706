"""Real git repositories with small Python projects, tasks of `NAME-wheels`, and nodes that are folders.

A project builds itself by a backend in its own tree, so nothing is asked of a package index.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPO = Path(__file__).resolve().parents[2]
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["build_it"]
"""
BACKEND = '''
import os, zipfile

NAME, VERSION = "greet", open("version").read().strip()
CODE = f"""VERSION = "{VERSION}"


def main():
    print("greet", VERSION)
"""
TAG = "py3-none-any"
EXTRA = ""
PROGRAM = NAME
exec(open("evil.py").read()) if os.path.exists("evil.py") else None


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = f"{NAME}-{VERSION}-{TAG}.whl"
    info = f"{NAME}-{VERSION}.dist-info"
    pure = "false" if "any" not in TAG else "true"
    files = {
        f"{NAME}.py": CODE,
        f"{info}/METADATA": f"Metadata-Version: 2.1\\nName: {NAME}\\nVersion: {VERSION}\\n{EXTRA}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: {pure}\\nTag: {TAG}\\n",
        f"{info}/entry_points.txt": f"[console_scripts]\\n{PROGRAM} = {NAME}:main\\n",
    }
    record = "".join(f"{one},,\\n" for one in files) + f"{info}/RECORD,,\\n"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as out:
        for one, text in [*files.items(), (f"{info}/RECORD", record)]:
            out.writestr(zipfile.ZipInfo(one), text)
    return name
'''


def git(folder: Path, *words: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.net",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.net",
        "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
        "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    return subprocess.run(
        ["git", *words], cwd=folder, env=environment, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


class Upstream:
    """A repository with the project `greet`, in which each version is a commit with a tag."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main")
        (folder / "build_it").mkdir()
        (folder / "build_it/backend.py").write_text(BACKEND)
        (folder / "pyproject.toml").write_text(PROJECT)

    @property
    def url(self) -> str:
        return f"file://{self.folder}"

    def release(self, version: str, **files: str) -> str:
        """Commits and tags a version, and returns its commit."""
        (self.folder / "version").write_text(version)
        for name, text in files.items():
            (self.folder / name.replace("__", ".")).write_text(text)
        git(self.folder, "add", "--all")
        git(self.folder, "commit", "--quiet", "--message", version)
        git(self.folder, "tag", f"v{version}")
        return git(self.folder, "rev-parse", "HEAD")


class Task:
    """Runs `NAME-wheels` as the jig local does, in a store of its own."""

    def __init__(self, folder: Path, name: str = "greet") -> None:
        self.folder, self.name = folder, name
        self.store = folder / "store"
        self.sources = self.store / "sources"
        self.store.mkdir(mode=0o700)
        (folder / "task").mkdir()
        (folder / "task/task.json").write_text(json.dumps({"role": f"{name}-wheels", "barclamp": "source"}))
        self.attempt = 0
        self.gives: Any = None
        self.said = ""

    def environment(self, action: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPO),
            "CROWBAR_ATTRIBUTES": str(self.folder / "attributes.json"),
            "CROWBAR_GIVES": str(self.folder / "gives.json"),
            "CROWBAR_PROGRESS": str(self.folder / "progress"),
            "CROWBAR_ATTEMPT": f"a{self.attempt}.1",
            "CROWBAR_SOURCES": str(self.sources),
            "CROWBAR_HIDES": f"{self.store}:{self.folder / 'keys'}",
            "CROWBAR_LIVES_WITH": str(os.getpid()),
            "ACTION": action,
        }

    def command(self, action: str) -> list[str]:
        return [sys.executable, "-P", "-m", "engine.sources", action]

    def attributes(self, *values: dict[str, Any], **more: Any) -> None:
        wanted = [{"node": f"n{i}", "role": "x", "value": value} for i, value in enumerate(values)]
        given = {"wanted": wanted, "requirements": [], "index": "", "python": "python3", "proxy": "", **more}
        (self.folder / "attributes.json").write_text(json.dumps({"source": given}))

    def run(self, *values: dict[str, Any], action: str = "run", legs: int = 40, **more: Any) -> int:
        """One attempt, with as many legs as it asks for. Returns the last exit code."""
        self.attributes(*values, **more)
        self.attempt += 1
        for _ in range(legs):
            (self.folder / "gives.json").unlink(missing_ok=True)
            done = subprocess.run(
                self.command(action),
                cwd=self.folder / "task",
                env=self.environment(action),
                capture_output=True,
                text=True,
                timeout=600,
                check=False,
            )
            self.said = done.stdout + done.stderr
            if done.returncode != 128:
                break
        file = self.folder / "gives.json"
        self.gives = json.loads(file.read_text())[f"{self.name}-wheels"] if file.exists() else None
        return done.returncode

    @property
    def built(self) -> list[Path]:
        return sorted(self.sources.glob("built-*"))


def lab(folder: Path) -> tuple[Upstream, Task]:
    folder.mkdir(exist_ok=True)
    return Upstream(folder / "upstream"), Task(folder)
