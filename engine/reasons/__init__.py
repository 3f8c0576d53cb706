"""Why a node, a role or a request does not continue: every reason that the engine can give.

A reason is a code and its fields. The engine stores, journals and prints that pair. It becomes a sentence only where a
person reads it (`sentence`, `advice`). Each row of the tables in this package makes one *kind*. Calling a kind with
exactly the fields of its texts gives the reason, so nobody can make a reason with a missing or an unknown field.
Each kind also names who has to act next (`Who`). From this the engine derives which nodes are stuck, and the console
marks what waits for a person.

`python -m engine.reasons` writes `docs/reasons.md` from these tables, and a test compares the two.

How to write a reason
* The sentence says what happened, on which node, and what was seen. It starts in lower case and has no full stop.
* The advice says what a person can do, with the key or the command. It is empty where waiting is right.
* The console shows the subject in front of the sentence: `sda: the disk is read-only`.
"""

from __future__ import annotations

from .addresses import *  # noqa: F403
from .attempts import *  # noqa: F403
from .bios import *  # noqa: F403
from .blockers import *  # noqa: F403
from .bmcs import *  # noqa: F403
from .boots import *  # noqa: F403
from .disks import *  # noqa: F403
from .firmware import *  # noqa: F403
from .health import *  # noqa: F403
from .identities import *  # noqa: F403
from .joined import *  # noqa: F403
from .kind import KINDS as KINDS
from .kind import Field as Field
from .kind import Kind as Kind
from .kind import Reason as Reason
from .kind import Who as Who
from .leading import *  # noqa: F403
from .monitoring import *  # noqa: F403
from .own_path import *  # noqa: F403
from .plans import *  # noqa: F403
from .requests import *  # noqa: F403
from .services import *  # noqa: F403
from .sources import *  # noqa: F403


def needs_person(code: str) -> bool:
    """True if nothing continues until a person acts. False for an unknown code (a store of another version)."""
    found = KINDS.get(code)
    return found is not None and found.who in (Who.OPERATOR, Who.TECHNICIAN, Who.AUTHOR)


def is_failure(code: str) -> bool:
    """True if the role itself failed, so that a person has to fix it."""
    return code in ("failed", "unverifiable")


def is_elsewhere(code: str) -> bool:
    """True if the cause lies in another role or in the boot, whose own reason explains it better."""
    found = KINDS.get(code)
    return found is not None and found.elsewhere


def sentence(reason: Reason) -> str:
    """The reason in words, for a person. For an unknown code (a store of another version): the code and its fields."""
    found = KINDS.get(reason.code)
    if found is None or not found.names <= reason.fields.keys():
        return f"{reason.code} {reason.fields}"
    return found.sentence.format(**reason.fields)


def advice(reason: Reason) -> str:
    """What to do now, in words. Empty where waiting is right."""
    found = KINDS.get(reason.code)
    if found is None or not found.names <= reason.fields.keys():
        return ""
    return found.advice.format(**reason.fields)


def as_markdown() -> str:
    """The whole text of `docs/reasons.md`."""
    head = (
        "# Reasons\n\nEvery reason why a node, a role or a request does not continue, and what to do about it. JSON output has the code\n"
        "and the fields. The console and `crowbar explain` show the sentence. Made by `python -m engine.reasons`.\n\n"
        "| code | what happened | who acts | what to do |\n|---|---|---|---|\n"
    )
    rows = (f"| `{k.code}` | {k.sentence} | {k.who.value} | {k.advice or 'wait'} |\n" for k in KINDS.values())
    return head + "".join(rows).replace("{{", "{").replace("}}", "}")
