"""A machine that is a folder: CROWBAR_ROOT, stand-in tools first on the PATH, and the barclamps' real scripts run on it."""

from __future__ import annotations

import base64
import functools
import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import jsonschema

from engine.definitions import Catalog, Json
from engine.files import catalog as reading
from engine.runtime.hardware import HardwareReports, read_bundle
from engine.store.hardware import HardwareShelf

REPO = Path(__file__).resolve().parents[2]
TOOLS = REPO / "images" / "node"
BASE = (
    "sh dash od awk sed grep tr head tail cut cat sort readlink mktemp rm rmdir mkdir mv cp cmp sleep wc find ln uname mkfifo tee "
    "sha256sum stat comm tar chmod dirname basename env touch ls kill true false sync gzip base64 timeout"
).split()


@functools.cache
def shipped() -> Catalog:
    return reading.shipped()


class Done:
    def __init__(self, process: subprocess.CompletedProcess[str], gives: Path) -> None:
        self.code = process.returncode
        self.out = process.stdout
        self.err = process.stderr
        self.gives: Any = None
        if process.returncode >= 0 and gives.exists():  # what one that was killed gave is not read
            try:
                self.gives = json.loads(gives.read_text())
            except ValueError:
                self.gives = f"no JSON: {gives.read_text()}"


class Machine:
    def __init__(self, folder: Path, shell: str = "dash") -> None:
        self.root = folder / "root"
        self.tools = folder / "tools"
        self.folder = folder
        self.shell = shell
        for made in (self.root, self.tools, folder / "base", folder / "tmp"):
            made.mkdir()
        for name in BASE:
            found = shutil.which(name)
            if found:
                (folder / "base" / name).symlink_to(found)
        self.environment: dict[str, str] = {}

    def write(self, path: str, text: str = "") -> Path:
        there = self.root / path
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text)
        return there

    def link(self, path: str, target: str) -> None:
        there = self.root / path
        there.parent.mkdir(parents=True, exist_ok=True)
        there.symlink_to(target)

    def read(self, path: str) -> str:
        return (self.root / path).read_text()

    def tool(self, name: str, script: str) -> None:
        """A stand-in: its call is noted in `calls`, then the script runs."""
        there = self.tools / name
        there.write_text(f'#!/bin/sh\necho "{name} $*" >>"{self.folder}/calls"\n{script}\n')
        there.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        there = self.folder / "calls"
        return there.read_text().splitlines() if there.exists() else []

    def run(self, role: str, attributes: dict[str, Any] | None = None, action: str = "run", tidy: bool = True) -> Done:
        """The script as a node runs it: attributes (and what it collects, by `into`) nested by path, gives in a file. `tidy`: it must leave no
        temporary files."""
        catalog = shipped()
        definition = catalog.roles[role]
        document: dict[str, Any] = {}
        for name, value in (attributes or {}).items():
            collected = any(one.into == name for one in definition.collects)
            want = next((one for one in definition.wants if one.name == name), None)
            of_device = name == "device" and definition.jig == "device"
            assert collected or of_device or want is not None, f"{role} does not want {name}"
            place = document
            *folders, last = (name if want is None else want.at or catalog.attributes[name].path).split("/")
            for part in folders:
                place = place.setdefault(part, {})
            place[last] = value
        (self.folder / "attributes.json").write_text(json.dumps(document))
        gives = self.folder / "gives.json"
        gives.unlink(missing_ok=True)
        environment = {
            "PATH": f"{self.tools}:{REPO / 'images' / 'node'}:{self.folder / 'base'}",
            "CROWBAR_ROOT": str(self.root),
            "CROWBAR_ATTRIBUTES": str(self.folder / "attributes.json"),
            "CROWBAR_GIVES": str(gives),
            "CROWBAR_PROGRESS": str(self.folder / "progress"),
            "CROWBAR_HOME": str(self.folder / "home"),
            "CROWBAR_STATE": str(self.folder / "state"),
            "TMPDIR": str(self.folder / "tmp"),
            **self.environment,
        }
        script = Path(catalog.folders[definition.barclamp]) / "roles" / role / action
        folders = [TOOLS / tool for tool in definition.tools if (TOOLS / tool).is_dir()]
        if folders:
            script = with_tools(self.folder / "task", script, folders)
        command = [shutil.which(self.shell) or "/bin/sh", str(script)]
        process = subprocess.run(
            command, env=environment, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False, start_new_session=True
        )
        assert not tidy or not list((self.folder / "tmp").iterdir()), "it leaves temporary files"
        done = Done(process, gives)
        if isinstance(done.gives, dict) and done.gives.get("hardware", {}).get("reports"):
            done.gives["hardware"] = summed_up(done.gives["hardware"]["reports"])
        if tidy and done.gives is not None and done.code in (0, 64):
            check_gives(role, done.gives)
        return done


def with_tools(there: Path, script: Path, tools: list[Path]) -> Path:
    """The role's folder with the tools that travel with its task. Returns its script there."""
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(script.parent, there, ignore=shutil.ignore_patterns("__pycache__"))
    for tool in tools:
        for one in tool.iterdir():
            if one.is_file():
                shutil.copy(one, there)
    return there / script.name


def summed_up(reports: str) -> Json:
    """What the engine makes of the reports of a machine's tools."""
    look = read_bundle(base64.b64decode(reports, validate=True))
    with tempfile.TemporaryDirectory() as folder:
        return HardwareReports(HardwareShelf(Path(folder))).keep("n1", look, "in-band")


def check_gives(role: str, gives: dict[str, Any]) -> None:
    """What a role gives is what it promises, by name and schema."""
    catalog = shipped()
    assert set(gives) == set(catalog.roles[role].gives)
    for name, value in gives.items():
        jsonschema.Draft202012Validator(catalog.attributes[name].schema).validate(value)
