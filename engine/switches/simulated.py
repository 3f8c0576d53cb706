"""The switch of a rehearsal: its management by HTTP (`racks.simulated.switch_side`), with the same records as a real one's."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from msgspec import ValidationError, convert, to_builtins

from ..core.hardware.port_table import VLANS
from .table import Changes, LagHave, PortChange, PortHave, SwitchError, SwitchHave

SECONDS = 20.0
MOST = 1024 * 1024


GROUP = "lag:"
"""Before the name of a group, whose description is kept as that of a port."""


class SimulatedSwitch:
    """At `host:port`. Every call raises SwitchError."""

    def __init__(self, where: str) -> None:
        host, _, port = where.rpartition(":")
        self._host, self._port = host, int(port)

    def read(self, wanted: Mapping[str, object]) -> SwitchHave:
        """A simulated switch has whatever port it is asked for, so `wanted` names those that exist."""
        told = json.loads(self._call("GET", "/ports"))
        ports = {name: PortHave(name=name, untagged=1) for name in wanted}
        try:
            texts = {name.removeprefix(GROUP): str(one.get("description") or "") for name, one in told.items() if name.startswith(GROUP)}
            for name, one in told.items():
                if name.startswith(GROUP):
                    continue
                own: dict[str, Any] = {"untagged": one["vlan"]} if set(one) == {"vlan"} else one
                ports[name] = convert({**own, "name": name}, PortHave)
        except (ValidationError, AttributeError, TypeError) as error:
            raise SwitchError("garbled", f"the simulated switch has ports that nobody understands ({error})") from None
        lags = {port.lag: LagHave(id=port.lag) for port in ports.values() if port.lag}
        groups = {
            port.lag: PortHave(name=port.lag, untagged=port.untagged, tagged=port.tagged, description=texts.get(port.lag, ""))
            for port in ports.values()
            if port.lag
        }
        return SwitchHave(ports=ports, lags=lags, groups=groups, vlans=frozenset(VLANS))

    def tell(self, changes: Changes, have: SwitchHave) -> None:
        """Carries the changes out. A group's VLANs are kept with each of its ports."""
        ports = dict(have.ports)
        groups = {one.name: one for one in changes.ports if one.is_lag}
        for change in changes.ports:
            if not change.is_lag:
                ports[change.name] = _changed(ports[change.name], change)
        for name, port in ports.items():
            group = groups.get(port.lag)
            if group is not None and group.vlans is not None:
                port = PortHave(name=name, untagged=group.vlans[0], tagged=group.vlans[1], lag=port.lag, description=port.description)
                ports[name] = port
            elif port.lag and port.lag in have.groups:
                there = have.groups[port.lag]
                ports[name] = PortHave(name=name, untagged=there.untagged, tagged=there.tagged, lag=port.lag, description=port.description)
        for name, group in groups.items():
            if group.description is not None:
                self._call("PUT", f"/ports/{GROUP}{name}", json.dumps({"description": group.description}))
        for name, port in ports.items():
            if port != have.ports[name]:
                body = {key: value for key, value in to_builtins(port).items() if key not in ("name", "routed")}
                self._call("PUT", f"/ports/{name}", json.dumps(body))

    def _call(self, verb: str, path: str, body: str = "") -> str:
        line = http.client.HTTPConnection(self._host, self._port, timeout=SECONDS)
        try:
            line.request(verb, path, body=body or None)
            answer = line.getresponse()
            text = answer.read(MOST).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise SwitchError("unreachable", f"the simulated switch at {self._host}:{self._port} does not answer ({error})") from None
        finally:
            line.close()
        if answer.status not in (200, 204):
            raise SwitchError("not_obeyed", f"the simulated switch answers {answer.status} to {verb} {path}")
        return text


def _changed(port: PortHave, change: PortChange) -> PortHave:
    lag = change.join or ("" if change.leave else port.lag)
    untagged, tagged = change.vlans if change.vlans is not None else (port.untagged, port.tagged)
    text = port.description if change.description is None else change.description
    return PortHave(name=port.name, untagged=untagged, tagged=tagged, lag=lag, description=text)
