"""Simulated switches of the family of IOS, of AOS-CX and of Comware. Written from the vendors' manuals, without the engine's readers.

A port is an object; its configuration is printed from it, and each line that is typed changes it or is refused as the vendor refuses it.
"""

from __future__ import annotations

import re

EVERY = frozenset(range(1, 4095))
Truth = tuple[int, frozenset[int], str]
"""Untagged VLAN (0: dropped), tagged VLANs, group."""


def spans(vlans: frozenset[int] | set[int], between: str = "-", joined: str = ",") -> str:
    out: list[str] = []
    run: list[int] = []
    for vlan in [*sorted(vlans), -1]:
        if run and vlan != run[-1] + 1:
            out.append(str(run[0]) if len(run) == 1 else f"{run[0]}{between}{run[-1]}")
            run = []
        run.append(vlan)
    return joined.join(out)


def unspanned(text: str) -> set[int]:
    out: set[int] = set()
    for part in text.replace(" to ", "-").replace(" ", ",").split(","):
        first, _, last = part.partition("-")
        out |= set(range(int(first), int(last or first) + 1))
    return out


class SimPort:
    def __init__(self, name: str) -> None:
        self.name = name
        self.mode = "access"
        self.access = 1
        self.native = 1
        self.allowed: set[int] | None = None
        self.lag = ""
        self.lag_mode = ""
        self.text = ""
        self.extra: list[str] = []

    @property
    def truth(self) -> Truth:
        if self.mode == "access":
            return self.access, frozenset(), self.lag
        allowed = EVERY if self.allowed is None else frozenset(self.allowed)
        native = self.native if self.native in allowed else 0
        return native, allowed - {native}, self.lag


class SimSwitch:
    """What all have: a prompt with modes, ports and groups."""

    greeting = "\r\nAuthorized users only\r\n"
    name = "tor1"
    invalid = "% Invalid input detected at '^' marker."

    def __init__(self, ports: list[str], own: str = "") -> None:
        self.ports = {name: SimPort(name) for name in ports}
        self.groups: dict[str, SimPort] = {}
        self.vlans: set[int] = {1}
        self.saved: dict[str, Truth] | None = None
        self.at: SimPort | None = None
        self.depth = 0

    def begin(self) -> None:
        self.depth, self.at = 0, None

    def truth(self) -> dict[str, Truth]:
        """Port -> what it really does: a member of a group does what the group does."""
        out = {}
        for name, port in self.ports.items():
            source = self.groups.get(port.lag, port)
            out[name] = (*source.truth[:2], port.lag)
        return out

    def save(self) -> None:
        self.saved = self.truth()


