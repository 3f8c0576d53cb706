"""The user's own keys. Pages, menus and tables speak of the console's own keys; a keymap stands between them and the keyboard. Pure.

If the key that a command gets is another command's key, the two change places. So a keymap is a permutation: nothing becomes unreachable,
and no key does two things.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from engine.api.views import verbs


class NamedKey(NamedTuple):
    """A key that a user may move. Where the same key does something else on another screen, that moves too."""

    key: str
    does: str


_ALSO = {
    "a": "on the proposals: previews all",
    "f": "on events, packets and logs: follows the end; in the power menu: off",
    "v": "on the plan: the revisions; on the results: runs the role again",
    "t": "on events: also those without a visible change; on the results: also tests that passed",
    "b": "on the revisions: goes back",
    "x": "on settings: clears; on the proposals: drops",
}
"""Key of a verb -> what it does on other screens."""


def _of_verbs() -> dict[str, NamedKey]:
    """The keys of the engine's verbs, each by the first verb that has it."""
    shown: dict[str, dict[str, None]] = {}
    for verb in verbs.VERBS:
        if verb.key:
            shown.setdefault(verb.key, {})[verb.shown] = None
    first = {verb.key: verb.name for verb in reversed(verbs.VERBS) if verb.key}
    told = {key: "; ".join([" or ".join(words), *([_ALSO[key]] if key in _ALSO else [])]) for key, words in shown.items()}
    return {first[key]: NamedKey(key, told[key]) for key in shown}


KEYS: dict[str, NamedKey] = {
    "why": NamedKey("w", "the chain of reasons"),
    "log": NamedKey("l", "the logs of the node"),
    "health": NamedKey("H", "the health of the machine: sensors, their history, the event log"),
    "packets": NamedKey("P", "the packets of the machine"),
    "settings": NamedKey("A", "what the roles read"),
    "problems": NamedKey("!", "the queue of problems"),
    "previous-problem": NamedKey("[", "the previous problem"),
    "next-problem": NamedKey("]", "the next problem"),
    "results": NamedKey("R", "what the roles that validate found"),
    "timeline": NamedKey("L", "the life of each machine as a line"),
    "notes": NamedKey("n", "the answers to your commands; after the key `first`: to what the next line speaks of"),
    "menu": NamedKey(".", "everything that you can do to the thing under the cursor"),
    "palette": NamedKey(":", "goes anywhere and does anything, by name"),
    "help": NamedKey("?", "the keys of this screen; in the power menu: the status"),
    "filter": NamedKey("/", "shows only some lines"),
    "sort": NamedKey("s", "sorts by the next column; in a log: the serial console; in the power menu: soft off"),
    "reverse": NamedKey("S", "reverses the order"),
    "mark-all": NamedKey("*", "marks all nodes that are shown"),
    "unmark": NamedKey("u", "unmarks all"),
    "mark-range": NamedKey("V", "marks from the last mark to here"),
    "copy": NamedKey("Y", "copies the line or a field"),
    "down": NamedKey("j", "moves down"),
    "up": NamedKey("k", "moves up"),
    "first": NamedKey("g", "to the first line"),
    "last": NamedKey("G", "to the last line"),
    "look-back": NamedKey("B", "looks back, and returns to now"),
    "leave": NamedKey("q", "leaves; the engine continues"),
    "stop": NamedKey("Q", "stops the engine too"),
    "mouse": NamedKey("f2", "switches the mouse off and on"),
    "repair": NamedKey("m", "in a rehearsal: repairs the machine by hand"),
    "power": NamedKey("p", "the power menu; on the plan: the proposals"),
    "forced-off": NamedKey("F", "in the power menu: off, even while a role runs"),
    "forced-cycle": NamedKey("C", "in the power menu: cycle, even while a role runs"),
    "lower-part": NamedKey("o", "changes the lower part of a page; in the power menu: on"),
    "zoom": NamedKey("z", "on the timeline: shows less of the past"),
    "commit": NamedKey("c", "on the plan: commits a file; on the timeline: arrows; in the power menu: cycle"),
    "drift": NamedKey("d", "on the plan: what stands beside it"),
    "yes": NamedKey("y", "on a preview: commits it. A question always takes `y`"),
    "event-back": NamedKey("<", "in a look back: one event back"),
    "event-forward": NamedKey(">", "in a look back: one event forward"),
    "minute-back": NamedKey("(", "in a look back: one minute back"),
    "minute-forward": NamedKey(")", "in a look back: one minute forward"),
    "change-back": NamedKey("{", "in a look back: the node's previous change"),
    "change-forward": NamedKey("}", "in a look back: the node's next change"),
    "slower": NamedKey("-", "the screen before this one; in a look back: slower"),
    "faster": NamedKey("+", "in a look back: faster"),
    "time": NamedKey("T", "in a look back: to a time"),
    **_of_verbs(),
}
"""Name of a key in the configuration file -> the console's own key."""

_FUNCTION = re.compile(r"f([1-9]|1[0-2])")
_CONTROL = re.compile(r"ctrl\+[abdefgklnortuvwxy]")
"""Without the letters that a terminal sends for other keys (c, h, i, j, m, p, q, s, z)."""
PRESSABLE = "one character (no digit, no blank), f1 to f12, or ctrl+ with one of abdefgklnortuvwxy"
_TOLD = re.compile(r"(?:(?<=press )|(?<=presses )|(?<=see ))(f2|\S)(?=[\s,.;:)]|$)|(?<=then )(\S)(?=[,.;:)]|$)")
_DOES = re.compile(r"(?:^|(?<=[;:] )|(?<=  )|(?<=and ))(f2|\S)(?= (?:shows|follows|looks|tries|returns|leaves|lists|repairs|switches)\b)")


def pressable(key: str) -> bool:
    """True if a command may get this key."""
    if len(key) == 1:
        return key.isprintable() and not key.isspace() and not key.isdecimal()
    return bool(_FUNCTION.fullmatch(key) or _CONTROL.fullmatch(key))


class Keymap:
    def __init__(self, moved: Mapping[str, str] | None = None) -> None:
        """`moved`: a key of the console -> the key to press instead; each of them once."""
        to = dict(moved or {})
        for start in [own for own in to if own not in to.values()]:
            end = start
            while end in to:
                end = to[end]
            to[end] = start  # whose key was taken gets the one that became free
        self._pressed = {own: pressed for own, pressed in to.items() if own != pressed}
        self._own = {pressed: own for own, pressed in self._pressed.items()}

    def __bool__(self) -> bool:
        return bool(self._pressed)

    def own(self, pressed: str) -> str:
        """The console's own key for a key that was pressed."""
        return self._own.get(pressed, pressed)

    def shown(self, own: str) -> str:
        """What to press, for a key or several of them as the screens name them: `s S`, `<>`, `g n`."""
        if not self._pressed or own in self._pressed:
            return self._pressed.get(own, own)
        if len(own) == 2 and not own.isalnum() and " " not in own:
            both = [self._pressed.get(one, one) for one in own]
            return ("" if all(len(one) == 1 for one in both) else " ").join(both)
        return " ".join(self._pressed.get(one, one) for one in own.split(" "))

    def words(self, text: str) -> str:
        """A sentence that tells what to press: `press r to retry`, `w shows why`."""
        if not self._pressed:
            return text

        def put(found: re.Match[str]) -> str:
            own = found[1] or found[2]
            return self._pressed.get(own, own)

        return _DOES.sub(lambda found: self._pressed.get(found[1], found[1]), _TOLD.sub(put, text))
