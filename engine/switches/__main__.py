"""What the scripts of the barclamp `switch` call: `python -m engine.switches run|verify|addresses`, with the environment of a task.

Exit: as a role's script. The last line on stderr says why, without a secret.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec import ValidationError, convert, to_builtins

from ..core.hardware.port_table import SeenAddress, WantedPorts
from ..power.snmp import SnmpTarget
from . import snmp_table
from .apply import Applied, Managed, SwitchByHttp, SwitchByLine, apply, look, table_of, words
from .dialects import DIALECTS
from .seen import kept
from .session import NetmikoLine, SwitchTarget
from .simulated import SimulatedSwitch
from .table import SwitchError, SwitchHave

NOT_SO, OTHER = 1, 2
HOSTS = "switch-host-keys"
BY_HAND = "none"
"""Driver of a switch that people set up."""


def main(verb: str) -> int:
    if verb not in ("run", "verify", "addresses"):
        print("usage: python -m engine.switches run|verify|addresses", file=sys.stderr)
        return OTHER
    try:
        return _addresses() if verb == "addresses" else _ports(verb)
    except SwitchError as error:
        print(f"switch: {error}", file=sys.stderr)
        return NOT_SO if verb == "run" else OTHER
    except ImportError as error:
        print(f"switch: {error.name} is not installed on the admin node: install the engine with its dependencies", file=sys.stderr)
        return OTHER
    except (OSError, KeyError, ValueError) as error:
        print(f"switch: the task cannot be read: {type(error).__name__}: {error}", file=sys.stderr)
        return OTHER


def _ports(verb: str) -> int:
    told = _attributes()
    want = convert(told.get("switch-ports-wanted") or {}, WantedPorts)
    access = access_of(told)
    if access.get("driver") == BY_HAND:
        print("switch: `switch-access` leaves this switch to people")
        return _give({"switch-ports": table_of(SwitchHave(), want)})
    if not want.ports:
        print("switch: the plan wants nothing of this switch")
        return _give({"switch-ports": table_of(SwitchHave(), want)})
    with closing(_Open(told, access, want)) as opened:
        done = apply(opened.switch, want, _say) if verb == "run" else look(opened.switch, want)
    return _judge(verb, want, done)


def _judge(verb: str, want: WantedPorts, done: Applied) -> int:
    left = {f"{port}: {why}" for port, why in want.left.items()}
    for line in sorted(left):
        print(f"left alone: {line}", flush=True)
    refused = [line for line in done.left.refused if line not in left]
    if refused:
        print(f"switch: {'; '.join(refused)}", file=sys.stderr)
        return NOT_SO
    if verb == "verify" and done.left:
        print(f"switch: to do: {'; '.join(words(done.left))[:300]}", file=sys.stderr)
        return NOT_SO
    return _give({"switch-ports": table_of(done.have, want)})


def _say(line: str) -> None:
    print(line, flush=True)


def _addresses() -> int:
    told = _attributes()
    access = access_of(told)
    if access.get("snmp") and "simulated" not in told.get("device", {}):
        return _give({"switch-addresses": to_builtins(kept(snmp_table.addresses(_snmp(told, access))))})
    if access.get("driver") == BY_HAND or "simulated" in told.get("device", {}):
        return _give({"switch-addresses": []})
    with closing(_Open(told, access, WantedPorts())) as opened:
        seen: list[SeenAddress] = opened.switch.addresses()
    return _give({"switch-addresses": to_builtins(kept(seen))})


def _snmp(told: dict[str, Any], access: dict[str, Any]) -> SnmpTarget:
    address = str(access.get("address") or (told.get("device") or {}).get("address") or "")
    if not address:
        raise SwitchError("unreachable", "the address of the switch is not known: set it in `switch-access`")
    community = str(told.get("switch-community") or "")
    return SnmpTarget(address=address, port=int(access.get("snmp-port") or 161), version=str(access["snmp"]), community=community)


class _Open:
    """The switch of a task, and its session."""

    def __init__(self, told: dict[str, Any], access: dict[str, Any], want: WantedPorts) -> None:
        device = told.get("device") or {}
        self._line: NetmikoLine | None = None
        if device.get("simulated"):
            self.switch: Managed = SwitchByHttp(SimulatedSwitch(str(device["simulated"])), want)
            return
        name = str(device.get("name") or "")
        driver = str(access.get("driver") or "")
        if driver not in DIALECTS:
            known = ", ".join(sorted(DIALECTS))
            what = f"unknown driver {driver!r}" if driver else "no driver"
            raise SwitchError("unsupported", f"{name} has {what}: set `switch-access` to {{{name}: {{driver: ...}}}} with one of {known}")
        address = str(access.get("address") or device.get("address") or "")
        if not address:
            raise SwitchError("unreachable", f"the address of {name} is not known: set it in `switch-access`")
        target = SwitchTarget(
            name=name,
            address=address,
            port=int(access.get("port") or 22),
            user=str(access.get("user") or "admin"),
            password=str(told.get("switch-password") or ""),
            host_key=str(access.get("host-key") or ""),
        )
        dialect = DIALECTS[driver]
        self._line = NetmikoLine(target, dialect, Path(os.environ["CROWBAR_STATE"]) / HOSTS)
        self.switch = SwitchByLine(self._line, dialect)

    def close(self) -> None:
        if self._line is not None:
            self._line.close()


def access_of(told: dict[str, Any]) -> dict[str, Any]:
    """The entry of `switch-access` for this switch: its own one over that of `*`."""
    every = told.get("switch-access") or {}
    name = str((told.get("device") or {}).get("name") or "")
    out = {**(every.get("*") or {}), **(every.get(name) or {})} if isinstance(every, dict) else {}
    if not isinstance(out, dict):
        raise ValidationError("switch-access is no map")
    return out


def _attributes() -> dict[str, Any]:
    found = json.loads(Path(os.environ["CROWBAR_ATTRIBUTES"]).read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise ValidationError("no map of attributes")
    return found


def _give(gives: dict[str, Any]) -> int:
    Path(os.environ["CROWBAR_GIVES"]).write_text(json.dumps(gives), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) == 2 else ""))
