"""Simulated switches whose command lines are of their own kind: ProCurve, Junos and NVUE. Written from the vendors' manuals."""

from __future__ import annotations

import json
import re
import shlex

from sim_ios import SimPort, SimSwitch, Truth, spans, unspanned


class ProcurveSim(SimSwitch):
    """VLANs have ports. A trunk group takes its ports out of all VLANs, and is itself untagged in VLAN 1."""

    greeting = "\r\nHP J9729A 2920-48G Switch\r\nSoftware revision WB.16.10\r\n(C) Copyright 2020 Hewlett\r\nPress any key to continue"
    invalid = "Invalid input: "
    addresses = ""

    def __init__(self, ports: list[str]) -> None:
        super().__init__(ports)
        self.untagged: dict[str, int] = dict.fromkeys(ports, 1)
        self.tagged: dict[int, set[str]] = {}
        self.modes: dict[str, str] = {}
        self.vlan = 0
        self.waits = True

    def begin(self) -> None:
        super().begin()
        self.waits = True

    def prompt(self) -> str:
        if self.waits:
            self.waits = False
            return ""
        return f"tor1{('', '(config)', f'(vlan-{self.vlan})')[self.depth]}# "

    def line(self, text: str) -> str:
        if text in ("no page", "", "logout") or text.startswith("terminal"):
            return ""
        if text in ("end", "exit"):
            self.depth = 0 if text == "end" else max(0, self.depth - 1)
            return ""
        if text in ("configure terminal", "config term", "configure"):
            self.depth = 1
            return ""
        if text.startswith("write mem"):
            self.save()
            return ""
        shows = {"show running-config": self.running, "show interfaces brief": self.brief, "show mac-address": lambda: self.addresses}
        if text in shows:
            return shows[text]()
        return self._config(text) if self.depth else self.invalid + text

    def _config(self, text: str) -> str:
        if found := re.fullmatch(r"vlan (\d+)", text):
            self.vlan = int(found[1])
            self.vlans.add(self.vlan)
            self.depth, self.at = 2, None
        elif found := re.fullmatch(r"interface (\S+)", text):
            self.at, self.depth = self.ports.get(found[1]), 2
            return "" if self.at else self.invalid + found[1]
        elif found := re.fullmatch(r"trunk (\S+) trk(\d+) (lacp|trunk)", text):
            for port in found[1].split(","):
                self.ports[port].lag = found[2]
                self.untagged.pop(port, None)
                for there in self.tagged.values():
                    there.discard(port)
            self.modes[found[2]] = found[3]
            self.untagged.setdefault(f"Trk{found[2]}", 1)
        elif found := re.fullmatch(r"no trunk (\S+)", text):
            self.ports[found[1]].lag = ""
            self.untagged[found[1]] = 1
        elif self.depth == 2 and self.at is not None and text.startswith("name "):
            self.at.text = text[5:].strip('"')
        elif self.depth == 2 and (found := re.fullmatch(r"(no )?(tagged|untagged) (\S+)", text)):
            port = found[3]
            if port in self.ports and self.ports[port].lag:
                return f"{port} is a member of a trunk: invalid input"
            if found[2] == "untagged":
                self.untagged[port] = self.vlan
                self.tagged.setdefault(self.vlan, set()).discard(port)
            elif found[1]:
                self.tagged.setdefault(self.vlan, set()).discard(port)
            else:
                self.tagged.setdefault(self.vlan, set()).add(port)
                self.untagged = {name: vlan for name, vlan in self.untagged.items() if (name, vlan) != (port, self.vlan)}
        else:
            return self.invalid + text
        return ""

    def truth(self) -> dict[str, Truth]:
        out = {}
        for name, port in self.ports.items():
            key = f"Trk{port.lag}" if port.lag else name
            out[name] = (self.untagged.get(key, 0), frozenset(v for v, there in self.tagged.items() if key in there), port.lag)
        return out

    def brief(self) -> str:
        head = " Status and Counters - Port Status\n\n  Port    Type       | Alert  Enabled Status\n  ------- ---------- + ------ ------- ------\n"
        return head + "\n".join(
            f"  {name}{'-Trk' + port.lag if port.lag else '':<6} 100/1000T  | No  Yes  Up" for name, port in self.ports.items()
        )

    def running(self) -> str:
        out = ["Running configuration:", "", "; J9729A Configuration Editor; Created on release #WB.16.10", 'hostname "tor1"']
        for lag, mode in self.modes.items():
            members = [name for name, port in self.ports.items() if port.lag == lag]
            out += [f"trunk {','.join(members)} trk{lag} {mode}"] if members else []
        for name, port in self.ports.items():
            out += [f"interface {name}", f'   name "{port.text}"', "   exit"] if port.text else []
        for vlan in sorted(self.vlans):
            out += [f"vlan {vlan}", f'   name "{"DEFAULT_VLAN" if vlan == 1 else f"VLAN{vlan}"}"']
            mine = [name for name, its in self.untagged.items() if its == vlan]
            out += [f"   untagged {_lists(mine)}"] if mine else []
            out += [f"   tagged {_lists(sorted(self.tagged.get(vlan, ())))}"] if self.tagged.get(vlan) else []
            out += ["   no ip address", "   exit"]
        return "\n".join(out)


