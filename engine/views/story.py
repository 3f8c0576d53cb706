"""A journal row in words: what happened, to which node, and what changed. For `crowbar events`, JSON lines and the console's stream.

It needs only the row (plain data), so it also works for a row of another version or of an exported journal. Names of nodes come from a
table that `Story` keeps as it reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from msgspec import convert

from ..definitions import Json
from ..reasons import Reason, sentence
from ..store.store import JournalRow

_WORDS = re.compile(r"(?<!^)(?=[A-Z])")


class Story:
    """Reads journal rows in order."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        """`names`: node id -> name, for a story that does not begin with the first row."""
        self._names: dict[str, str] = dict(names or {})
        self._states: dict[tuple[str, str], str] = {}

    def tell(self, row: JournalRow) -> dict[str, Json]:
        """One JSON object: `seq`, `at`, `type`, `node` (name or empty), `text`, and if they apply: `roles` (role -> new state),
        `signal`, `stage`, `problem`, `mac`, `reason`, `confirmed` (what confirmed the claim: `bmc` or `operator`) with `way` and
        `took_s` of a challenge."""
        out: dict[str, Json] = {"seq": row.seq, "at": round(row.at, 3), "type": _WORDS.sub("-", row.event).lower(), "node": ""}
        words: list[str] = []
        node_id = str(row.fields.get("node", ""))
        for table, key, body in row.rows:
            if table == "nodes" and body is not None:
                node_id = str(key)
                self._names[node_id] = str(body["name"])
                words += self._node(out, body)
            elif table == "nodes":
                words.append(f"{self._names.get(str(key), key)} deleted")
            elif table == "node_roles":
                words += self._role(out, cast(list[str], key), body)
            elif table == "sightings" and body is not None:
                out["mac"] = str(key)
                if body.get("reason"):
                    words.append(_reason(body["reason"]))
            elif table == "leases" and body is not None:
                words.append(f"{body['mac']} {body['state']} {body['address']}")
            elif table == "revisions" and body is not None:
                words.append(f"revision {body['number']} by {body['who']}")
        out["node"] = self._names.get(node_id, node_id)
        if row.event == "Proved":
            out["way"], out["took_s"] = row.fields.get("way", ""), row.fields.get("took_s", 0.0)
        failure = row.fields.get("failure")
        if failure:
            out["reason"] = failure
            words.append(_reason(failure))
        if row.event == "SetAttribute":
            scope, slash, role = str(row.fields.get("scope", "")).partition("/")
            out["node"] = self._names.get(scope, "") or str(out["node"])
            whose = f"{role} on {self._names.get(scope, scope)}" if slash else self._names.get(scope, scope)
            verb = "clears" if row.fields.get("clear") else "sets"
            words.insert(0, f"{row.fields.get('who')}: {verb} {row.fields.get('name')} of {whose}")
        if row.event == "Operate":
            words.insert(0, f"{row.fields.get('who')}: {row.fields.get('verb')} {row.fields.get('role') or ''}".rstrip())
        out["text"] = "; ".join(dict.fromkeys(words))
        return out

    def _node(self, out: dict[str, Json], body: dict[str, Json]) -> list[str]:
        words = []
        boot = body.get("boot")
        signal = boot["signal"] if boot else body.get("signal", "")
        out["signal"], out["stage"] = signal, body.get("stage", "")
        known = self._states.get((body["id"], ""), "")
        state = f"{body.get('stage')} / {body.get('runs') or (('booting ' + boot['environment'] + ': ' + signal) if boot else 'off')}"
        if state != known:
            self._states[(body["id"], "")] = state
            words.append(state)
        confirmed = str(body.get("confirmed") or "")
        if confirmed != self._states.get((body["id"], "confirmed"), ""):
            self._states[(body["id"], "confirmed")] = confirmed
            if confirmed:
                out["confirmed"] = confirmed
                words.append(f"the {'BMC' if confirmed == 'bmc' else confirmed} confirms the claim")
        if body.get("problem"):
            out["problem"] = body["problem"]
            words.append(_reason(body["problem"]))
        return words

    def _role(self, out: dict[str, Json], key: list[str], body: dict[str, Json] | None) -> list[str]:
        node, role = key
        roles = cast(dict[str, Json], out.setdefault("roles", {}))
        state = str(body["state"]) if body is not None else "gone"
        if self._states.get((node, role)) == state:
            return []
        self._states[(node, role)] = state
        roles[role] = state
        return [f"{role} {state}"]


def _reason(body: Json) -> str:
    return sentence(convert(body, Reason))