class IosSim(SimSwitch):
    """`kind`: ios, nxos, eos, os10 or sonic."""

    def __init__(self, kind: str, ports: list[str]) -> None:
        super().__init__(ports)
        self.kind = kind
        self.shell = kind == "sonic"
        self.features: set[str] = set()

    def begin(self) -> None:
        super().begin()
        self.shell = self.kind == "sonic"

    def prompt(self) -> str:
        if self.shell:
            return "admin@tor1:~$ "
        return self.name + ("", "(config)", "(config-if)")[self.depth] + ("# " if self.kind in ("os10", "sonic", "nxos") else "#")

    def line(self, text: str) -> str:
        if self.shell:
            self.shell = text != "sonic-cli"
            return "" if not self.shell else f"bash: {text}: command not found"
        if text.startswith("terminal"):
            return {"terminal width 511": "Width set to 511 columns.", "terminal length 0": "Pagination disabled."}.get(text, "")
        if text in ("end", "exit"):
            self.depth = 0 if text == "end" else max(0, self.depth - 1)
            return ""
        if self.depth == 0:
            return self._exec(text)
        return self._config(text)

    def _exec(self, text: str) -> str:
        if text in ("configure terminal", "config term"):
            self.depth = 1
            return "Enter configuration commands, one per line.  End with CNTL/Z."
        if text.startswith(("write mem", "copy running-config")):
            self.save()
            return "Building configuration...\n[OK]"
        if text == "show running-config":
            return self.running()
        if text == "show vlan brief" and self.kind == "ios":
            rows = [f"{vlan:<4} {'default' if vlan == 1 else f'VLAN{vlan:04}':<32} active    " for vlan in sorted(self.vlans)]
            return "\nVLAN Name                             Status    Ports\n---- ---- --- ---\n" + "\n".join(rows)
        if text == "show mac address-table":
            return self.addresses
        return self.invalid

    addresses = ""

    def _config(self, text: str) -> str:
        words = text.split()
        if found := re.fullmatch(r"vlan (\d+)", text):
            if self.kind in ("os10", "sonic"):
                return self.invalid
            self.vlans.add(int(found[1]))
            self.depth, self.at = 2, None
            return ""
        if found := re.fullmatch(r"interface [Vv]lan ?(\d+)", text):
            self.vlans.add(int(found[1]))
            self.depth, self.at = 2, None
            return ""
        if text == "feature lacp":
            self.features.add("lacp")
            return "" if self.kind == "nxos" else self.invalid
        if found := re.fullmatch(r"interface [Pp]ort-?[Cc]hannel ?(\d+)", text):
            self.at = self.groups.setdefault(found[1], SimPort(found[1]))
            self.depth = 2
            return ""
        if words[0] == "interface":
            self.at = self.ports.get(text.removeprefix("interface "))
            self.depth = 2 if self.at else self.depth
            return "" if self.at else self.invalid
        return self._port(self.at, text) if self.depth == 2 and self.at is not None else self.invalid

    def _known(self, vlans: set[int]) -> bool:
        return self.kind in ("ios", "nxos", "eos") or vlans <= self.vlans

    def _port(self, port: SimPort, text: str) -> str:
        if text.startswith("description "):
            port.text = text[12:].strip('"')
        elif found := re.fullmatch(r"switchport mode (access|trunk)", text):
            if self.kind == "sonic":
                return self.invalid
            port.mode = found[1]
            if self.kind == "os10" and port.allowed is None:
                port.allowed = set()
        elif found := re.fullmatch(r"switchport access [Vv]lan (\d+)", text):
            if not self._known({int(found[1])}):
                return "% Error: VLAN does not exist"
            port.access = int(found[1])
        elif found := re.fullmatch(r"switchport trunk native vlan (\d+)", text):
            if self.kind in ("os10", "sonic"):
                return self.invalid
            port.native = int(found[1])
        elif found := re.fullmatch(r"(no )?switchport trunk allowed ([Vv])lan (add |remove |)([0-9,-]+)", text):
            return self._allowed(port, bool(found[1]), found[3].strip(), unspanned(found[4]))
        elif found := re.fullmatch(r"channel-group (\d+)( force)?(?: mode (active|on))?", text):
            if self.kind == "nxos" and "lacp" not in self.features and found[3] == "active":
                return "ERROR: lacp feature is not enabled"
            port.lag, port.lag_mode = found[1], found[3] or "active"
            self.groups.setdefault(found[1], SimPort(found[1]))
        elif text == "no channel-group":
            port.lag = ""
        elif text in (
            "switchport",
            "no switchport",
            "port-channel lacp fallback individual",
            "no lacp suspend-individual",
            "lacp fallback enable",
        ):
            port.extra += [text] if "switchport" not in text else []
        else:
            return self.invalid
        return ""

    def _allowed(self, port: SimPort, no: bool, word: str, vlans: set[int]) -> str:
        adds = self.kind in ("os10", "sonic")
        if not self._known(vlans):
            return "% Error: VLAN does not exist"
        if self.kind == "sonic":
            port.mode = "trunk"
        now = set() if port.allowed is None else port.allowed
        if no or word == "remove":
            port.allowed = now - vlans
        elif word == "add" or adds:
            port.allowed = now | vlans
        else:
            port.allowed = set(vlans)
        return ""

    def running(self) -> str:
        sonic = self.kind == "sonic"
        out = ["!", "hostname tor1", "!"]
        if self.kind == "nxos":
            out += [f"vlan {spans(self.vlans)}"]
        elif self.kind == "eos":
            out += [f"vlan {spans(self.vlans - {1})}"] if self.vlans - {1} else []
        elif self.kind in ("os10", "sonic"):
            out += [line for vlan in sorted(self.vlans) for line in (f"interface {'Vlan' if sonic else 'vlan'}{vlan}", " no shutdown", "!")]
        lag = {"ios": "Port-channel", "nxos": "port-channel", "eos": "Port-Channel", "os10": "port-channel", "sonic": "PortChannel "}[
            self.kind
        ]
        for name, port in [*((f"{lag}{name}", port) for name, port in self.groups.items()), *self.ports.items()]:
            out += [f"interface {name}", *(f"{'   ' if self.kind == 'eos' else ' '}{line}" for line in self._lines(port)), "!"]
        return "\n".join([*out, "interface mgmt0", " ip address 10.0.0.9/24", "!", "end"])

    def _lines(self, port: SimPort) -> list[str]:
        out = (
            [f"description {chr(34)}{port.text}{chr(34)}" if " " in port.text and self.kind == "os10" else f"description {port.text}"]
            if port.text
            else []
        )
        out += [f"switchport mode {port.mode}"] if port.mode == "trunk" and self.kind != "sonic" else []
        word = "Vlan " if self.kind == "sonic" else "vlan "
        if self.kind in ("os10", "sonic"):
            out += [f"switchport access {word}{port.access}"]
            out += [f"switchport trunk allowed {word}{spans(port.allowed)}"] if port.mode == "trunk" and port.allowed else []
        else:
            out += [f"switchport access vlan {port.access}"] if port.access != 1 else []
            out += [f"switchport trunk native vlan {port.native}"] if port.native != 1 else []
            if port.allowed is not None:
                parts = spans(port.allowed).split(",")
                lines = [",".join(parts[i : i + 6]) for i in range(0, len(parts), 6)]
                out += [f"switchport trunk allowed vlan {'add ' if i else ''}{one}" for i, one in enumerate(lines)]
        if port.lag:
            out.append(f"channel-group {port.lag}" + ("" if self.kind == "sonic" else f" mode {port.lag_mode}"))
        return out + port.extra

    def truth(self) -> dict[str, Truth]:
        out = super().truth()
        if self.kind not in ("os10", "sonic"):
            return out
        for name, port in self.ports.items():
            source = self.groups.get(port.lag, port)
            tagged = frozenset(source.allowed or ()) if source.mode == "trunk" else frozenset()
            out[name] = (source.access, tagged - {source.access}, port.lag)
        return out


