"""The invented reports of `examples/`, and what they say by `golden.json`. `python tests/readers/invented.py` writes the golden anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from engine.readers.formats import read_octets
from engine.readers.report import Refused

EXAMPLES = Path(__file__).parent / "examples"
GOLDEN = Path(__file__).parent / "golden.json"


def said(name: str) -> dict[str, Any]:
    """As JSON has it: the format and the whole record, or why it is refused."""
    try:
        format, parts = read_octets((EXAMPLES / name).read_bytes())
    except Refused as refused:
        return {"refused": str(refused)}
    found: dict[str, Any] = json.loads(json.dumps({"format": format, "parts": msgspec.to_builtins(parts)}))
    return found


def names() -> list[str]:
    return sorted(path.name for path in EXAMPLES.iterdir())


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps({name: said(name) for name in names()}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
