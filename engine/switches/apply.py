"""Makes a switch's ports what the plan wants: reads, compares, tells, reads again, and keeps it. What `verify` and `run` of the role do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from ..core.hardware.port_names import canonical_port
from ..core.hardware.port_table import SeenAddress, WantedPorts
from .dialects import Dialect
from .differ import difference
from .session import Line
from .simulated import SimulatedSwitch
from .table import Changes, PortHave, SwitchError, SwitchHave

Say = Callable[[str], None]


class Managed(Protocol):
    """A switch that can be read and told."""

    def read(self) -> SwitchHave: ...

    def addresses(self) -> list[SeenAddress]: ...

    def tell(self, changes: Changes, have: SwitchHave) -> None: ...

    def keep(self) -> None: ...


class SwitchByLine:
    """`Managed` by a command line."""

    def __init__(self, line: Line, dialect: Dialect) -> None:
        self._line, self._dialect = line, dialect

    def read(self) -> SwitchHave:
        try:
            return self._dialect.read(self._line.show(self._dialect.shows))
        except ValueError as error:
            raise SwitchError("garbled", f"its configuration is not understood: {error}") from None

    def addresses(self) -> list[SeenAddress]:
        said = self._line.show({"addresses": self._dialect.shows_addresses})["addresses"]
        return self._dialect.addresses(said)

    def tell(self, changes: Changes, have: SwitchHave) -> None:
        self._line.tell(self._dialect.lines(changes, have))

    def keep(self) -> None:
        self._line.keep(self._dialect.save)


class SwitchByHttp:
    """`Managed` of a rehearsal."""

    def __init__(self, switch: SimulatedSwitch, want: WantedPorts) -> None:
        self._switch, self._names = switch, {wish.port: wish for wish in want.ports}

    def read(self) -> SwitchHave:
        return self._switch.read(self._names)

    def addresses(self) -> list[SeenAddress]:
        return []

    def tell(self, changes: Changes, have: SwitchHave) -> None:
        self._switch.tell(changes, have)

    def keep(self) -> None:
        return


class Applied(Struct, frozen=True, kw_only=True):
    """What a look or a run came to."""

    have: SwitchHave
    left: Changes
    """What is still to be done. After a run: only refusals."""


def look(switch: Managed, want: WantedPorts) -> Applied:
    """Compares, and changes nothing."""
    have = switch.read()
    seen = switch.addresses() if want.own.macs and want.ports else []
    return Applied(have=have, left=difference(have, want, seen))


def apply(switch: Managed, want: WantedPorts, say: Say) -> Applied:
    """Raises SwitchError if the switch does not take a line, or reads back as something else. Then nothing was saved."""
    before = look(switch, want)
    if not before.left:
        say("the switch is as wanted")
        return before
    for line in words(before.left):
        say(line)
    switch.tell(before.left, before.have)
    after = look(switch, want)
    if after.left:
        still = "; ".join(words(after.left))[:300]
        raise SwitchError("not_obeyed", f"it took all lines, and reads back as something else (not saved): {still}")
    switch.keep()
    say("read back as wanted, and saved")
    return after


def words(changes: Changes) -> list[str]:
    """The changes for people, a line each."""
    out = [f"make VLAN {vlan}" for vlan in changes.vlans]
    for one in changes.ports:
        name = f"group {one.name}" if one.is_lag else one.name
        parts = [f"leave group {one.leave}"] if one.leave else []
        parts += [f"join group {one.join} ({one.mode})"] if one.join else []
        parts += [f"make it ({one.mode})"] if one.made else []
        if one.vlans is not None:
            parts.append(f"untagged {one.vlans[0] or 'none'}, tagged {','.join(map(str, one.vlans[1])) or 'none'}")
        parts += [f"description {one.description!r}"] if one.description is not None else []
        out.append(f"{name}: {'; '.join(parts)}")
    return out


def table_of(have: SwitchHave, want: WantedPorts) -> dict[str, object]:
    """The attribute `switch-ports`: the wanted ports as they are now, and those that were left alone."""
    names: Mapping[str, PortHave] = {canonical_port(name): port for name, port in have.ports.items()}
    ports = []
    for wish in want.ports:
        port = names.get(canonical_port(wish.port))
        if port is not None:
            row = {"port": wish.port, "untagged": port.untagged, "tagged": list(port.tagged), "lag": port.lag}
            ports.append({**row, "description": port.description})
    return {"ports": ports, "left": [{"port": port, "why": why} for port, why in sorted(want.left.items())]}