class AosCxSim(SimSwitch):
    invalid = "Invalid input: "
    addresses = ""

    def prompt(self) -> str:
        return self.name + ("", "(config)", "(config-if)")[self.depth] + "# "

    def line(self, text: str) -> str:
        if text == "no page" or text.startswith("terminal"):
            return ""
        if text in ("end", "exit"):
            self.depth = 0 if text == "end" else max(0, self.depth - 1)
            return ""
        if self.depth == 0:
            if text.startswith("configure term"):
                self.depth = 1
                return ""
            if text.startswith("write mem"):
                self.save()
                return "Success"
            return {"show running-config": self.running(), "show mac-address-table": self.addresses}.get(text, self.invalid + text)
        if found := re.fullmatch(r"vlan (\d+)", text):
            self.vlans.add(int(found[1]))
            self.depth, self.at = 2, None
        elif found := re.fullmatch(r"interface lag (\d+)", text):
            self.depth, self.at = 2, self.groups.setdefault(found[1], SimPort(found[1]))
        elif found := re.fullmatch(r"interface (\S+)", text):
            self.at = self.ports.get(found[1])
            self.depth = 2
            return "" if self.at else self.invalid + found[1]
        elif self.depth == 2 and self.at is not None:
            return self._port(self.at, text)
        else:
            return self.invalid + text
        return ""

    def _port(self, port: SimPort, text: str) -> str:
        if text.startswith("description "):
            port.text = text[12:]
        elif found := re.fullmatch(r"vlan access (\d+)", text):
            port.mode, port.access = "access", int(found[1])
        elif found := re.fullmatch(r"vlan trunk native (\d+)", text):
            port.mode, port.native = "trunk", int(found[1])
        elif found := re.fullmatch(r"vlan trunk allowed ([0-9,-]+)", text):
            vlans = unspanned(found[1])
            if not vlans <= self.vlans:
                return f"Invalid input: VLAN {max(vlans)} does not exist"
            port.mode, port.allowed = "trunk", (port.allowed or set()) | vlans
        elif found := re.fullmatch(r"no vlan trunk allowed(?: ([0-9,-]+))?", text):
            port.allowed = None if found[1] is None else (port.allowed or set()) - unspanned(found[1])
        elif text == "no vlan trunk native":
            port.native = 1
        elif found := re.fullmatch(r"lag (\d+)", text):
            port.lag = found[1]
        elif re.fullmatch(r"no lag \d+", text):
            port.lag = ""
        elif text in ("no shutdown", "no routing", "lacp mode active", "no lacp mode", "lacp fallback"):
            port.extra = [*(one for one in port.extra if one != text), text] if not text.startswith("no ") else port.extra
        else:
            return self.invalid + text
        return ""

    def running(self) -> str:
        out = ["Current configuration:", "!", "!Version ArubaOS-CX FL.10.10.1000", "hostname tor1", f"vlan {spans(self.vlans)}"]
        for name, port in [*((f"lag {name}", port) for name, port in self.groups.items()), *self.ports.items()]:
            out += [f"interface {name}", "    no shutdown"]
            out += [f"    description {port.text}"] if port.text else []
            if port.lag:
                out += [f"    lag {port.lag}"]
                continue
            if port.mode == "access":
                out += [f"    vlan access {port.access}"]
            else:
                out += [f"    vlan trunk native {port.native}"]
                out += [f"    vlan trunk allowed {'all' if port.allowed is None else spans(port.allowed)}"]
            out += [f"    {one}" for one in port.extra]
        return "\n".join([*out, "interface vlan 1", "    ip dhcp"])


