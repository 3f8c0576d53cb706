"""n: the engine's answers to commands from this console, newest first. Each refusal has its advice."""

from __future__ import annotations

from ..formats import clock, since
from ..page import Scroll
from ..styled import Line, line, wrap


class Notes(Scroll):
    name = "notes"

    def text(self, columns: int) -> list[Line]:
        notes = self.session.notes
        if not notes:
            return [line(), line("  ", ("nothing was done from this console yet", "dim"))]
        out: list[Line] = []
        for note in reversed(notes):
            mark, style = (" √ ", "good") if note.ok else (" ! ", "bad")
            texts = wrap(self.session.manner.keymap.words(note.text), columns - 24)
            out.append(line((mark, style), (f"{clock(note.at)} {since(self.session.real(), note.at):>6}  ", "dim"), texts[0]))
            out += [line(" " * 20, more) for more in texts[1:]]
            if note.advice:
                out += [line(" " * 20, (text, "dim")) for text in wrap(self.session.manner.keymap.words(note.advice), columns - 24)]
        return out
