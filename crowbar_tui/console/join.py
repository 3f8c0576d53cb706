"""Adopting an installed machine from the console (`:join a machine`): its address, its fingerprint, and a password if the engine's key is
not enough.

Each question follows from the engine's last refusal. What is typed as a password is shown as stars, and is kept by nobody.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from engine.api.views import Reason

from .overlays import Asked, Hidden, Sure
from .session import Session
from .snapshot import Said, refused

UNCONFIRMED, LOGIN = "join_host_key", "join_login"


def ask_address(session: Session) -> None:
    """Begins: asks for the address."""
    if session.may_do():
        session.overlay = Asked(session, "address of the installed machine to adopt", lambda address: _try(session, address))


def _try(session: Session, address: str, host_key: str = "", password: str | None = None) -> None:
    source = session.source
    if source is None:
        return
    session.note(Said(True, f"the engine looks at the machine at {address}"))
    session.work(lambda: source.join(address, host_key, password), partial(_answered, session, address, host_key, password))


def _answered(session: Session, address: str, host_key: str, password: str | None, said: Any) -> None:
    if not isinstance(said, Reason):
        session.note(said if isinstance(said, Said) else Said(False, str(said)))
        return
    if said.code == UNCONFIRMED and not host_key:
        shown = str(said.fields["fingerprint"])
        session.overlay = Sure(
            session,
            f"adopt the machine at {address}?",
            f"It shows the SSH host key {shown}. Press y only if the machine's own screen shows the same: "
            f"ssh-keygen -lf {said.fields['file']}",
            None,
            lambda: _try(session, address, shown),
        )
        return
    session.note(refused(said))
    if said.code == LOGIN and host_key and password is None:
        session.overlay = Hidden(session, f"password of root at {address}", lambda typed: _try(session, address, host_key, typed))
