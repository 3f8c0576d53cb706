"""Seals secrets before anything else of the engine sees them: what an operator sets, and what a role gives. Destroys those that nobody
refers to any more.

    secret -> vault (on the disk) -> an event with its name -> world, journal

A secret is sealed before the event that names it is committed. `sweep` spares it until that is decided.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from .. import reasons
from ..core.roles import sealed
from ..core.roles.typed import misfit
from ..core.world.world import World
from ..definitions import AttributeDef, Json
from ..effects import Accept, Refuse
from ..events import Event, Outcome, SetAttribute
from ..files.key_file import KeyFileError
from ..jigs.logs import Logs
from ..jigs.outcome import failed
from ..reasons import Reason
from ..trust.vault import LIMIT, Vault, VaultError

log = logging.getLogger(__name__)

SPARED_S = 600.0
"""Seconds for which a secret is kept although nothing refers to it: its event may still wait to be committed."""


class Sealing:
    """Thread-safe."""

    def __init__(self, vault: Vault, logs: Logs, world: Callable[[], World]) -> None:
        self._vault, self._logs, self._world = vault, logs, world
        self._lock = threading.Lock()
        self._spared: list[tuple[str, float]] = []
        """Name of a secret, and until when it is spared."""

    # -- what an operator sets -----------------------------------------------------------------------------------------

    def set(self, event: SetAttribute, secret: str, ask: Callable[[SetAttribute], Accept | Refuse]) -> Accept | Refuse:
        """Seals the secret, and asks the engine to set the attribute to it."""
        definition = self._world().catalog.attributes.get(event.name)
        if definition is not None and not definition.secret:
            return Refuse(request=None, reason=reasons.not_a_secret(name=event.name))
        if definition is None or event.clear:
            return ask(replace(event, value=None))  # the engine says what is wrong
        wrong = unfit(definition, secret)
        if wrong is not None:
            return Refuse(request=None, reason=wrong)
        try:
            name = self._seal(secret)
        except (VaultError, KeyFileError, OSError) as error:
            log.warning("sealing a secret of %s: %s", event.name, error)
            return Refuse(request=None, reason=reasons.not_sealed(name=event.name, message=str(error)[:200]))
        answer = ask(replace(event, value=None, sealed=name))
        if isinstance(answer, Accept):
            self._spare_no_longer(name)
        return answer

    # -- what a role gives ---------------------------------------------------------------------------------------------

    def submit_to(self, submit: Callable[[Event], bool]) -> Callable[[Event], bool]:
        """The same way into the engine, past the vault."""
        return lambda event: submit(self._without_secrets(event) if isinstance(event, Outcome) and event.gives else event)

    def _without_secrets(self, event: Outcome) -> Outcome:
        known = self._world().catalog.attributes
        given = {name: value for name, value in event.gives.items() if name in known and known[name].secret}
        if not given:
            return event
        gives = dict(event.gives)
        for name, value in given.items():
            wrong = unfit(known[name], value)
            if wrong is None:
                try:
                    gives[name] = sealed.handle(self._seal(value))
                    continue
                except (VaultError, KeyFileError, OSError) as error:
                    wrong = reasons.not_sealed(name=name, message=str(error)[:200])
            return failed(event.attempt, event.node, reasons.bad_result(role=self._role(event), message=reasons.sentence(wrong)))
        self._logs.mask(event.attempt, [value for value in given.values() if isinstance(value, str)])
        return replace(event, gives=gives)

    def _role(self, event: Outcome) -> str:
        world, attempt = self._world(), event.attempt.rpartition(".")[0]
        roles = (world.node_roles[key] for key in world.roles_of.get(event.node) or ())
        return next((role.role for role in roles if role.attempt == attempt), event.attempt)

    # -- what nobody refers to -------------------------------------------------------------------------------------------

    def sweep(self) -> int:
        """Destroys the sealed secrets that nothing in the world refers to. Returns how many. What cannot be destroyed now is next time."""
        try:
            return self._sweep()
        except (KeyFileError, OSError) as error:
            log.warning("destroying unused secrets: %s", error)
            return 0

    def _sweep(self) -> int:
        there = self._vault.named(sealed.PREFIX)
        if not there:
            return 0
        with self._lock:
            now = time.monotonic()
            self._spared = [(name, until) for name, until in self._spared if until > now]
            gone = there - set(sealed.in_use(self._world())) - {name for name, _ in self._spared}
            if gone:
                self._vault.destroy(gone)
        return len(gone)

    def _seal(self, secret: str) -> str:
        with self._lock:
            name = sealed.PREFIX + self._vault.mark(secret)
            self._spared.append((name, time.monotonic() + SPARED_S))
            self._vault.keep(name, secret)
        return name

    def _spare_no_longer(self, name: str) -> None:
        with self._lock, suppress(StopIteration):
            self._spared.remove(next(one for one in self._spared if one[0] == name))


def unfit(attribute: AttributeDef, secret: Json) -> Reason | None:
    """Why this cannot be the attribute's secret; without its content."""
    if not isinstance(secret, str) or not secret:
        return reasons.bad_secret(name=attribute.name, expected="text that is not empty")
    try:
        octets = len(secret.encode())
    except UnicodeEncodeError:
        return reasons.bad_secret(name=attribute.name, expected="text in UTF-8")
    if octets > LIMIT or "\0" in secret:
        return reasons.bad_secret(name=attribute.name, expected=f"text of at most {LIMIT} bytes, without NUL")
    return misfit(attribute, secret, secret=True)
