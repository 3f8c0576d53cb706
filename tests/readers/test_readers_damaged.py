"""Damaged recordings: cut, with lines lost or twice, octets flipped, two joined. Each is read or refused, in bounded time; what has an end
mark is not read without it. The mutations are seeded, and the folder of recordings may be absent: then the invented reports are damaged.
"""

from __future__ import annotations

import contextlib
import random
import time
from pathlib import Path

import invented
import pytest
import recorded_facts as recorded

from engine.readers.formats import FORMATS, as_text, read_octets
from engine.readers.report import MOST_CHARACTERS, Refused

MUTANTS, BATCHES = 80, 4
LONGEST = 60_000
"""Octets of a recording that is damaged here; a large one takes the time of all others."""


def files() -> list[Path]:
    if (recorded.RECORDED / "INDEX.md").exists():
        every = sorted(file for file in recorded.RECORDED.rglob("*") if file.is_file() and file.name != "INDEX.md")
        return [file for file in every if file.stat().st_size <= LONGEST]
    return [invented.EXAMPLES / name for name in invented.names()]


def damaged(data: bytes, rnd: random.Random, every: list[Path]) -> bytes:
    rows, at = data.splitlines(keepends=True), rnd.randrange(len(data) + 1)
    match rnd.choice(("cut", "lost", "twice", "swapped", "flipped", "joined", "hole", "crlf")):
        case "cut":
            return data[:at]
        case "lost":
            return b"".join(row for row in rows if rnd.random() > 0.1)
        case "twice":
            return b"".join(row * (1 + (rnd.random() < 0.1)) for row in rows)
        case "swapped":
            rnd.shuffle(rows)
            return b"".join(rows)
        case "flipped":
            octets = bytearray(data)
            for _ in range(rnd.randrange(1, 30)):
                octets[rnd.randrange(len(octets))] = rnd.randrange(256)
            return bytes(octets)
        case "joined":
            return data + rnd.choice(every).read_bytes()
        case "hole":
            return data[:at] + data[at + rnd.randrange(1, 500) :]
    return data.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("batch", range(BATCHES))
def test_a_damaged_report_is_read_or_refused(batch: int) -> None:
    rnd, every = random.Random(batch), files()
    for _ in range(MUTANTS):
        file = rnd.choice(every)
        data = damaged(file.read_bytes() or b" ", rnd, every)
        begun = time.process_time()
        try:
            read_octets(data)
            reason = "none"
        except Refused as refused:
            reason = str(refused)
        assert 3 < len(reason) < 400, file
        assert time.process_time() - begun < 5, file


def whole_json(text: str) -> bool:
    return text.lstrip("\ufeff \r\n\t")[:1] in ("{", "[") and text.rstrip("\0 \r\n\t")[-1:] in ("}", "]")


def test_json_and_xml_that_are_cut_are_refused() -> None:
    """Whatever is cut off, but for space at the end."""
    rnd, every = random.Random(7), files()
    tried = 0
    for file in rnd.sample(every, min(120, len(every))):
        data = file.read_bytes()
        text = as_text(data)
        try:
            format, _ = read_octets(data)
        except Refused:
            continue
        if FORMATS[format].octets or not (whole_json(text) or text.lstrip().startswith("<?xml")):
            continue
        tried += 1
        end = len(data.rstrip())
        for at in {rnd.randrange(1, end) for _ in range(2)} | {end - 1}:
            if format == "lshw-json" and data[:at].rstrip().endswith(b"}"):
                continue  # its old form is a list of objects without brackets
            with pytest.raises(Refused):
                read_octets(data[:at])
    assert tried > 10


@pytest.mark.parametrize("octets", [b"\0", b"\xff", b"{", b"[", b"<a>", b"| ", b"a: b\n", b"Handle 0x1, DMI type 17, 9 bytes\n"])
def test_eight_megabytes_of_anything_are_refused_or_read_at_once(octets: bytes) -> None:
    begun = time.process_time()
    with contextlib.suppress(Refused):
        read_octets(octets * ((MOST_CHARACTERS - 16) // len(octets)))
    assert time.process_time() - begun < 20


def test_more_than_that_is_refused() -> None:
    with pytest.raises(Refused, match="characters; at most"):
        read_octets(b"a" * (MOST_CHARACTERS + 1))
