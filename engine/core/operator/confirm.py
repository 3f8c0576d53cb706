"""`confirm`: an operator has compared the fingerprint on the machine's own screen with the console's. Secrets may go there from now on.

It is for what runs there now. The next boot is another claim, with another fingerprint.
"""

from __future__ import annotations

import hmac

from ... import reasons
from ...definitions import Json
from ...model import Kind, Node
from ...reasons import Reason
from ..roles.confirm import confirm as claim_confirmed
from ..world.work import Work


def confirm(w: Work, node: Node, who: str, value: Json) -> Reason | str:  # noqa: ARG001  a verb's signature
    """`value`: the fingerprint. Case, spaces and the dash do not matter."""
    if node.kind is not Kind.SERVER:
        return reasons.illegal(verb="confirm", node=node.name, state="not a server")
    if not node.fingerprint:
        return reasons.illegal(verb="confirm", node=node.name, state="not running anything from memory that said hello")
    given = str(value or "").strip()
    if not hmac.compare_digest(_digits(given).encode(), _digits(node.fingerprint).encode()):
        return reasons.wrong_fingerprint(given=given[:40] or "(none)", node=node.name)
    if node.confirmed:
        return f"{node.name} is confirmed already"
    if claim_confirmed(w, node, "operator") is None:
        return reasons.illegal(verb="confirm", node=node.name, state="not up")
    return f"{node.name} is confirmed until its next boot: it may receive secrets"


def _digits(text: str) -> str:
    return "".join(one for one in text.lower() if one not in " -:")
