"""What a person did, in words, from the fields of an event in the journal: `held`, `retried raid-configure on compute-14`. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.operator import verbs
from ..definitions import Json

NOTE = 200
"""Most characters of a note that are shown."""


def done(fields: Mapping[str, Json], node: str = "") -> str:
    """What an `Operate` event did, in the past tense. `node`: the name of its node. Empty: the words stand beside the node."""
    verb, role = str(fields.get("verb") or ""), str(fields.get("role") or "")
    row = verbs.find(verb, role)
    what = row.done if row is not None else verb
    value = fields.get("value")
    if row is verbs.POWER:
        action = value.get("action") if isinstance(value, dict) else value
        return " ".join(part for part in (f"powered {action}" if action in ("on", "off") else f"power {action}", node) if part)
    parts = [what, f"{role}{' on' if node else ''}" if role else "", node]
    words = " ".join(part for part in parts if part)
    takes = row.takes if row is not None else None
    if takes is not None and takes.kind in ("node", "system", "note") and isinstance(value, str) and value:
        joined = f" {takes.joined} " if takes.joined else ": "
        words += joined + value[:NOTE]
    return words


def of_row(event: str, fields: Mapping[str, Json], rows: list[tuple[str, Json, dict[str, Json] | None]], names: Mapping[str, str]) -> str:
    """What a person did in this row of the journal, without the person's name. Empty: no person did it. `names`: node id -> name."""

    def name(of: Json) -> str:
        return names.get(str(of), str(of)).split(".")[0]

    match event:
        case "Operate":
            return done(fields, name(fields.get("node")))
        case "Commit" | "CommitProposals":
            number = next((body["number"] for table, _, body in rows if table == "revisions" and body is not None), None)
            return f"committed revision {number}" if number is not None else "committed the plan; nothing changed"
        case "Propose":
            return f"proposed {'to delete ' if fields.get('wanted') is None else ''}{fields.get('deployment')}"
        case "Recall":
            return f"recalled the proposal of {fields.get('deployment')}"
        case "Join":
            return f"joined the machine at {fields.get('address')}"
        case "SetAttribute":
            scope, slash, role = str(fields.get("scope", "")).partition("/")
            whose = f"{role} on {name(scope)}" if slash else name(scope)
            return f"{'cleared' if fields.get('clear') else 'set'} {fields.get('name')} of {whose}"
    return ""


def person_in(
    event: str, fields: Mapping[str, Json], rows: list[tuple[str, Json, dict[str, Json] | None]], names: Mapping[str, str]
) -> dict[str, Json]:
    """`who` and `did` of a row in which a person's order changed something. Empty: it is no such row."""
    did = of_row(event, fields, rows, names) if rows else ""
    return {"who": fields.get("who"), "did": did} if did else {}
