"""Hardware for the command line and the console: reports that are read, recognised and joined, and the records of machines."""

from __future__ import annotations

from ..core.hardware.expected import EXPECTED
from ..core.hardware.parts_diff import Deviation, PartChange, differences, facts, outliers, unexpected
from ..core.roles.attributes import of_node
from ..parts import Parts
from ..readers.formats import FORMATS, read_octets
from ..readers.join import join
from ..readers.report import MOST_CHARACTERS, Refused
from ..store.hardware import HardwareRecord, HardwareShelf

__all__ = [
    "EXPECTED",
    "FORMATS",
    "MOST_CHARACTERS",
    "Deviation",
    "HardwareRecord",
    "HardwareShelf",
    "PartChange",
    "Parts",
    "Refused",
    "differences",
    "facts",
    "join",
    "of_node",
    "outliers",
    "read_octets",
    "unexpected",
]
