"""Reports of hardware for the command line: read, recognised and joined. It needs no engine and no store."""

from __future__ import annotations

from ..parts import Parts
from ..readers.formats import FORMATS, read_octets
from ..readers.join import join
from ..readers.report import MOST_CHARACTERS, Refused

__all__ = ["FORMATS", "MOST_CHARACTERS", "Parts", "Refused", "join", "read_octets"]
