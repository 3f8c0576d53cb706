"""The position of a look back in its journal, and its speed. It reads no clock: the caller passes the time.

Rules
* The moment has its own clock. On a row it is the row's wall time; between two rows, the earlier row's time plus the engine seconds
  since. So ages on the screens are those of the moment, a clock that jumped is shown as it jumped, and time without an engine takes no
  time.
* Playing never waits long: it skips a silence of more than IDLE_S real seconds.
"""

from __future__ import annotations

from engine.api.views import Past

from .formats import count

IDLE_S = 10.0
"""Longest silence in real seconds that playing does not skip."""
LEAD_S = 1.0
SPEEDS = (1.0, 10.0, 100.0, 0.0)
"""Factors on real time. 0: as fast as possible."""
WHOLE_S = 20.0
"""Seconds in which the whole journal plays at the highest speed."""
MINUTE = 60.0


class Playback:
    """The moment as a number: a row, and the engine time since that row."""

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
        """Moves to this row."""
        self.seq = min(max(seq, self.past.first), self.past.last)
        self.now = self.past.now(self.seq)
        self._carry = 0.0

    def to_now(self, now: float) -> None:
        """Moves to this engine time."""
        past = self.past
        self.now = min(max(now, past.now(past.first)), past.now(past.last))
        self.seq = past.by_now(self.now)

    def step(self, rows: int) -> str:
        """Moves by so many events. Returns a sentence if that is impossible, else nothing."""
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
        """Moves to the beginning or the end."""
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
        """Moves to a wall time, limited to the journal."""
        self.playing = False
        past = self.past
        seq = past.by_clock(at)
        self.to(seq)
        if seq < past.last:
            self.now = min(max(self.now + at - past.at(seq), self.now), past.now(seq + 1))
        return "" if past.at(past.first) <= at <= past.at(past.last) else "the journal does not cover that time: this is the nearest moment"

    def play(self) -> str:
        if not self.playing and self.seq >= self.past.last:
            self.to(self.past.first)
        self.playing = not self.playing
        return ""

    def faster(self, by: int) -> str:
        self.pace = min(max(self.pace + by, 0), len(SPEEDS) - 1)
        return ""

    def pass_(self, seconds: float) -> None:
        """Advances by so much real time while it plays."""
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
        """Real seconds until the screen may change."""
        if not self.playing:
            return 1.0
        if not self.speed or self.seq >= self.past.last:
            return 0.1
        return min(max((self.past.now(self.seq + 1) - self.now) / self.speed, 0.05), 0.2)
