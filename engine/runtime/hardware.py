"""Takes the hardware reports of a machine out of what its role gave: reads them, keeps them in files, and leaves a summary in their place.

    gives.hardware = {"reports": base64 of a tar, compressed by gzip}    as the node sent it (at most 256 KiB)
    gives.hardware = {digest, facts, changes, gone, odd, refused, reports}      as the engine sees it

The reports come from a machine that is not believed. The archive and each report are bounded, readers refuse what they cannot read, and a
report that is refused costs the others nothing. Thread-safe: it runs in the thread that brings the outcome.
"""

from __future__ import annotations

import base64
import binascii
import io
import logging
import tarfile
import threading
import time
import zlib
from collections.abc import Callable
from hashlib import sha256

from msgspec import Struct
from msgspec.structs import replace

from .. import reasons
from ..core.hardware.inventory import REPORTS
from ..core.hardware.parts_diff import PartChange, facts
from ..definitions import Json
from ..events import Event, Outcome
from ..jigs.outcome import failed
from ..model import NodeId
from ..parts import Parts
from ..readers import formats
from ..readers.join import join
from ..readers.report import Refused, told
from ..store.hardware import HardwareRecord, HardwareShelf, ReportRead, Source, digest

log = logging.getLogger(__name__)

MOST_REPORTS = 400
"""A server with 100 drives has some 200."""
MOST_OCTETS = 32 << 20
"""Of all reports of a look together, unpacked."""
TOLD = 20
"""Changes, refusals and odd things that the summary tells."""


class HardwareLook(Struct, frozen=True, kw_only=True):
    """What a bundle of reports says."""

    parts: Parts
    reports: tuple[ReportRead, ...]


class BadBundle(ValueError):
    """the reports cannot be unpacked"""


class HardwareReports:
    def __init__(self, shelf: HardwareShelf, now: Callable[[], float] = time.time) -> None:
        self._shelf = shelf
        self._now = now
        self._lock = threading.Lock()

    def submit_to(self, submit: Callable[[Event], bool]) -> Callable[[Event], bool]:
        """The same way into the engine, past the shelf."""
        return lambda event: submit(self._summed_up(event) if isinstance(event, Outcome) and REPORTS in event.gives else event)

    def _summed_up(self, event: Outcome) -> Outcome:
        given = event.gives[REPORTS]
        raw = given.get("reports") if isinstance(given, dict) else None
        if not isinstance(raw, str):
            return failed(event.attempt, event.node, reasons.bad_result(role="inventory", message="it gives no reports"))
        try:
            packed = base64.b64decode(raw, validate=True)
            look = read_bundle(packed)
        except (BadBundle, binascii.Error, ValueError) as error:
            return failed(
                event.attempt, event.node, reasons.bad_result(role="parts", message=f"its reports cannot be unpacked: {error}"[:200])
            )
        return replace(event, gives={**event.gives, REPORTS: self.keep(event.node, look, "in-band", packed)})

    def keep(self, node: NodeId, look: HardwareLook, source: Source, raw: bytes = b"") -> dict[str, Json]:
        """Keeps a look at a machine, and sums it up."""
        changes: tuple[PartChange, ...] = ()
        record = HardwareRecord(at=self._now(), source=source, parts=look.parts, reports=look.reports, sum=sha256(raw).hexdigest())
        try:
            with self._lock:
                changes = self._shelf.put(node, record, raw)
        except (OSError, ValueError) as error:
            log.warning("the hardware record of %s is not kept: %s", node, error)
        gone = [one for one in changes if one.what == "gone"]
        ordered = [*gone, *(one for one in changes if one.what != "gone")]
        return {
            "digest": digest(look.parts),
            "facts": dict(facts(look.parts)),
            "changes": [str(one)[:200] for one in ordered[:TOLD]],
            "gone": min(len(gone), TOLD),
            "odd": [one[:200] for one in look.parts.odd[:TOLD]],
            "refused": [f"{one.name}: {one.refused}"[:200] for one in look.reports if one.refused][:TOLD],
            "reports": len(look.reports),
        }


def read_bundle(packed: bytes) -> HardwareLook:
    """What the reports of a look say together. Raises BadBundle."""
    read: list[tuple[str, Parts]] = []
    reports: list[ReportRead] = []
    for name, data in unpacked(packed):
        if not data.strip():
            continue  # the tool found nothing to tell
        try:
            format, parts = formats.read_octets(data, name.partition("@")[0] if name.partition("@")[0] in formats.FORMATS else "")
        except Refused as refused:
            reports.append(ReportRead(name=name, octets=len(data), refused=str(refused)[:200]))
            continue
        read.append((format, parts))
        reports.append(ReportRead(name=name, format=format, octets=len(data)))
    return HardwareLook(parts=join(read), reports=tuple(reports))


def unpacked(packed: bytes) -> list[tuple[str, bytes]]:
    """(name, content) of each report in a tar that gzip compressed. Raises BadBundle."""
    try:
        plain = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        data = plain.decompress(packed, MOST_OCTETS)
        if plain.unconsumed_tail:
            raise BadBundle(f"they have more than {MOST_OCTETS >> 20} MiB")
        if not plain.eof:
            raise BadBundle("the archive is cut off")
        out: list[tuple[str, bytes]] = []
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            for member in tar:
                if len(out) >= MOST_REPORTS:
                    raise BadBundle(f"there are more than {MOST_REPORTS}")
                opened = tar.extractfile(member) if member.isreg() else None
                if opened is not None:
                    out.append((told(member.name.removeprefix("./"), 100) or "report", opened.read()))
        return out
    except (zlib.error, tarfile.TarError, EOFError, OverflowError, RecursionError, OSError) as error:
        raise BadBundle(str(error)[:120] or type(error).__name__) from None
