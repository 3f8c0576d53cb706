"""P: the last packets of one machine or of all: time, direction, words, and why one got no answer. Enter shows all fields.

The packets are in the engine's memory, not in the journal. So a look back has none, and neither has a console without an engine.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from engine.api.views import DecodedPacket, short

from ..formats import clock, stamp
from ..page import Listing, Scroll
from ..screen import Hint, Subject
from ..session import Session
from ..styled import Line, clip, line, wrap

KEEP = 1000
"""Most packets in the list."""
_STYLE = {"dhcp": "", "tftp": "busy", "http": "busy", "lldp": "dim"}


class PacketsScreen(Listing):
    name = "packets"
    keeps = False

    def __init__(self, session: Session, who: str = "") -> None:
        super().__init__(session)
        self.who = who
        """Node id, MAC or address; empty: all machines."""
        self.follow = True
        self.failed = ""
        self._decoded: list[DecodedPacket] = []
        self._after = 0
        self._busy = False
        self._changes = 0
        self.tick()

    def ident(self) -> Hashable:
        return ("packets", self.who)

    def crumb(self) -> str:
        return f"packets {self._name(self.who)}" if self.who else "packets"

    def _name(self, who: str) -> str:
        node = self.session.node(who)
        return short(node.name) if node is not None else who

    # -- asking, in threads ------------------------------------------------------------------------------------------

    def tick(self) -> None:
        source = self.session.source
        if self._busy or source is None or self.session.past is not None:
            return
        self._busy = True
        who, after = self.who, self._after
        self.session.work(lambda: source.packets(who, after), self._took)

    def _took(self, found: Any) -> None:
        self._busy = False
        if isinstance(found, Exception):
            self.failed = str(found)
            return
        decoded, after = found
        self.failed = ""
        if after < self._after:  # another engine started, which counts from zero
            self._decoded = []
        self._after = after
        if decoded:
            self._decoded = [*self._decoded, *decoded][-KEEP:]
            self._changes += 1
            self._cache = None

    # -- drawing -----------------------------------------------------------------------------------------------------

    def nothing(self) -> str:
        if self.session.past is not None:
            return "packets are kept by a running engine, not in the journal: B returns to now"
        return self.failed or ("asking the engine ..." if self._busy else "the engine has received and sent no packet since it started")

    def things(self) -> Sequence[DecodedPacket]:
        return self._decoded

    def key_of(self, thing: DecodedPacket) -> Hashable:
        return thing.packet.number

    def searched_text(self, thing: DecodedPacket) -> str:
        packet = thing.packet
        return f"{packet.who} {packet.kind} {thing.summary} {packet.cause} {'sent' if packet.out else 'received'}"

    heads_of_table = ("number", "time", "machine", "way", "what", "in words", "no answer because", "not decoded because")

    def records(self, thing: DecodedPacket) -> list[Sequence[str]]:
        packet = thing.packet
        words = ("sent" if packet.out else "received", packet.kind, thing.summary, packet.cause, thing.trouble)
        return [(str(packet.number), stamp(packet.at), packet.who, *words)]

    def heads(self, columns: int) -> list[Line]:
        return [line((f" {'time':<9}{'machine':<18}   {'what':<5}in words", "head"))]

    def list_width(self, columns: int) -> int:
        return columns * 6 // 10

    def beside(self, columns: int, rows: int) -> list[Line] | None:
        """Every field of the packet under the cursor."""
        thing: DecodedPacket | None = self.chosen()
        return PacketScreen(self.session, thing).text(columns)[:rows] if thing is not None else None

    def draw(self, thing: DecodedPacket, columns: int, chosen: bool) -> list[Line]:
        packet = thing.packet
        room = columns - 37
        style = "bad" if packet.cause else "dim" if thing.trouble else _STYLE.get(packet.kind, "")
        words = wrap(thing.summary, room, 4) if chosen and not self.follow else [clip(thing.summary, room)]
        way = ("-> ", "good") if packet.out else ("<- ", "")
        head = ((f" {clock(packet.at)} ", "dim"), (f"{packet.who:<18}", "name"), way, (f"{packet.kind:<5}", "dim"))
        out = [line(*head, (words[0], style))]
        out += [line(" " * 36, (more, style)) for more in words[1:]]
        for text, how in ((packet.cause and f"no answer: {packet.cause}", "bad"), (thing.trouble, "dim")):
            if text:
                out += [line(" " * 36, (more, how)) for more in wrap(text, room, 4)]
        return out

    def body(self, columns: int, rows: int) -> list[Line]:
        if self.follow:
            self.move(len(self.shown()) - 1)
        return super().body(columns, rows)

    def rule(self) -> str:
        rest = super().rule()
        said = self.failed if self._decoded and self.failed else "following" if self.follow else "f follows"
        return f"{rest}   {said}" if rest else said

    # -- keys --------------------------------------------------------------------------------------------------------

    def hints(self) -> list[Hint]:
        return [
            Hint("enter", "open", "every field of the packet"),
            Hint("f", "follow", "follow new packets"),
            Hint("/", "find", "only lines with these words: a MAC, DISCOVER, `no answer`"),
            Hint("up", "scroll"),
        ]

    def press(self, key: str) -> bool:
        if key == "f":
            self.follow = not self.follow
            return True
        if key == "enter":
            thing = self.chosen()
            if thing is not None:
                self.session.push(PacketScreen(self.session, thing))
            return True
        if super().press(key):
            self.follow = key in ("end", "G") or (key in ("down", "j") and self.index >= len(self.shown()) - 1)
            return True
        return False

    def machine(self) -> str:
        return self.who

    def subject(self) -> Subject:
        node = self.session.node(self.who) if self.who else None
        return Subject((node.id,)) if node is not None else Subject()


class PacketScreen(Scroll):
    """One packet with all its fields."""

    name = "packet"

    def __init__(self, session: Session, decoded: DecodedPacket) -> None:
        super().__init__(session)
        self.decoded = decoded

    def ident(self) -> Hashable:
        return ("packet", self.decoded.packet.number)

    def text(self, columns: int) -> list[Line]:
        decoded, packet = self.decoded, self.decoded.packet
        ends = " -> ".join(f"{host}:{port}" if host else "the wire" for host, port in (packet.source, packet.to))
        way = "sent to" if packet.out else "received from"
        size = (f"   {packet.kind}, {len(packet.data)} octets", "dim")
        out = [line((f" {clock(packet.at)} ", "dim"), f"{way} ", (packet.who, "name"), size)]
        out.append(line((f" {ends}", "dim")))
        for text, style in ((decoded.summary, ""), (packet.cause and f"no answer: {packet.cause}", "bad"), (decoded.trouble, "bad")):
            out += [line(" ", (piece, style)) for piece in wrap(text, columns - 2, 8)] if text else []
        for name, fields in decoded.layers:
            out += [line(), line((f" {name}", "head"))]
            for field, value in fields:
                label = f"   {field:<{30 if columns >= 76 else 18}} "
                first, *more = wrap(value, max(columns - len(label) - 1, 16), 12) or [""]
                out.append(line((label, "dim"), first))
                out += [line(" " * len(label), one) for one in more]
        out += [line(), line((" octets", "head"))]
        across = 16 if columns >= 74 else 8
        for at in range(0, len(packet.data), across):
            some = packet.data[at : at + across]
            shown = "".join(chr(octet) if 32 <= octet < 127 else "." for octet in some)
            out.append(line((f"   {at:04x}  ", "dim"), f"{some.hex(' '):<{3 * across}} ", (shown, "dim")))
        return out

    def hints(self) -> list[Hint]:
        return [Hint("up", "scroll"), Hint("esc", "back")]
