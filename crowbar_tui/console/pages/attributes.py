"""Settings of a node, of one of its roles, or of a deployment: each value, its source, and the values that the user may type."""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from typing import Any

from engine.api.views import AttributeRow, deployment_attributes, layers_in_line, node_attributes, short

from ..orders import Order
from ..overlays import Asked, Sure
from ..page import Listing
from ..panes import list_room
from ..screen import Hint, Subject
from ..session import Session
from ..snapshot import Said, Setting
from ..styled import Line, clip, line, wrap
from ..table import Col, Layout, cells_of, head, layout, natural_width, row

_COLS = (
    Col("name", " attribute", 18, least=16, names=True),
    Col("value", "value", 22, grow=4, least=8, names=True),
    Col("layer", "set by", 11, gap=1),
    Col("by", "who", 12, least=10, names=True, gap=1),
    Col("readers", "read by", 14, grow=2, wide=130, names=True, drop=1),
)
_LONGEST = 64
"""Most cells that a value is given before other columns: a host name fits."""
SHOWN = 64
"""Most nodes that are compared."""


class AttributesScreen(Listing):
    """Settings of the marked nodes, of one role, or of a deployment."""

    name = "settings"
    keeps = False
    empty = "no role of it reads an attribute"

    def __init__(self, session: Session, nodes: tuple[str, ...] = (), role: str = "", deployment: str = "") -> None:
        super().__init__(session)
        self.nodes = nodes
        self.role = role
        self.deployment = deployment

    def ident(self) -> tuple[Hashable, ...]:
        return ("settings", self.nodes, self.role, self.deployment)

    def whose(self) -> str:
        if self.deployment:
            return self.deployment
        if len(self.nodes) > 1:
            return f"{len(self.nodes)} nodes"
        name = short(self.session.rows[self.nodes[0]].name) if self.nodes[0] in self.session.rows else self.nodes[0]
        return f"{self.role} on {name}" if self.role else name

    def crumb(self) -> str:
        return f"settings of {self.whose()}"

    def things(self) -> Sequence[AttributeRow]:
        world = self.session.world
        if self.deployment:
            return deployment_attributes(world, self.deployment)
        found = [node_attributes(world, node, self.role) for n in self.nodes[:SHOWN] if (node := self.session.node(n)) is not None]
        return found[0] if found else []

    def key_of(self, thing: AttributeRow) -> Hashable:
        return thing.name

    def searched_text(self, thing: AttributeRow) -> str:
        return f"{thing.name} {thing.layer} {thing.by} {thing.value}"

    heads_of_table = ("name", "value", "from", "by", "read by")

    def records(self, thing: AttributeRow) -> list[Sequence[str]]:
        value = "(secret)" if thing.secret else "(they differ)" if self._differs(thing.name) else shown(thing.value)
        return [(thing.name, value, thing.layer, self._by(thing), " ".join(thing.readers))]

    def heads(self, columns: int) -> list[Line]:
        return [head(self._layout(columns))]

    def _cols(self) -> Sequence[Col]:
        return self.session.manner.columns(self.name, _COLS)

    def _layout(self, columns: int) -> Layout:
        return self.session.remember((*self.ident(), columns), lambda: layout(self._cols(), columns, self._needs()))

    def _needs(self) -> dict[str, int]:
        rows = self.things()
        return {
            "name": 1 + max((len(t.name) for t in rows), default=0),
            "by": max((len(self._by(t)) for t in rows), default=0),
            "readers": max((len(", ".join(t.readers)) for t in rows), default=0),
            "value": min(max((len(t.value) for t in rows if isinstance(t.value, str)), default=22), _LONGEST),
        }

    def _by(self, thing: AttributeRow) -> str:
        by = self.session.node(thing.by)
        return short(by.name) if by is not None else thing.by

    def _differs(self, name: str) -> bool:
        """True if the marked nodes have different values."""
        if len(self.nodes) < 2:
            return False
        seen = self.session.remember(("settings", self.nodes), self._all)
        return len({shown(v) for v in seen.get(name, ())}) > 1

    def _all(self) -> dict[str, list[Any]]:
        out: dict[str, list[Any]] = {}
        for n in self.nodes[:SHOWN]:
            node = self.session.node(n)
            for one in node_attributes(self.session.world, node, self.role) if node is not None else ():
                out.setdefault(one.name, []).append(one.value)
        return out

    def draw(self, thing: AttributeRow, columns: int, chosen: bool) -> list[Line]:
        text = "(secret)" if thing.secret else "(they differ)" if self._differs(thing.name) else shown(thing.value)
        at = self._layout(columns)
        cells: dict[str, Any] = {
            "name": (f" {thing.name}", "name" if thing.own else ""),
            "value": (
                text if isinstance(thing.value, str) else clip(text, cells_of(at, "value")),
                "" if thing.layer not in ("", "default") else "dim",
            ),
            "layer": (thing.layer, "ask" if thing.own else "dim"),
            "by": (self._by(thing), "dim"),
            "readers": (", ".join(thing.readers), "dim"),
        }
        out = [row(at, cells)]
        return [*out, *self._words(thing, columns)] if chosen and not self._beside else out

    _beside = False
    """True while the words of the attribute under the cursor stand beside the list."""

    def body(self, columns: int, rows: int) -> list[Line]:
        self._beside = False
        return super().body(columns, rows)

    def listing(self, columns: int, rows: int) -> list[Line]:
        self._beside = True
        return super().body(columns, rows)

    def list_width(self, columns: int) -> int:
        needs = self._needs()
        return list_room(columns, natural_width(self._cols(), needs) + 30, natural_width(self._cols(), needs, least=True))

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        thing: AttributeRow | None = self.chosen()
        return None if thing is None else [line((f" {thing.name}", "name")), *self._words(thing, columns)]

    def _words(self, thing: AttributeRow, columns: int) -> list[Line]:
        """What it is, where its value comes from, who reads it, and the whole value if that is long."""
        told = [(f"{thing.kind}. {thing.description}" if thing.description else thing.kind, "dim"), (self._layers(thing), "dim")]
        told += [(f"read by {', '.join(thing.readers)}", "dim")] if thing.readers else []
        told += [(shown(thing.value), "")] if len(shown(thing.value)) > 8 and not thing.secret else []
        return [line("   ", (part, style)) for text, style in told if text for part in wrap(text, columns - 4)]

    def _layers(self, thing: AttributeRow) -> str:
        """Each layer and who set it. Empty for a deployment: a layer counts for a node role."""
        node = self.session.node(self.nodes[0]) if self.nodes else None
        role = self.role or next(iter(thing.readers), "")
        told = layers_in_line(self.session.world, node, role, thing.name) if node is not None and role else ""
        return f"layers: {told}" if told else ""

    def hints(self) -> list[Hint]:
        return [
            Hint("enter", "set", "type a value"),
            Hint("x", "clear", "clear the value; the next weaker layer applies"),
            Hint("/", "filter"),
        ]

    def press(self, key: str) -> bool:
        thing: AttributeRow | None = self.chosen()
        if key == "enter" and thing is not None and self.session.may_do():
            self._ask(thing)
            return True
        if key == "x" and thing is not None and self.session.may_do():
            if not thing.own and len(self.nodes) < 2:
                self.session.note(Said(False, f"{thing.name} is not set on {self.whose()}", f"it comes from {thing.layer or 'nowhere'}"))
            else:
                told = "then a deployment, a rule or the default gives the value"
                what = f"clear {thing.name} of {self.whose()}?"
                self.session.overlay = Sure(
                    self.session, what, told, None, lambda: self._give(Setting(self._layer(), thing.name, clear=True))
                )
            return True
        return super().press(key)

    def _ask(self, thing: AttributeRow) -> None:
        if thing.secret:
            self.session.note(Said(False, f"{thing.name} holds a secret", f"crowbar set NODE {thing.name} --secret-file FILE"))
            return
        asked = Asked(self.session, f"{thing.name} of {self.whose()}: {thing.kind}", lambda text: self._typed(thing, text))
        asked.typed = "" if thing.value is None else shown(thing.value)
        self.session.overlay = asked

    def _typed(self, thing: AttributeRow, text: str) -> None:
        from engine.api.control import PlanError, no_image, typed

        catalog = self.session.world.catalog
        try:
            value = typed(text, catalog.attributes[thing.name].schema)
        except PlanError as error:
            self.session.note(Said(False, f"{thing.name}: {error.mistakes[0].expected}"))
            return
        if why := no_image(catalog, thing.name, value):
            self.session.note(Said(False, f"{thing.name}: {why}"))
            return
        self._give(Setting(self._layer(), thing.name, value))

    def _layer(self) -> str:
        return "deployment" if self.deployment else "operator"

    def _give(self, what: Setting) -> None:
        scopes = [self.deployment] if self.deployment else [f"{n}/{self.role}" if self.role else n for n in self.nodes]
        self.session.give([Order("set-attribute", scope, "", what) for scope in scopes])

    def subject(self) -> Subject:
        return Subject(self.nodes, self.role)


def shown(value: Any) -> str:
    """The value in one line, in a form that the user can type again."""
    if value is None:
        return ""
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
        return f"({next(iter(value))[1:]} {next(iter(value.values())) or ''})".replace(" )", ")")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