class ComwareSim(SimSwitch):
    invalid = " % Unrecognized command found at '^' position."
    addresses = ""

    def prompt(self) -> str:
        return "<tor1>" if self.depth == 0 else "[tor1]" if self.depth == 1 else "[tor1-if]"

    def line(self, text: str) -> str:
        if text in ("quit", "return"):
            self.depth = 0 if text == "return" else max(0, self.depth - 1)
            return ""
        if text.startswith("screen-length"):
            return ""
        if text == "system-view":
            self.depth = 1
            return "System View: return to User View with Ctrl+Z."
        if text == "save force":
            self.save()
            return "Validating file. Please wait...\nSaved the current configuration to mainboard device successfully."
        if text == "display current-configuration":
            return self.running()
        if text == "display mac-address":
            return self.addresses
        if self.depth == 0:
            return self.invalid
        if found := re.fullmatch(r"vlan (\d+)", text):
            self.vlans.add(int(found[1]))
            self.depth, self.at = 2, None
        elif found := re.fullmatch(r"interface Bridge-Aggregation ?(\d+)", text):
            self.depth, self.at = 2, self.groups.setdefault(found[1], SimPort(found[1]))
        elif found := re.fullmatch(r"interface (\S+)", text):
            self.depth, self.at = 2, self.ports.get(found[1])
            return "" if self.at else self.invalid
        elif self.depth == 2 and self.at is not None:
            return self._port(self.at, text)
        else:
            return self.invalid
        return ""

    def _port(self, port: SimPort, text: str) -> str:
        if text.startswith("description "):
            port.text = text[12:]
        elif found := re.fullmatch(r"port link-type (access|trunk)", text):
            if port.mode != found[1]:
                port.access, port.native, port.allowed = 1, 1, {1}
            port.mode = found[1]
        elif found := re.fullmatch(r"port access vlan (\d+)", text):
            port.access = int(found[1])
            return "" if port.mode == "access" and port.access in self.vlans else self.invalid
        elif text == "undo port access vlan":
            port.access = 1
        elif found := re.fullmatch(r"(undo )?port trunk permit vlan ([0-9 to]+)", text):
            if port.mode != "trunk":
                return self.invalid
            now, vlans = port.allowed or set(), unspanned(found[2])
            port.allowed = now - vlans if found[1] else now | vlans
        elif found := re.fullmatch(r"port trunk pvid vlan (\d+)", text):
            port.native = int(found[1])
            return "" if port.mode == "trunk" else self.invalid
        elif found := re.fullmatch(r"port link-aggregation group (\d+)", text):
            port.lag = found[1]
            return "" if found[1] in self.groups else "Error: the aggregation group does not exist."
        elif text == "undo port link-aggregation group":
            port.lag = ""
        elif text in ("link-aggregation mode dynamic", "undo link-aggregation mode", "lacp edge-port"):
            port.extra += [] if text.startswith("undo") or text in port.extra else [text]
        else:
            return self.invalid
        return ""

    def running(self) -> str:
        out = ["#", " version 7.1.070, Release 6126P20", "#", " sysname tor1", "#"]
        out += [line for vlan in sorted(self.vlans) for line in (f"vlan {vlan}", "#")]
        for name, port in [*((f"Bridge-Aggregation{name}", port) for name, port in self.groups.items()), *self.ports.items()]:
            out += [f"interface {name}", " port link-mode bridge"] if not name.startswith("Bridge") else [f"interface {name}"]
            out += [f" description {port.text}"] if port.text else []
            if port.mode == "trunk":
                allowed = port.allowed or set()
                out += [" port link-type trunk"]
                out += [" undo port trunk permit vlan 1"] if 1 not in allowed else []
                out += [f" port trunk permit vlan {spans(allowed - {1} or allowed, ' to ', ' ')}"] if allowed - {1} else []
                out += [f" port trunk pvid vlan {port.native}"] if port.native != 1 else []
            elif port.access != 1:
                out += [f" port access vlan {port.access}"]
            out += [f" port link-aggregation group {port.lag}"] if port.lag else []
            out += [f" {one}" for one in port.extra] + ["#"]
        return "\n".join([*out, "return"])
