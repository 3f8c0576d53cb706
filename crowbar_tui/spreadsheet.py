"""Tables for a spreadsheet, of texts that come from machines. Light: a console that attaches writes them too."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

_COMPUTED = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""What begins a formula, also in full width, which some spreadsheets take for the same."""


def spreadsheet(rows: Iterable[Sequence[str]]) -> str:
    """Rows as CSV with CRLF (RFC 4180). A cell that a spreadsheet would compute has an apostrophe in front."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_cell(text) for text in row])
    return out.getvalue()


def _cell(text: str) -> str:
    return f"'{text}" if text.lstrip().startswith(_COMPUTED) else text
