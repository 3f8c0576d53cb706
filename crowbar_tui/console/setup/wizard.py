"""The wizard's screen: a row of steps that one goes through with enter and back with escape, and everything that was answered.

Rules
* Going back forgets nothing. Enter goes on only from a step whose values a plan file could hold; what is wrong is told under the field,
  in the words of `crowbar plan check`, because it is the same reader that judges.
* Nothing is written or sent before the last step, but the DHCPDISCOVER of the listening one.
* What takes time is done by `desk.work`; an answer that comes after the step was left is kept all the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from engine.face import Answers, Port, compose, keys_beside, mistakes

from .. import glyphs as g
from ..ink import Line, line
from ..page import Hint, Page
from ..source import Said
from .form import Form, Step
from .forms import BmcForm, NetworkForm, RackForm, RehearsalForm, SiteForm
from .hands import Hands, RealHands
from .steps import Checks, Interface, Listen, Start, Writing

if TYPE_CHECKING:
    from pathlib import Path

    from engine.views.show import Step as NextStep

    from ..desk import Desk


class Wizard(Page):
    name = "first run"

    def __init__(self, desk: Desk, hands: Hands | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(desk)
        from pathlib import Path

        self.hands: Hands = hands or RealHands(Path(desk.snapshot_where))
        self.hands_clock = clock
        self.ports: list[Port] = []
        self.port: Port | None = None
        self.deaf = ""
        self.systems: list[tuple[str, str]] = [(name, "") for name, i in sorted(desk.world.catalog.images.items()) if i.kind == "system"]
        self.found_domain = self.hands.domain()
        self.folder: Path = self.hands.folder()
        self._looking = False
        self._judged: tuple[Answers | None, dict[str, str]] = (None, {})
        self.start = Start(self)
        self.site, self.networks, self.bmc, self.rack = SiteForm(self), NetworkForm(self), BmcForm(self), RackForm(self)
        self._site: list[Step] = [
            self.start, Checks(self), Interface(self), Listen(self), self.site, self.networks, self.bmc, self.rack, Writing(self),
        ]  # fmt: skip
        self._tracks: dict[str, list[Step]] = {
            "site": self._site, "rehearse": [self.start, RehearsalForm(self, False)], "faults": [self.start, RehearsalForm(self, True)],
        }  # fmt: skip
        self.steps: list[Step] = self._site
        self.index = 0
        desk.work(self.hands.systems, self._took_systems)

    # -- where we are ------------------------------------------------------------------------------------------------

    @property
    def here(self) -> Step:
        return self.steps[self.index]

    def track(self, name: str) -> None:
        self.steps = self._tracks[name]

    def leave(self) -> None:
        self.hands.close()
        if self.desk.page is self:
            self.desk.overlay = None
            self.desk.show(0)

    def go(self, to: int) -> None:
        self.index = max(min(to, len(self.steps) - 1), 0)
        self.here.enter()

    # -- answers -----------------------------------------------------------------------------------------------------

    def values(self) -> dict[str, str]:
        forms: list[Form] = [self.site, self.networks, self.bmc, self.rack]
        return {f.key: f.value.strip() if not f.hidden else f.value for form in forms for f in form.fields}

    def answers(self) -> Answers:
        v = self.values()
        own = v["bmc"] == "yes"
        source = v["password_from"]
        password = {"env": v["password"], "file": v["password_file"], "typed": str(self._secret_file())}.get(source, "")
        return Answers(
            name=v["name"], domain=v["domain"], interface=self.port.name if self.port is not None else "", address=v["address"],
            subnet=v["subnet"], dhcp=v["dhcp"], host=v["host"], router=v["router"],
            bmc_subnet=v["bmc_subnet"] if own else "", bmc_host=v["bmc_host"] if own else "",
            user_from=v["user_from"] if source else "", user=v["user"], password_from="file" if source == "typed" else source,
            password=password, nodes=v["nodes"], names=v["names"], wipe=v["wipe"], allocate=v["allocate"], system=v["system"],
        )  # fmt: skip

    def _secret_file(self) -> Path:
        from pathlib import Path

        return keys_beside(Path(self.desk.snapshot_where)).absolute() / "bmc-password"

    def typed_secret(self) -> str:
        v = self.values()
        return v["password_typed"] if v["password_from"] == "typed" else ""

    def text(self) -> str:
        return compose(self.answers())

    def wrong(self) -> dict[str, str]:
        """Field -> what is wrong with it; read once for each state of the answers."""
        answers = self.answers()
        if self._judged[0] != answers:
            self._judged = (answers, mistakes(answers, self.desk.world.base))
        return self._judged[1]

    # -- what the machine says ---------------------------------------------------------------------------------------

    def _took_systems(self, found: Any) -> None:
        if not isinstance(found, Exception) and found:
            self.systems = found

    def look_ports(self, then: Callable[[str], None] = lambda _problem: None) -> None:
        if self._looking:
            return
        self._looking = True

        def took(found: Any) -> None:
            self._looking = False
            if isinstance(found, Exception):
                then(str(found))
                return
            self.ports, self.deaf = found
            if self.port is not None:
                self.port = next((p for p in self.ports if p.name == self.port.name), self.port)
            then("" if self.ports else "this machine has no network interface")

        self.desk.work(lambda: (self.hands.ports(), self.hands.deaf()), took)

    def choose(self, interface: str) -> None:
        self.port = next((p for p in self.ports if p.name == interface), None)

    def take_file(self, path: str) -> None:
        """Commit a plan that is there already."""
        from ..pages.commit import preview_file

        self.leave()
        preview_file(self.desk, path)

    # -- the page ----------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        if isinstance(self.here, Interface):
            self.here.enter()
        if self.desk.world.plan is not None and self.desk.page is self:
            self.desk.note(Said(True, "a plan was committed meanwhile: the wizard is not needed any more"))
            self.leave()

    def middle(self) -> Line | None:
        if self.index == 0 or len(self.steps) < 3:
            return line()
        return line((f"step {self.index} of {len(self.steps) - 1}", ""))

    def rule(self) -> str:
        return self.here.rule() if isinstance(self.here, Writing) else ""

    def step(self) -> NextStep | None:
        from engine.views.show import Step as Next

        return Next(kind="plan", text=self.here.says())

    def body(self, columns: int, rows: int) -> list[Line]:
        head = [self._row(), line()] if self.index and len(self.steps) > 2 else []
        title = [line("   ", (self.here.title, "name")), line()]
        return [*head, *title, *self.here.body(columns, rows - len(head) - 2)]

    def _row(self) -> Line:
        out = [(" ", "")]
        for i, step in enumerate(self.steps[1:], 1):
            mark = g.TICK if i < self.index else g.RIGHT if i == self.index else " "
            ink = "good" if i < self.index else "name" if i == self.index else "dim"
            out += [(f" {mark}", "key" if i == self.index else ink), (step.name, ink)]
        return tuple(out)

    def hints(self) -> list[Hint]:
        enter = Hint("enter", "go on" if self.here is not self.steps[-1] else "do it", "to the next step")
        back = Hint("esc", "back" if self.index else "console", "a step back; nothing that was answered is forgotten")
        return [enter, back, *self.here.hints(), Hint("ctrl+q", "leave", "leave; the wizard is here again the next time")]

    def press(self, key: str) -> bool:
        """All keys are the wizard's, but help and the way out."""
        if key in ("ctrl+c", "ctrl+q"):
            return False
        if key == "f1" or (key == "?" and not isinstance(self.here, Form)):
            from ..keys import help_

            help_(self.desk)
        elif key == "escape":
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
