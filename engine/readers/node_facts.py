"""What the kernel says of a machine, as the role `parts` writes it: a line for each thing, `WORD VALUE` or `WORD NAME KEY=VALUE ...`.

crowbar-node-facts 1
boot-mode efi
secure-boot on
tpm 2
port eno1 mac=f4:02:70:aa:bb:01 pci=0000:3b:00.0 driver=bnxt_en functions=64
left-out smartctl-json@sdb too much
"""

from __future__ import annotations

import re

from engine.parts import NetPort, Parts, Piece
from engine.readers import plain
from engine.readers.report import MOST_ITEMS, Refused, told

HEAD = "crowbar-node-facts 1"
_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def looks(text: str) -> bool:
    return text.startswith(HEAD)


def read(text: str) -> Parts:
    """Raises Refused for a text that is none of this version."""
    rows = plain.whole_lines(text)
    if not rows or rows[0] != HEAD:
        raise Refused(f"expected {HEAD!r} as the first line")
    words = [row.split() for row in rows[1:] if row.strip()]
    single = {row[0]: row[1] for row in words if len(row) == 2}
    ports = tuple(
        _port(row[1], dict(pair.split("=", 1) for pair in row[2:] if "=" in pair)) for row in words if row[0] == "port" and len(row) > 2
    )
    tpm = single.get("tpm", "")
    mode = single.get("boot-mode", "")
    return Parts(
        ports=ports[:MOST_ITEMS],
        boot_mode="efi" if mode == "efi" else "bios" if mode == "bios" else "",
        secure_boot={"on": True, "off": False}.get(single.get("secure-boot", "")),
        tpm=Piece() if tpm in ("1", "2") else None,
        tpm_version={"1": "1.2", "2": "2.0"}.get(tpm, ""),
        odd=tuple(f"left out: {told(' '.join(row[1:]), 100)}" for row in words if row[0] == "left-out")[:50],
    )


def _port(name: str, keys: dict[str, str]) -> NetPort:
    mac, pci, functions = keys.get("mac", "").lower(), keys.get("pci", ""), keys.get("functions", "")
    return NetPort(
        name=told(name, 32),
        mac=mac if _MAC.fullmatch(mac) else "",
        pci=pci if _PCI.fullmatch(pci) else "",
        driver=told(keys.get("driver", ""), 64),
        functions=int(functions) if functions.isascii() and functions.isdigit() and len(functions) < 6 else None,
    )
