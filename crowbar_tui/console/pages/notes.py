"""n: the answers to what was done here, newest first; each refusal with what to do about it."""

from __future__ import annotations

from ..ink import Line, line, wrap
from ..page import Scroll
from ..words import age, clock


class Notes(Scroll):
    name = "notes"

    def text(self, columns: int) -> list[Line]:
        notes = self.desk.notes
        if not notes:
            return [line(), line("  ", ("nothing was done from this console yet", "dim"))]
        out: list[Line] = []
        for note in reversed(notes):
            mark, ink = (" √ ", "good") if note.ok else (" ! ", "bad")
            texts = wrap(note.text, columns - 24)
            out.append(line((mark, ink), (f"{clock(note.at)} {age(self.desk.real() - note.at):>6}  ", "dim"), texts[0]))
            out += [line(" " * 20, more) for more in texts[1:]]
            if note.advice:
                out += [line(" " * 20, (text, "dim")) for text in wrap(note.advice, columns - 24)]
        return out
