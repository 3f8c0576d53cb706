"""`lscpu` (text, JSON) and `/proc/cpuinfo`: the processors, one for each socket. Source: lscpu(1) of util-linux; the kernel's cpuinfo.

lscpu translates its words. A translated report is refused: run it with LC_ALL=C.
"""

from __future__ import annotations

import re

from engine.parts import Parts, Processor
from engine.readers import plain
from engine.readers.report import Refused, told

MOST_SOCKETS = 256


def looks_lscpu(text: str) -> bool:
    """`Architecture` is also a line of package managers."""
    return bool(re.search(r"^(?:CPU op-mode\(s\)|CPU\(s\)):\s", text[:4000], re.MULTILINE)) or looks_lscpu_json(text)


def looks_lscpu_json(text: str) -> bool:
    return plain.begins_json(text, "lscpu", "field")


def looks_cpuinfo(text: str) -> bool:
    return bool(re.search(r"^processor[ \t]*:[ \t]*\d", text[:4000], re.MULTILINE))


def read_lscpu(text: str) -> Parts:
    """One processor for each socket that lscpu counts. Raises Refused where it counts none."""
    told_of = _json_pairs(plain.tree(text)) if looks_lscpu_json(text) else plain.pairs(plain.whole_lines(text))
    if "Architecture" not in told_of and "CPU(s)" not in told_of:
        raise Refused("lscpu did not print English words; run it with LC_ALL=C")
    sockets = plain.integer(told_of.get("Socket(s)"), MOST_SOCKETS)
    cores = plain.integer(told_of.get("Core(s) per socket"), 65536)
    if not sockets:
        return Parts(odd=(f"lscpu tells no number of sockets ({told(told_of.get('Socket(s)', '')) or 'nothing'})",))
    architecture = told(told_of.get("Architecture", ""))
    flags = set(told_of.get("Flags", "").split())
    word = told_of.get("Virtualization", "")
    virtual = True if word in ("VT-x", "AMD-V") else False if flags and architecture == "x86_64" and not flags & {"vmx", "svm"} else None
    one = Processor(
        vendor=told(told_of.get("Vendor ID", "")),
        model=told(told_of.get("Model name", "")),
        cores=cores,
        threads=cores * plain.integer(told_of.get("Thread(s) per core"), 64),
        mhz=_mhz(told_of.get("CPU max MHz", "")),
        architecture=architecture,
        virtualization=virtual,
    )
    return Parts(processors=(one,) * sockets)


def _json_pairs(tree: object) -> dict[str, str]:
    """`lscpu -J`: a list of fields; since util-linux 2.37 they have children."""
    out: dict[str, str] = {}
    waiting = plain.many(plain.item(tree, "lscpu"))
    while waiting:
        one = waiting.pop(0)
        field, data = plain.item(one, "field"), plain.item(one, "data")
        if isinstance(field, str) and isinstance(data, str):
            out.setdefault(field.rstrip(":").strip(), data)
        waiting[:0] = plain.many(plain.item(one, "children"))
    return out


def _mhz(text: str) -> int:
    found = re.fullmatch(r"(\d{1,6})(?:[.,]\d+)?", text.strip())
    return int(found[1]) if found else 0


def read_cpuinfo(text: str) -> Parts:
    """The processors by physical id. ARM and POWER tell none: then the record says so and has no processor. Raises Refused."""
    blocks = [plain.pairs(block.splitlines()) for block in re.split(r"\n\s*\n", "\n".join(plain.whole_lines(text)))]
    logical = [one for one in blocks if plain.maybe(one.get("processor")) is not None]
    if not logical:
        raise Refused(f"/proc/cpuinfo lists no processor; it begins with: {plain.first(plain.lines(text), 80)}")
    by_socket: dict[str, dict[str, str]] = {}
    for one in logical:
        if (socket := one.get("physical id", "")) and len(by_socket) < MOST_SOCKETS:
            by_socket.setdefault(socket, one)
    if not by_socket:
        return Parts(odd=(f"/proc/cpuinfo tells no sockets; it lists {len(logical)} logical processors",))
    return Parts(processors=tuple(_socket(one) for one in by_socket.values()))


def _socket(one: dict[str, str]) -> Processor:
    flags = set(one.get("flags", "").split())
    return Processor(
        vendor=told(one.get("vendor_id", "")),
        model=told(one.get("model name", "")),
        cores=plain.integer(one.get("cpu cores"), 65536),
        threads=plain.integer(one.get("siblings"), 65536),
        architecture="x86_64" if "lm" in flags else "",
        virtualization=bool(flags & {"vmx", "svm"}) if "lm" in flags else None,
    )
