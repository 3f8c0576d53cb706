"""The wizard's screen: steps that the user passes with enter and escape, and all answers.

Rules
* Going back keeps all answers. Enter leaves a step only if a plan file could hold its values. Mistakes stand under their field, in the
  words of `crowbar plan check`, because the same reader checks them.
* Before the last step the wizard writes and sends nothing, except the DHCPDISCOVER of the DHCP step.
* `session.work` runs slow jobs. The wizard keeps an answer that arrives after its step was left.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from engine.api.views import Step as NextStep

from .. import glyphs as g
from ..page import Page
from ..screen import Hint
from ..session import Session
from ..snapshot import Said
from ..styled import Line, line
from .admin_node import AdminNode, RealAdminNode
from .first_run import FirstRun
from .form import Form, Step
from .forms import BmcForm, NetworkForm, RackForm, RehearsalForm, SiteForm
from .steps import Checks, Interface, Listen, Start, Writing


class Wizard(Page):
    name = "first run"
    typing = True

    def __init__(self, session: Session, admin: AdminNode | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(session)
        self._admin = admin or RealAdminNode(Path(session.snapshot_where))
        run = self.run = FirstRun(session, self._admin, clock, self.leave, self.track)
        start = Start(run)
        forms = SiteForm(run), NetworkForm(run), BmcForm(run), RackForm(run)
        run.fields = [field for form in forms for field in form.fields]
        site: list[Step] = [start, Checks(run), Interface(run), Listen(run), *forms, Writing(run)]
        self._tracks: dict[str, list[Step]] = {
            "site": site,
            "rehearse": [start, RehearsalForm(run, False)],
            "faults": [start, RehearsalForm(run, True)],
        }
        self.steps = site
        self.index = 0

    # -- where we are ------------------------------------------------------------------------------------------------

    @property
    def here(self) -> Step:
        return self.steps[self.index]

    def track(self, name: str) -> None:
        self.steps = self._tracks[name]

    def leave(self) -> None:
        self._admin.close()
        if self.session.page is self:
            self.session.overlay = None
            self.session.show(0)

    def go(self, to: int) -> None:
        self.index = max(min(to, len(self.steps) - 1), 0)
        self.here.enter()

    # -- the page ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        if isinstance(self.here, Interface):
            self.here.enter()
        if self.session.world.plan is not None and self.session.page is self:
            self.session.note(Said(True, "somebody committed a plan meanwhile, so the wizard has ended"))
            self.leave()

    def middle(self) -> Line | None:
        if self.index == 0 or len(self.steps) < 3:
            return line()
        return line((f"step {self.index} of {len(self.steps) - 1}", ""))

    def rule(self) -> str:
        return self.here.rule() if isinstance(self.here, Writing) else ""

    def step(self) -> NextStep | None:
        return NextStep(kind="plan", text=self.here.says())

    def body(self, columns: int, rows: int) -> list[Line]:
        head = [self._row(), line()] if self.index and len(self.steps) > 2 else []
        title = [line("   ", (self.here.title, "name")), line()]
        return [*head, *title, *self.here.body(columns, rows - len(head) - 2)]

    def _row(self) -> Line:
        out = [(" ", "")]
        for i, step in enumerate(self.steps[1:], 1):
            mark = g.TICK if i < self.index else g.RIGHT if i == self.index else " "
            style = "good" if i < self.index else "name" if i == self.index else "dim"
            out += [(f" {mark}", "key" if i == self.index else style), (step.name, style)]
        return tuple(out)

    def hints(self) -> list[Hint]:
        enter = Hint("enter", "continue" if self.here is not self.steps[-1] else "do it", "to the next step")
        back = Hint("esc", "back" if self.index else "console", "one step back; the wizard keeps your answers")
        return [enter, back, *self.here.hints(), Hint("ctrl+q", "leave", "leave, and stop the engine; the wizard opens again next time")]

    def press(self, key: str) -> bool:
        """The wizard takes all keys, except help and the keys that leave."""
        if key in ("ctrl+c", "ctrl+q"):
            # An engine without a plan serves nothing, so that of the wizard ends with it.
            self.session.leave(self.session.snapshot.connection == "embedded" and self.session.world.plan is None)
            return True
        if key == "f1" or (key == "?" and not isinstance(self.here, Form)):
            return False
        if key == "escape":
            if self.index:
                self.go(self.index - 1)
            else:
                self.leave()
        elif key == "enter":
            if self.here.go_on() and self.index < len(self.steps) - 1:
                self.go(self.index + 1)
        else:
            self.here.press(key)
        return True
