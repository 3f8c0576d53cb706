"""Where a look back is in its journal, and how fast it goes. No clock: time comes in.

Rules
* The moment has its own clock. On a row it is the row's wall time; between two rows, that of the one before and the engine seconds since.
  So ages on the screens are those of the moment, a clock that jumped is shown as it jumped, and time in which no engine ran takes none.
* Playing never waits long: a silence of more than IDLE_S real seconds is left out.
"""

from __future__ import annotations

from engine.views.show import Past

from .words import count

IDLE_S = 10.0
"""Real seconds of playing in which nothing happens that are waited for."""
LEAD_S = 1.0
SPEEDS = (1.0, 10.0, 100.0, 0.0)
"""Times of real time; 0: as fast as it can be shown."""
WHOLE_S = 20.0
"""The whole journal, as fast as that."""
MINUTE = 60.0


class Playback:
    """The moment as a number: a row, and engine time between that one and the next."""

    def __init__(self, past: Past) -> None:
        self.past = past
        self.seq = past.last
        self.now = past.now(past.last)
        self.playing = False
        self.pace = 0
        """Index into SPEEDS."""
        self._carry = 0.0

    @property
    def speed(self) -> float:
        return SPEEDS[self.pace]

    @property
    def word(self) -> str:
        return f"x{self.speed:.0f}" if self.speed else "max"

    def at(self) -> float:
        """Wall time of the moment."""
        return self.past.at(self.seq) + max(self.now - self.past.now(self.seq), 0.0)

    def to(self, seq: int) -> None:
        """On this row."""
        self.seq = min(max(seq, self.past.first), self.past.last)
        self.now = self.past.now(self.seq)
        self._carry = 0.0

    def to_now(self, now: float) -> None:
        """At this engine time."""
        past = self.past
        self.now = min(max(now, past.now(past.first)), past.now(past.last))
        self.seq = past.by_now(self.now)

    def step(self, rows: int) -> str:
        """So many events on or back; why not, as a sentence, else nothing."""
        self.playing = False
        to = self.seq + rows
        if rows < 0 and self.now > self.past.now(self.seq):
            to += 1  # first back to the row itself
        if to > self.past.last and self.seq == self.past.last:
            return "this is the end of the journal"
        if to < self.past.first and self.seq == self.past.first:
            return self.beginning()
        self.to(to)
        return ""

    def beginning(self) -> str:
        gone = self.past.first
        kept = f"{count(gone, 'older event is', 'older events are')} no longer kept"
        return f"the journal begins here: {kept}" if gone else "this is the beginning"

    def end(self, direction: int) -> str:
        """To the beginning or the end."""
        self.playing = False
        self.to(self.past.last if direction > 0 else self.past.first)
        return self.beginning() if direction < 0 and self.past.first else ""

    def minutes(self, many: float) -> str:
        self.playing = False
        now = self.now
        self.to_now(now + many * MINUTE)
        if self.now == now:
            return "this is the end of the journal" if many > 0 else self.beginning()
        return ""

    def problem(self, direction: int) -> str:
        self.playing = False
        found = self.past.problem_after(self.seq) if direction > 0 else self.past.problem_before(self.seq)
        if found is None:
            return "no problem began after this moment" if direction > 0 else "no problem began before this moment"
        self.to(found.seq)
        return ""

    def change(self, node: str, name: str, direction: int) -> str:
        self.playing = False
        found = self.past.change_after(node, self.seq) if direction > 0 else self.past.change_before(node, self.seq)
        if found is None:
            return f"{name} did not change {'after' if direction > 0 else 'before'} this moment"
        self.to(found)
        return ""

    def clock(self, at: float) -> str:
        """To a wall time; it is put between the beginning and the end."""
        self.playing = False
        past = self.past
        seq = past.by_clock(at)
        self.to(seq)
        if seq < past.last:
            self.now = min(max(self.now + at - past.at(seq), self.now), past.now(seq + 1))
        return "" if past.at(past.first) <= at <= past.at(past.last) else "the journal is not of that time: this is the nearest there is"

    def play(self) -> str:
        if not self.playing and self.seq >= self.past.last:
            self.to(self.past.first)
        self.playing = not self.playing
        return ""

    def faster(self, by: int) -> str:
        self.pace = min(max(self.pace + by, 0), len(SPEEDS) - 1)
        return ""

    def pass_(self, seconds: float) -> None:
        """So much real time has gone while it played."""
        if not self.playing:
            return
        past = self.past
        if not self.speed:
            self._carry += (past.last - past.first) * seconds / WHOLE_S
            rows = max(int(self._carry), 1)
            carry = max(self._carry - rows, 0.0)
            self.to(self.seq + rows)
            self._carry = carry
        else:
            self.to_now(self.now + seconds * self.speed)
            if self.seq < past.last and past.now(self.seq + 1) - self.now > IDLE_S * self.speed:
                self.now = past.now(self.seq + 1) - LEAD_S * self.speed
        if self.seq >= past.last:
            self.playing = False

    def due(self) -> float:
        """Real seconds until something may look another."""
        if not self.playing:
            return 1.0
        if not self.speed or self.seq >= self.past.last:
            return 0.1
        return min(max((self.past.now(self.seq + 1) - self.now) / self.speed, 0.05), 0.2)