def _lists(names: list[str]) -> str:
    numbers = {int(name) for name in names if name.isdecimal()}
    return ",".join([*([spans(numbers)] if numbers else []), *(name for name in names if not name.isdecimal())])


class JunosSim(SimSwitch):
    """A candidate and an active configuration, as sets of `set` lines."""

    greeting = "--- JUNOS 21.4R3 Kernel 64-bit\r\n"
    addresses = ""

    def __init__(self, ports: list[str]) -> None:
        super().__init__(ports)
        self.active: list[str] = ["system host-name tor1", "vlans default vlan-id 1"]
        for name in ports:
            self.active.append(f"interfaces {name} unit 0 family ethernet-switching vlan members default")
        self.candidate = list(self.active)
        self.commits = 0

    def prompt(self) -> str:
        return "admin@tor1> " if self.depth == 0 else "\n[edit]\nadmin@tor1# "

    def line(self, text: str) -> str:
        if text.startswith("set cli "):
            said = {"screen-width": "Screen width set to 511", "screen-length": "Screen length set to 0"}
            return said.get(text.split()[2], "Disabling complete-on-space")
        if text == "configure":
            self.depth = 1
            return "Entering configuration mode"
        if text in ("exit configuration-mode", "exit", "commit and-quit"):
            said = self._commit() + "\n" if text == "commit and-quit" else ""
            if "error" in said:
                return said
            self.depth = 0
            return f"{said}Exiting configuration mode"
        if text == "rollback 0" and self.depth:
            self.candidate = list(self.active)
            return "load complete"
        if text == "show configuration | display set | no-more":
            return "\n".join(f"set {line}" for line in self.active)
        if text == "show interfaces terse | no-more":
            rows = [f"{name:<23} up    up\n{name + '.0':<23} up    up   eth-switch" for name in self.ports]
            return "Interface               Admin Link Proto    Local\n" + "\n".join([*rows, "me0                     up    up"])
        if text.startswith("show ethernet-switching table"):
            return self.addresses
        if self.depth == 0:
            return f"unknown command: {text}"
        if text == "commit":
            return self._commit()
        word, _, rest = text.partition(" ")
        if word == "set" and rest:
            self._set(rest)
            return ""
        if word == "delete" and rest:
            kept = [one for one in self.candidate if one != rest and not one.startswith(rest + " ")]
            gone, self.candidate = len(kept) != len(self.candidate), kept
            return "" if gone else "warning: statement not found"
        return f"syntax error: {text}"

    def _set(self, rest: str) -> None:
        """A leaf has one value; `members` is a list."""
        for leaf in ("interface-mode", "native-vlan-id", "description", "vlan-id", "802.3ad", "device-count"):
            if f" {leaf} " in rest:
                head = rest[: rest.index(f" {leaf} ") + len(leaf) + 2]
                self.candidate = [one for one in self.candidate if not one.startswith(head)]
        if rest not in self.candidate:
            self.candidate.append(rest)

    def _commit(self) -> str:
        known = {line.split()[1]: int(line.split()[3]) for line in self.candidate if re.fullmatch(r"vlans \S+ vlan-id \d+", line)}
        count = next((int(line.split()[-1]) for line in self.candidate if "device-count" in line), 0)
        for line in self.candidate:
            found = re.search(r" vlan members (\S+)$", line)
            if found and found[1] not in known and not (found[1][0].isdigit() and unspanned(found[1]) <= set(known.values())):
                return f"error: vlan {found[1]} not configured\nerror: configuration check-out failed"
            if (found := re.search(r"802\.3ad ae(\d+)$", line)) and int(found[1]) >= count:
                return "error: device-count is too small\nerror: configuration check-out failed"
        self.active = list(self.candidate)
        self.commits += 1
        self.save()
        return "commit complete"

    def truth(self) -> dict[str, Truth]:
        known = {line.split()[1]: int(line.split()[3]) for line in self.active if re.fullmatch(r"vlans \S+ vlan-id \d+", line)}
        out = {}
        for name in self.ports:
            lag = next((line.split()[-1] for line in self.active if line.startswith(f"interfaces {name} ether-options 802.3ad ")), "")
            head = f"interfaces {lag or name} "
            mine = [line.removeprefix(head) for line in self.active if line.startswith(head)]
            members: set[int] = set()
            for line in mine:
                if found := re.fullmatch(r"unit 0 family ethernet-switching vlan members (\S+)", line):
                    members |= {known[found[1]]} if found[1] in known else unspanned(found[1])
            native = next((int(line.split()[-1]) for line in mine if line.startswith("native-vlan-id ")), 0)
            if "unit 0 family ethernet-switching interface-mode trunk" in mine:
                out[name] = (native, frozenset(members - {native}), lag)
            else:
                out[name] = (min(members or {1}), frozenset(), lag)
        return out


