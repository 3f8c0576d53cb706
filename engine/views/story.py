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
from .orders import person_in

_EDITS = ("Propose", "Recall", "CommitProposals")
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
        `took_s` of a challenge, `who` and `did` of a person's order that changed something."""
        out: dict[str, Json] = {"seq": row.seq, "at": round(row.at, 3), "type": _WORDS.sub("-", row.event).lower(), "node": ""}
        words: list[str] = []
        others: list[str] = []
        node_id, certain = self._whose(row)
        for table, key, body in row.rows:
            if table == "nodes" and body is not None:
                if key == node_id or not certain:
                    words += self._node(out, body)
                else:
                    others += self._other(body)
            elif table == "nodes":
                words.append(f"{self._names.get(str(key), key)} deleted")
            elif table == "node_roles":
                words += self._role(out, cast(list[str], key), body, node_id if certain else "")
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
            place = row.fields.get("pointer")
            verb = "clears" if row.fields.get("clear") else "sets"
            words.insert(0, f"{row.fields.get('who')}: {verb} {row.fields.get('name')}{f'#{place}' if place else ''} of {whose}")
        words += _seen(row)
        ordered = _order(row)
        if ordered:
            words.insert(0, f"{row.fields.get('who')}: {ordered}")
        out |= person_in(row.event, row.fields, row.rows, self._names)
        out["text"] = "; ".join(dict.fromkeys([*words, *others]))
        return out

    def _whose(self, row: JournalRow) -> tuple[str, bool]:
        """Id of the node that the event is about, and whether the event itself says so. An outcome of one node may change others: a server
        that listens makes a node of its switch. Without such a word it is the last changed node."""
        changed = [str(key) for table, key, body in row.rows if table == "nodes" and body is not None]
        self._names.update({str(key): str(body["name"]) for table, key, body in row.rows if table == "nodes" and body is not None})
        told = str(row.fields.get("node", ""))
        if told in self._names:
            return told, True
        return changed[-1] if changed else told, False

    def _other(self, body: dict[str, Json]) -> list[str]:
        """What changed of a node that the event is not about, with its name."""
        own: dict[str, Json] = {}
        words = self._node(own, body)
        name = str(body["name"]).split(".")[0]
        return [f"{name}: {word}" for word in words]

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

    def _role(self, out: dict[str, Json], key: list[str], body: dict[str, Json] | None, subject: str) -> list[str]:
        """`subject`: the node that the event is about. Empty: any."""
        node, role = key
        own = subject in ("", node)
        roles: dict[str, Json] = cast(dict[str, Json], out.setdefault("roles", {})) if own else {}
        state = str(body["state"]) if body is not None else "gone"
        if self._states.get((node, role)) == state:
            return []
        self._states[(node, role)] = state
        roles[role] = state
        return [f"{role} {state}" if own else f"{role} on {self._names.get(node, node).split('.')[0]} {state}"]


def _order(row: JournalRow) -> str:
    """What an operator ordered. Empty: the event is no such order, or `tell` says it."""
    if row.event in _EDITS:
        return _edit(row)
    if row.event == "Join":
        return f"joins the machine at {row.fields.get('address')}"
    return f"{row.fields.get('verb')} {row.fields.get('role') or ''}".rstrip() if row.event == "Operate" else ""


def _seen(row: JournalRow) -> list[str]:
    """What an event reports that stands in no record, or in none that this story reads."""
    fields = row.fields
    if row.event == "AdminSeen":
        return [_here(fields.get("here"))]
    if fields.get("failure"):
        return []
    if row.event == "AilmentsFound":
        return [_ailments(fields.get("ailments"))]
    if row.event == "KeyRemoved":
        return [f"the engine's key is removed from {fields.get('name')} at {fields.get('address')}"]
    if row.event == "PowerSet" and fields.get("action") == "identify":
        seconds = fields.get("seconds")
        return [f"its light blinks for {seconds} s" if seconds else "its light is off"]
    return []


def _ailments(found: Json) -> str:
    """What a node's BMC reports as wrong from now on."""
    told = [_reason(one["reason"]) for one in found or () if isinstance(one, dict) and one.get("reason")]
    return f"its BMC reports: {'; '.join(told)[:300]}" if told else "its BMC reports no problem any more"


def _here(here: Json) -> str:
    """What the admin node's own port hears."""
    body = here if isinstance(here, dict) else {}
    heard = [
        f"{one.get('system') or one.get('chassis')} {one.get('port')}" for one in body.get("neighbours") or () if isinstance(one, dict)
    ]
    return f"this machine hears {', '.join(heard) or 'no switch'} on {body.get('interface') or 'its interface'}"


def _edit(row: JournalRow) -> str:
    """What an operator did with single deployments."""
    one = row.fields.get("deployment")
    if row.event == "CommitProposals":
        return f"commits {', '.join(cast(list[str], row.fields.get('deployments') or []))}"
    if row.event == "Recall":
        return f"recalls the proposal of {one}"
    return f"proposes {'to delete ' if row.fields.get('wanted') is None else ''}{one}"


def _reason(body: Json) -> str:
    return sentence(convert(body, Reason))
