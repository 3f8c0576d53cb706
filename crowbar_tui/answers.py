"""Sends a command to a running engine, for one or many nodes, and prints the answers as text or JSON: receipts, or refusals with
reasons."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.api.control import Attached, AttachError, Reason, Receipt, advice, sentence

from . import lines

AT_ONCE = 8
"""Commands in flight at a time. The engine allows one user twice as many connections."""

Ask = Callable[[Attached], Receipt | Reason]


def ask_each(store: Path, verb: str, asks: Sequence[tuple[str, Ask]], as_json: bool) -> int:
    """Sends the command for each (name, question), and prints the answers in the same order. Exit code: 0 all done, 1 something was
    refused."""
    try:
        Attached(store).close()
    except AttachError as error:
        return no_engine(error)
    worst = 0
    with ThreadPoolExecutor(min(AT_ONCE, max(len(asks), 1))) as pool:
        answers = [pool.submit(_ask, store, ask) for _, ask in asks]
        for (name, _), answer in zip(asks, answers, strict=True):
            found = answer.result()
            if isinstance(found, AttachError):
                worst = no_engine(found)
            else:
                worst = max(worst, tell(name, verb, found, as_json))
    return worst


def _ask(store: Path, ask: Ask) -> Receipt | Reason | AttachError:
    try:
        with Attached(store) as engine:
            return ask(engine)
    except AttachError as error:
        return error


def no_engine(error: AttachError) -> int:
    print(f"crowbar: {error}", file=sys.stderr)
    return 1


def tell(name: str, verb: str, answer: Receipt | Reason, as_json: bool) -> int:
    """Prints one answer. Returns the exit code."""
    if isinstance(answer, Receipt):
        print(json.dumps({"type": "receipt", "node": name, "verb": verb, "message": answer.message}) if as_json else answer.message)
        return 0
    refuse(name, verb, answer, as_json)
    return 1


def refuse(name: str, verb: str, reason: Reason, as_json: bool) -> None:
    if as_json:
        body: dict[str, Any] = {"type": "refusal", "node": name, "verb": verb, "code": reason.code, "fields": dict(reason.fields)}
        print(json.dumps(body | {"sentence": sentence(reason), "advice": advice(reason)}))
        return
    head = f"crowbar: {lines.short(name)}: " if name else "crowbar: "
    print(f"{head}{sentence(reason)}", file=sys.stderr)
    if advice(reason):
        print(f"  try: {advice(reason)}", file=sys.stderr)
