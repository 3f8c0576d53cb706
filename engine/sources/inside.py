"""Builds wheels, apart from the engine (`apart`). The Python of the builds runs this file; it knows nothing of the engine.

    python3 inside.py [REQUIREMENT..]

In the present folder: `src` is the project, `kept` holds wheels of former builds, `constraints.txt` may be there. It makes `all`, the
wheels that an installation needs, and `build`, those that only a build needs.

Exit: 0 done; 71 there is no virtual environment; 72 a step failed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

HOOK = """
import importlib, json, os, sys
backend, paths = sys.argv[1], json.loads(sys.argv[2])
sys.path[:0] = [os.path.abspath(one) for one in paths]
name, _, attribute = backend.partition(":")
found = importlib.import_module(name)
for part in filter(None, attribute.split(".")):
    found = getattr(found, part)
ask = getattr(found, "get_requires_for_build_wheel", None)
print("\\n" + json.dumps(list(ask()) if ask else []))
"""
"""Asks a build backend what else it needs (PEP 517)."""


def step(*words: str) -> None:
    print("source: " + " ".join(words)[:300], flush=True)
    done = subprocess.run(words, stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit(72)


def project() -> tuple[list[str], str, list[str]]:
    """Requirements of the build system, its backend and the paths of that (PEP 518)."""
    usual = ["setuptools", "wheel"], "setuptools.build_meta:__legacy__", ["."]
    try:
        import tomllib

        with open("src/pyproject.toml", "rb") as file:
            system = tomllib.load(file).get("build-system", {})
    except (ImportError, OSError, ValueError):
        return usual
    if "requires" not in system:
        return usual
    return system["requires"], system.get("build-backend", usual[1]), system.get("backend-path", [])


def main() -> None:
    venv = subprocess.run([sys.executable, "-m", "venv", "venv"], stdin=subprocess.DEVNULL, check=False)
    python = os.path.abspath("venv/bin/python")
    if venv.returncode != 0 or subprocess.run([python, "-m", "pip", "--version"], check=False).returncode != 0:
        sys.exit(71)
    pip = [python, "-m", "pip", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--retries", "2", "--timeout", "20"]
    wheel = [*pip, "wheel", "--progress-bar", "off", "--find-links", os.path.abspath("kept")]
    for folder in ("own", "all", "build"):
        os.makedirs(folder, exist_ok=True)
    requires, backend, paths = project()
    if requires:
        step(*wheel, "-w", "build", *requires)
        step(*pip, "install", "--no-index", "--find-links", "build", "--progress-bar", "off", *requires)
    words = [python, "-c", HOOK, backend, json.dumps(paths)]
    asked = subprocess.run(words, cwd="src", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False)
    if asked.returncode != 0:
        sys.exit(72)
    dynamic = json.loads(asked.stdout.strip().splitlines()[-1])
    links = ["--find-links", os.path.abspath("build")]
    if dynamic:
        step(*wheel, *links, "-w", "build", *dynamic)
    step(*wheel, *links, "--no-deps", "-w", "own", os.path.abspath("src"))
    own = [os.path.abspath(os.path.join("own", name)) for name in os.listdir("own") if name.endswith(".whl")]
    limits = ["-c", "constraints.txt"] if os.path.exists("constraints.txt") else []
    step(*wheel, *links, *limits, "-w", "all", *own, *sys.argv[1:])


if __name__ == "__main__":
    main()
