"""A simulated Linux machine with a bridge that filters VLANs: `ip` and `bridge` of iproute2 6.1, as far as the dialect speaks them."""

from __future__ import annotations

import json
import shlex
from typing import Any

from sim_ios import SimSwitch, Truth


class LinuxSim(SimSwitch):
    greeting = "Linux tor1 6.1.0-18-amd64\r\n"

    def __init__(self, ports: list[str]) -> None:
        super().__init__(ports)
        self.master: dict[str, str] = dict.fromkeys(ports, "br0")
        self.alias: dict[str, str] = {}
        self.bonds: dict[str, str] = {}
        self.vids: dict[str, dict[int, set[str]]] = {name: {1: {"PVID", "Egress Untagged"}} for name in ports}

    def prompt(self) -> str:
        return "admin@tor1:~$ "

    def line(self, text: str) -> str:
        return self._one(text.removeprefix("sudo -n "))

    def _one(self, text: str) -> str:
        first, bars, second = text.partition(" || ")
        said = self._words(shlex.split(first))
        return self._words(shlex.split(second)) if bars and said.startswith(("RTNETLINK", "Cannot")) else said

    def _words(self, words: list[str]) -> str:
        match words:
            case ["ip", "-j", "-d", "link", "show"]:
                return json.dumps(self._links())
            case ["bridge", "-j", "vlan", "show"]:
                return json.dumps([{"ifname": name, "vlans": _shown(vids)} for name, vids in self.vids.items() if vids])
            case ["bridge", "-s", "-j", "fdb", "show"]:
                return "[]"
            case ["bridge", "vlan", "add", "dev", name, "vid", vid, *flags]:
                return self._add(name, int(vid), flags)
            case ["bridge", "vlan", "del", "dev", name, "vid", vid]:
                return "" if self.vids.get(name, {}).pop(int(vid), None) is not None else "RTNETLINK answers: Invalid argument"
            case ["ip", "link", "add", "name", name, "type", "bond", "mode", mode, "miimon", "100"]:
                if name in self.bonds:
                    return "RTNETLINK answers: File exists"
                self.bonds[name], self.vids[name] = mode, {}
            case ["ip", "link", "set", "dev", name, "type", "bond", "mode", mode]:
                self.bonds[name] = mode
            case ["ip", "link", "set", "dev", name, "nomaster"]:
                self.master.pop(name, None)
                self.vids[name] = {}
            case ["ip", "link", "set", "dev", name, "master", master]:
                if name not in self.vids or master not in ("br0", *self.bonds):
                    return f'Cannot find device "{name}"'
                self.master[name] = master
                self.vids[name] = {1: {"PVID", "Egress Untagged"}} if master == "br0" else {}
            case ["ip", "link", "set", "dev", name, "alias", alias]:
                self.alias[name] = alias
            case ["ip", "link", "set", "dev", _, "up" | "down"]:
                pass
            case _:
                return f"-bash: {' '.join(words)}: command not found"
        return ""

    def _add(self, name: str, vid: int, flags: list[str]) -> str:
        if self.master.get(name) != "br0":
            return "RTNETLINK answers: Operation not supported"
        told = {"PVID" if one == "pvid" else "Egress Untagged" for one in flags}
        if "PVID" in told:
            for others in self.vids[name].values():
                others.discard("PVID")
        self.vids[name][vid] = told
        return ""

    def _links(self) -> list[dict[str, Any]]:
        bridge = {"ifname": "br0", "link_type": "ether", "linkinfo": {"info_kind": "bridge", "info_data": {"vlan_filtering": 1}}}
        out: list[dict[str, Any]] = [{"ifname": "lo", "link_type": "loopback"}, bridge, {"ifname": "eth0", "link_type": "ether"}]
        for name in [*self.ports, *self.bonds]:
            one: dict[str, Any] = {"ifname": name, "link_type": "ether", "linkinfo": {}}
            one |= {"master": self.master[name]} if name in self.master else {}
            one |= {"ifalias": self.alias[name]} if name in self.alias else {}
            if name in self.bonds:
                one["linkinfo"] = {"info_kind": "bond", "info_data": {"mode": self.bonds[name]}}
            out.append(one)
        return out

    def truth(self) -> dict[str, Truth]:
        out = {}
        for name in self.ports:
            lag = self.master.get(name, "") if self.master.get(name, "") in self.bonds else ""
            vids = self.vids[lag or name]
            pvid = next((vid for vid, flags in vids.items() if "PVID" in flags), 0)
            out[name] = (pvid, frozenset(vid for vid, flags in vids.items() if "Egress Untagged" not in flags), lag)
        return out


def _shown(vids: dict[int, set[str]]) -> list[dict[str, Any]]:
    return [{"vlan": vid, **({"flags": sorted(flags, reverse=True)} if flags else {})} for vid, flags in sorted(vids.items())]
