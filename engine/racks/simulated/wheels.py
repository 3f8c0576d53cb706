"""`from-source` of a simulated machine: it fetches the wheels from the engine, checks each one, and notes which build counts."""

from __future__ import annotations

import hashlib
import json

from .machine import Machine, Result, Task

VENVS = "/opt/crowbar/venv"


async def from_source(machine: Machine, task: Task, name: str) -> tuple[Result, str]:
    """Does what `from-source up NAME` does, or for a verify `from-source check NAME`. Returns the result, and the version that counts;
    empty: packages."""
    system = machine.system
    if system is None:
        return Result(exit=2, message="no system is installed"), ""
    link, wish = f"{VENVS}/{name}", task.get(f"{name}-source") or {}
    found = next((one for one in task.get(f"{name}-wheels") or [] if one["source"] == wish), None) if wish.get("repository") else None
    if wish.get("repository") and found is None:
        return _failed(task, "source_not_fetched", f"the admin node has no build of {wish['revision']} yet"), ""
    key = found["key"] if found else ""
    if task.action == "verify":
        same = system.files.get(link, "") == key
        return Result() if same else Result(exit=1, message=f"{name} does not come from where it should"), found["version"] if found else ""
    if found is None:
        system.files.pop(link, None)
    elif system.files.get(link) != key:
        why = await _fetch(task, f"{task.get('engine-url')}/wheels/{key}", found["sha256"])
        if why:
            return _failed(task, "source_not_fetched", why), ""
        system.files[link] = key
    machine.save()
    return Result(), found["version"] if found else ""


async def _fetch(task: Task, url: str, sha256: str) -> str:
    """Why the wheels cannot be used. Empty: they can."""
    text = await _content(task, f"{url}/manifest.json")
    if hashlib.sha256(text).hexdigest() != sha256:
        return f"{url}: manifest.json does not have the SHA-256 that it should have"
    for one in json.loads(text)["files"]:
        if hashlib.sha256(await _content(task, f"{url}/{one['name']}")).hexdigest() != one["sha256"]:
            return f"{url}: {one['name']} does not have the SHA-256 that it should have"
    return ""


async def _content(task: Task, url: str) -> bytes:
    got = bytearray()

    def sink(block: memoryview) -> None:
        if block:
            got.extend(block)
        else:  # it begins again
            got.clear()

    await task.download(url, sink)
    return bytes(got)


def _failed(task: Task, code: str, line: str) -> Result:
    task.print(f"source: {code}: {line}")
    return Result(exit=68, message="")
