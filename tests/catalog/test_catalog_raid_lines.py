"""The short lines of a RAID controller: the node's awk and the engine's readers make the same ones of the same report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from node_folder import REPO

from engine.core.hardware.raid_lines import lines
from engine.readers.raid_formats import RAID_FORMATS
from engine.readers.report import Refused

sys.path.insert(0, str(REPO / "tests/readers"))

from readers_raid_samples import MEGACLI, SSACLI, STORCLI_TEXT

SAMPLES = {"storcli": STORCLI_TEXT, "megacli": MEGACLI, "ssacli": SSACLI}


def of_node(tool: str, text: str) -> list[str]:
    done = subprocess.run(
        [str(REPO / "images/node/raid"), "lines", tool], input=text, capture_output=True, text=True, check=True, timeout=60
    )
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("tool", SAMPLES)
def test_node_and_engine_agree(tool: str) -> None:
    record = RAID_FORMATS[tool][1](SAMPLES[tool])
    place = record.drives[0].controller
    made = of_node(tool, SAMPLES[tool])
    assert made == lines(record, place)
    assert {line.split()[0] for line in made} == {"v", "w", "d", "i"}


@pytest.mark.parametrize(
    ("tool", "pattern"),
    [("megacli", "glensc-*/t-data-megacli-*pdlist*"), ("megacli", "netdata-*/megacli-mega-phys*info.txt"), ("ssacli", "netdata-*/hpssa-*")],
)
def test_they_agree_on_recorded_reports(recorded: Path, tool: str, pattern: str) -> None:
    compared = 0
    for path in sorted(recorded.glob(pattern)):
        text = path.read_bytes().decode(errors="replace")
        try:
            record = RAID_FORMATS[tool][1](text)
        except Refused:
            continue
        if len({one.controller for one in record.drives}) == 1:
            assert of_node(tool, text) == lines(record, record.drives[0].controller), path.name
            compared += 1
    assert compared
