"""A step of fields. Typing replaces what was proposed and goes on from what was typed; left and right change a choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .. import glyphs as g
from ..ink import Line, clip, line, wrap
from ..overlays import edited
from ..page import Hint

if TYPE_CHECKING:
    from .wizard import Wizard

LABEL = 16


class Option(NamedTuple):
    value: str
    word: str
    help: str = ""


class Field:
    """One value. `typed` is None as long as the proposal stands."""

    def __init__(
        self,
        key: str,
        label: str,
        help: str,
        propose: Callable[[], str] = str,
        options: Callable[[], Sequence[Option]] | None = None,
        note: Callable[[str], str] = lambda _value: "",
        shown: Callable[[], bool] = lambda: True,
        hidden: bool = False,
    ) -> None:
        self.key = key
        self.label = label
        self.help = help
        self.propose = propose
        self.options = options
        self.note = note
        self.shown = shown
        self.hidden = hidden
        """Typed by nobody's eyes: shown as asterisks."""
        self.typed: str | None = None

    @property
    def value(self) -> str:
        return self.propose() if self.typed is None else self.typed

    def option(self) -> Option | None:
        if self.options is None:
            return None
        some = self.options()
        return next((o for o in some if o.value == self.value), some[0] if some else None)

    def press(self, key: str) -> bool:
        if self.options is not None:
            some = [o.value for o in self.options()]
            if key in ("left", "right", "space") and some:
                at = some.index(self.value) if self.value in some else 0
                self.typed = some[(at + (-1 if key == "left" else 1)) % len(some)]
                return True
            return False
        if key in ("backspace", "ctrl+u", "ctrl+w"):
            self.typed = edited(self.value, key)
            return True
        if key == "space" or (len(key) == 1 and key.isprintable()):
            self.typed = edited("" if self.typed is None else self.typed, key)
            return True
        return False


class Step:
    """One step of the wizard."""

    name = ""
    title = ""

    def __init__(self, wizard: Wizard) -> None:
        self.wizard = wizard

    def enter(self) -> None:
        """It is shown now."""

    def body(self, columns: int, rows: int) -> list[Line]:
        raise NotImplementedError

    def press(self, key: str) -> bool:
        return False

    def go_on(self) -> bool:
        """Enter was pressed; true: to the next step."""
        return True

    def says(self) -> str:
        """The one thing to do here."""
        return ""

    def hints(self) -> list[Hint]:
        return []


class Form(Step):
    intro = ""
    fields: list[Field]

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self.index = 0
        self.tried = False
        """To go on: from then on, what was not typed yet is wrong as well."""
        self.fields = self.make()

    def make(self) -> list[Field]:
        raise NotImplementedError

    def shown(self) -> list[Field]:
        return [f for f in self.fields if f.shown()]

    def wrong(self, field: Field) -> str:
        """What is wrong with it, by the rules of plan files."""
        return self.wizard.wrong().get(field.key, "")

    def foot(self) -> list[tuple[str, str]]:
        """Lines under the fields: text and ink."""
        return []

    def value(self, key: str) -> str:
        return next(f.value.strip() for f in self.fields if f.key == key)

    # -- drawing -----------------------------------------------------------------------------------------------------

    def body(self, columns: int, rows: int) -> list[Line]:
        out: list[Line] = [line("   ", (text, "dim")) for text in wrap(self.intro, columns - 4)] + [line()]
        some = self.shown()
        self.index = max(min(self.index, len(some) - 1), 0)
        for i, field in enumerate(some):
            out += self._field(field, i == self.index, columns)
        foot = [line("   ", (clip(text, columns - 4), ink)) for told, ink in self.foot() for text in wrap(told, columns - 4)]
        return [*out, *([line(), *foot] if foot else [])]

    def _field(self, field: Field, here: bool, columns: int) -> list[Line]:
        mark = (f" {g.NEXT} " if here else "   ", "key")
        label = (f"{field.label:<{LABEL}}", "name" if here else "dim")
        option = field.option()
        note = field.note(field.value)
        if option is not None:
            value = line((f"{option.word}", "name" if here else ""), (f"  {option.help}" if option.help else "", "dim"))
            value = line(("< ", "key"), *value[:1], (" >", "key"), *value[1:]) if here else value
        else:
            text = "*" * len(field.value) if field.hidden else field.value
            seen = text[-(columns - LABEL - 8 - len(note)) :]
            ink = "name" if here and field.typed is not None else ""
            value = line((seen, ink), (g.FULL, "dim") if here else "", (f"   {note}" if note else "", "dim"))
        out = [line(mark, label, *value)]
        pad = " " * (LABEL + 3)
        wrong = self.wrong(field)
        if wrong and (field.typed is not None or self.tried):
            texts = wrap(wrong, columns - LABEL - 6, 2)
            out += [line(pad, ("! " if not i else "  ", "bad"), (text, "bad")) for i, text in enumerate(texts)]
        elif here:
            out += [line(pad, (text, "dim")) for text in wrap(field.help, columns - LABEL - 4, 2)]
        return out

    # -- keys --------------------------------------------------------------------------------------------------------

    def press(self, key: str) -> bool:
        some = self.shown()
        if key in ("up", "shift+tab"):
            self.index = (self.index - 1) % len(some)
        elif key in ("down", "tab"):
            self.index = (self.index + 1) % len(some)
        else:
            return some[min(self.index, len(some) - 1)].press(key)
        return True

    def go_on(self) -> bool:
        self.tried = True
        for i, field in enumerate(self.shown()):
            if self.wrong(field):
                self.index = i
                return False
        self.tried = False
        return True

    def says(self) -> str:
        bad = [f for f in self.shown() if (f.typed is not None or self.tried) and self.wrong(f)]
        if bad:
            return f"{bad[0].label}: {self.wrong(bad[0])}"
        return "enter takes these; typing replaces what is proposed"

    def hints(self) -> list[Hint]:
        choice = self.shown() and self.shown()[min(self.index, len(self.shown()) - 1)].options is not None
        change = Hint("left right", "change", "the choices") if choice else Hint("ctrl+u", "empty", "empty the field")
        return [Hint("up down", "field", "the field before, the next one"), change]
