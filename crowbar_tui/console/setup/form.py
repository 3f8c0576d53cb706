"""A step of the wizard, and a step that consists of fields."""

from __future__ import annotations

from .. import glyphs as g
from ..screen import Hint
from ..styled import Line, clip, line, wrap
from .field import Field
from .first_run import FirstRun

LABEL = 16


class Step:
    """One step of the wizard."""

    name = ""
    title = ""

    def __init__(self, run: FirstRun) -> None:
        self.run = run

    def enter(self) -> None:
        """Called when the step is shown."""

    def body(self, columns: int, rows: int) -> list[Line]:
        raise NotImplementedError

    def press(self, key: str) -> bool:
        return False

    def go_on(self) -> bool:
        """Handles enter. True: go to the next step."""
        return True

    def says(self) -> str:
        """The text of the next line."""
        return ""

    def hints(self) -> list[Hint]:
        return []


class Form(Step):
    intro = ""
    fields: list[Field]

    def __init__(self, run: FirstRun) -> None:
        super().__init__(run)
        self.index = 0
        self.tried = False
        """Tries to continue. From then on, an empty required field counts as wrong too."""
        self.fields = self.make()

    def make(self) -> list[Field]:
        raise NotImplementedError

    def shown(self) -> list[Field]:
        return [f for f in self.fields if f.shown()]

    def wrong(self, field: Field) -> str:
        """The field's mistake, by the rules of plan files."""
        return self.run.wrong().get(field.key, "")

    def foot(self) -> list[tuple[str, str]]:
        """Lines under the fields: text and style."""
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
        foot = [line("   ", (clip(text, columns - 4), style)) for told, style in self.foot() for text in wrap(told, columns - 4)]
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
            style = "name" if here and field.typed is not None else ""
            value = line((seen, style), (g.FULL, "dim") if here else "", (f"   {note}" if note else "", "dim"))
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
        return "enter accepts these values; type to replace one"

    def hints(self) -> list[Hint]:
        choice = self.shown() and self.shown()[min(self.index, len(self.shown()) - 1)].options is not None
        change = Hint("left right", "change", "the choices") if choice else Hint("ctrl+u", "empty", "clear the field")
        return [Hint("up down", "field", "previous field, next field"), change]
