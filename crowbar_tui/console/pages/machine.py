"""A machine in words: its name, its state, its newest signal, and all of it as one row of a table."""

from __future__ import annotations

from collections.abc import Sequence

from engine.api.views import NodeRow, boot_next, short

from .. import glyphs as g
from ..formats import stamp
from ..session import Session
from ..standing import standing

HEADS = tuple("node,state,rack,unit,serial,MAC,address,BMC address,runs,family,group,last signal,seen,progress,why".split(","))


def record_of(session: Session, row: NodeRow) -> Sequence[str]:
    """A machine under `HEADS`, nothing cut."""
    row = session.row(row.id) if row.id in session.rows else row
    node = session.world.nodes.get(row.id)
    rack, _, unit = row.place.rpartition(":")
    macs = " ".join(node.macs) if node is not None else row.name
    named = (name_of(row), state_of(session, row), rack, unit, node.serial if node is not None else "", macs, row.address)
    bmc = node.bmc.address if node is not None and node.bmc is not None else ""
    done = f"{session.share(row) * 100:.0f}%" if row.roles else ""
    why = session.say(row.why.sentence) if row.why is not None else "; ".join(one.text for one in session.cables(row))
    return (*named, bmc, row.runs, row.family, row.group, signal_of(session, row), stamp(session.last_seen(row)), done, why)


def state_of(session: Session, row: NodeRow) -> str:
    """The state in a word. A node that the title counts as a problem or as waiting says so, with its stage."""
    how = standing(row)
    node = session.node(row.id)
    if node is None or how not in ("problem", "waiting") or row.state in ("hold", "discovered"):
        return row.state
    return f"{node.stage or 'discovery'} {how}"


def name_of(row: NodeRow) -> str:
    return short(row.name) if row.kind != "sighting" else row.name


def signal_of(session: Session, row: NodeRow) -> str:
    """The newest signal: of the task, or else of the boot."""
    if row.task:
        progress = session.progress(row.id)
        return progress.text if progress is not None and progress.text else f"{row.task} runs"
    node = session.node(row.id)
    if node is not None and node.boot is not None:
        return f"{row.signal} {g.NEXT} {boot_next(node)}"
    if row.kind == "sighting":
        return f"{row.signal} {g.NEXT} first hello"
    if row.kind == "admin":
        return "this machine"
    return ": ".join(part for part in (row.signal, row.runs) if part)