class NvueSim(SimSwitch):
    """A shell with `nv`. The pending settings become the applied ones."""

    greeting = "Welcome to NVIDIA Cumulus (R) Linux (R)\r\n"

    def __init__(self, ports: list[str]) -> None:
        super().__init__(ports)
        self.applied: list[str] = ["bridge domain br_default vlan 1", *(f"interface {name} bridge domain br_default" for name in ports)]
        self.applied.append(f"interface {ports[-1]} bridge domain br_default access 1")
        self.pending = list(self.applied)
        self.entries: list[dict[str, object]] = []

    def prompt(self) -> str:
        return "cumulus@tor1:mgmt:~$ "

    def line(self, text: str) -> str:
        words = shlex.split(text.removeprefix("sudo -n "))
        if words == ["ls", "/sys/class/net"]:
            return "  ".join([*self.ports, "br_default", "eth0", "lo", "mgmt"])
        if words[:5] == ["bridge", "-s", "-j", "fdb", "show"]:
            return json.dumps(self.entries)
        if words[:1] != ["nv"]:
            return f"-bash: {words[0]}: command not found"
        if words[1:] == ["config", "show", "-o", "commands"]:
            return "\n".join(f"nv set {line}" for line in self.applied)
        if words[1:] == ["config", "apply", "-y"]:
            self.applied = list(self.pending)
            return "applied [rev_id: 7]"
        if words[1:] == ["config", "save"]:
            self.save()
            return "saved [rev_id: applied]"
        path = words[2:]
        if words[1] == "unset":
            gone = " ".join(path)
            if "member" in path:
                head = " ".join(path[:4])
                now = next((one for one in self.pending if one.startswith(head + " ")), "")
                kept = [one for one in now.removeprefix(head).strip().split(",") if one not in ("", path[4])]
                self.pending = [one for one in self.pending if one != now] + ([f"{head} {','.join(kept)}"] if kept else [])
                return "unset"
            self.pending = [one for one in self.pending if one != gone and not one.startswith(gone + " ")]
            return "unset"
        if words[1] != "set" or path[0] not in ("bridge", "interface"):
            return f"Error: Invalid config [{text}]"
        return self._set(path)

    def _set(self, path: list[str]) -> str:
        if path[:4] == ["bridge", "domain", "br_default", "vlan"]:
            now = next((one for one in self.pending if one.startswith("bridge domain br_default vlan ")), "")
            vlans = (unspanned(now.split()[-1]) if now else set()) | unspanned(path[4])
            self.pending = [one for one in self.pending if one != now] + [f"bridge domain br_default vlan {spans(vlans)}"]
            return "created"
        if "member" in path:
            line = " ".join(path[:4])
            now = next((one for one in self.pending if one.startswith(line + " ")), "")
            members = [*(now.split()[-1].split(",") if now else []), path[4]]
            self.pending = [one for one in self.pending if one != now] + [f"{line} {','.join(dict.fromkeys(members))}"]
            return "created"
        for leaf in ("untagged", "access", "vlan", "description", "mode", "lacp-bypass"):
            if path[-2] == leaf:
                head = " ".join(path[:-1])
                self.pending = [one for one in self.pending if not one.startswith(head + " ")]
        line = " ".join([*path[:-1], shlex.quote(path[-1])])
        if line not in self.pending:
            self.pending.append(line)
        return "created"

    def truth(self) -> dict[str, Truth]:
        every = next((unspanned(one.split()[-1]) for one in self.applied if one.startswith("bridge domain br_default vlan ")), {1})
        lag_of: dict[str, str] = {}
        for one in self.applied:
            if found := re.fullmatch(r"interface (\S+) bond member (\S+)", one):
                lag_of |= dict.fromkeys(found[2].split(","), found[1])
        out = {}
        for name in self.ports:
            head = f"interface {lag_of.get(name, name)} bridge domain br_default"
            told = [one.removeprefix(head).strip() for one in self.applied if one == head or one.startswith(head + " ")]
            access = next((int(one.split()[1]) for one in told if one.startswith("access ")), 0)
            bare = next((one.split()[1] for one in told if one.startswith("untagged ")), "1")
            untagged = int(bare) if bare.isdecimal() else 0
            own = next((unspanned(one.split()[1]) for one in told if one.startswith("vlan ")), every)
            if not told:
                out[name] = (0, frozenset[int](), lag_of.get(name, ""))
            elif access:
                out[name] = (access, frozenset[int](), lag_of.get(name, ""))
            else:
                out[name] = (untagged, frozenset(own - {untagged}), lag_of.get(name, ""))
        return out


__all__ = ["JunosSim", "NvueSim", "ProcurveSim", "SimPort"]
