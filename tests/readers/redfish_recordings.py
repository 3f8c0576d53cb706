"""The recorded Redfish resources and BIOS outputs, and the trees that belong to one machine. None where the folder is absent."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).parents[2]
RECORDED = Path(os.environ.get("CROWBAR_RECORDED", HERE.parent / "shared" / "recorded"))
_MACHINE = re.compile(r"mockups-[^-]+|DL325|Gigabyte|Intel|XL675d_A40")


class Recording(NamedTuple):
    name: str
    text: str


def recordings() -> list[Recording]:
    index = RECORDED / "INDEX.md"
    lines = index.read_text(encoding="utf-8").splitlines() if index.exists() else []
    named = [line.split(" | ") for line in lines if re.search(r" \| (redfish|bios): ", line)]
    return [Recording(one[0], (RECORDED / one[0]).read_bytes().decode("utf-8", "replace")) for one in named]


def trees(found: list[Recording]) -> dict[str, dict[str, Any]]:
    """Machine -> path -> resource."""
    out: dict[str, dict[str, Any]] = defaultdict(dict)
    for one in found:
        machine = _MACHINE.match(Path(one.name).name)
        try:
            body = json.loads(one.text)
        except ValueError:
            continue
        path = body.get("@odata.id") if isinstance(body, dict) else None
        if machine and isinstance(path, str):
            out[machine[0]].setdefault(path.rstrip("/"), body)
    return dict(out)


ALL = recordings()
TREES = trees(ALL)
absent = pytest.mark.skipif(not ALL, reason=f"no recorded hardware at {RECORDED}")
KNOWN = "a6b8e3b0e18b8206"
"""Of the names of the recordings that the golden files are made from. Others are read too, and compared with nothing."""
known = pytest.mark.skipif(
    hashlib.sha256("\n".join(sorted(one.name for one in ALL)).encode()).hexdigest()[:16] != KNOWN,
    reason="other recordings than those of the golden files",
)
