"""The steps that ask for values: the site, its networks, the BMC account, the rack; and the rehearsal's three values."""

from __future__ import annotations

import re
from collections.abc import Sequence

from engine.api.control import CLOUDS, Proposal, count, propose

from ..formats import count as many
from .field import Field, Option
from .first_run import FirstRun
from .form import Form

ADDRESS, SUBNET = "192.168.124.10", "192.168.124.0/24"
"""Proposed if the interface has no address yet."""


class SiteForm(Form):
    name = "site"
    title = "what is the name of this site?"
    intro = "A short name for the rack or site, and the domain of all host names in it."

    def make(self) -> list[Field]:
        return [
            Field("name", "site", "a-z, 0-9 and -; every screen shows it at the top", lambda: "r01"),
            Field("domain", "domain", "lower case; .internal is reserved for networks like this one", self._domain),
        ]

    def _domain(self) -> str:
        return self.run.domain or f"{self.value('name') or 'r01'}.internal"

    def foot(self) -> list[tuple[str, str]]:
        return [(f"the first machine will be node-1.{self.value('domain')}", "dim")]


class NetworkForm(Form):
    name = "networks"
    title = "which addresses will the rack use?"
    intro = "Proposed from the interface's address. The ranges leave out the admin node, the router and the first addresses."

    def make(self) -> list[Field]:
        def room(text: str) -> str:
            return many(count(text), "address", "addresses") if count(text) else ""

        separate = (Option("yes", "a network of their own"), Option("no", "none", "no addresses for BMCs"))
        return [
            Field("address", "admin node", "this machine's address on the interface", lambda: self._from().address or ADDRESS),
            Field("subnet", "admin network", "servers boot here", self._subnet),
            Field("dhcp", "dhcp range", "for machines that boot", lambda: self._proposal().dhcp, note=room),
            Field("host", "host range", "for addresses that machines keep", lambda: self._proposal().host, note=room),
            Field("router", "router", "empty: machines get no router", self._router),
            Field("bmc", "BMC network", "management controllers", lambda: "yes", options=lambda: separate),
            Field("bmc_subnet", "BMC subnet", "must not overlap the admin network", lambda: self._proposal().bmc_subnet, shown=self._own),
            Field("bmc_host", "BMC range", "addresses of the BMCs", lambda: self._proposal().bmc_host, note=room, shown=self._own),
        ]

    def _own(self) -> bool:
        return self.value("bmc") == "yes"

    def _from(self) -> Proposal:
        """The proposals that follow from the interface's address."""
        nothing = Proposal(address="", subnet="", dhcp="", host="", bmc_subnet="", bmc_host="")
        port = self.run.port
        return next((p for one in (port.addresses if port is not None else ()) if (p := propose(one, self._router()))), nothing)

    def _subnet(self) -> str:
        own = self._from()
        if self.value("address") == own.address:
            return own.subnet
        if self.value("address") == ADDRESS:
            return SUBNET
        near = propose(f"{self.value('address')}/24")
        return near.subnet if near is not None else ""

    def _proposal(self) -> Proposal:
        """The proposals that follow from the present address and subnet."""
        prefix = self.value("subnet").partition("/")[2]
        taken = tuple(n.subnet for p in self.run.ports if p is not self.run.port for one in p.addresses if (n := propose(one)))
        found = propose(f"{self.value('address')}/{prefix}", self.value("router"), taken) if prefix.isdecimal() else None
        return found or Proposal(address="", subnet="", dhcp="", host="", bmc_subnet="", bmc_host="")

    def _router(self) -> str:
        return self.run.port.router if self.run.port is not None else ""

    def foot(self) -> list[tuple[str, str]]:
        port, address = self.run.port, self.value("address")
        if port is None or any(one.partition("/")[0] == address for one in port.addresses):
            return []
        prefix = self.value("subnet").partition("/")[2] or "24"
        return [(f"not set yet: ip address add {address}/{prefix} dev {port.name}", "ask")]


class BmcForm(Form):
    name = "bmc"
    title = "how does the engine power machines on?"
    intro = "The account of the management controllers (BMCs). The plan names the source of the password, never the password."

    def make(self) -> list[Field]:
        sources = (
            Option("env", "environment", "a variable of this console"),
            Option("file", "file", "that contains it"),
            Option("typed", "typed here", "kept in a file beside the store"),
            Option("", "none", "you press the power buttons"),
        )
        users = (Option("", "admin"), Option("env", "environment"), Option("file", "file"))
        return [
            Field("password_from", "password from", "its source", self._source, options=lambda: sources),
            Field("password", "variable", "its name", lambda: "CROWBAR_BMC_PASSWORD", shown=lambda: self._is("env"), note=self._env),
            Field("password_file", "file", "its path", lambda: "", shown=lambda: self._is("file"), note=self._file),
            Field("password_typed", "password", "never shown", lambda: "", shown=lambda: self._is("typed"), hidden=True),
            Field("user_from", "account", "the name itself, or its source", str, options=lambda: users, shown=lambda: not self._is("")),
            Field("user", "account's name", "variable or file that contains it", self._user, shown=lambda: bool(self.value("user_from"))),
        ]

    def _is(self, source: str) -> bool:
        return self.value("password_from") == source

    def _source(self) -> str:
        return "env" if not self.run.admin.secret("env", "CROWBAR_BMC_PASSWORD") else "typed"

    def _user(self) -> str:
        return "CROWBAR_BMC_USER" if self.value("user_from") == "env" else ""

    def _env(self, name: str) -> str:
        return "it is set" if re.fullmatch(r"\w+", name) and not self.run.admin.secret("env", name) else ""

    def _file(self, name: str) -> str:
        return "it can be read" if name and not self.run.admin.secret("file", name) else ""

    def wrong(self, field: Field) -> str:
        by_rules = super().wrong(field)
        if by_rules:
            return by_rules
        if field.key == "password":
            return self.run.admin.secret("env", field.value)
        if field.key == "password_file":
            return self.run.admin.secret("file", field.value) if field.value else "expected a path"
        if field.key == "password_typed":
            return "" if field.value.strip() else "expected the password (or choose none)"
        if field.key == "user" and self.value("user_from"):
            return self.run.admin.secret(self.value("user_from"), field.value) if field.value else "expected a name"
        return ""


class RackForm(Form):
    name = "rack"
    title = "what will the rack become?"
    intro = "The number of machines, their system, and what the engine may do without asking."

    def make(self) -> list[Field]:
        wipe = (
            Option("blank", "blank disks", "no partition table, no signature"),
            Option("nothing", "nothing", "every wipe waits for your approval"),
            Option("foreign", "foreign disks", "disks that this installation did not write"),
            Option("all", "all disks", "with any content"),
        )
        allocate = (Option("auto", "at once", "the engine takes discovered machines"), Option("ask", "ask", "each machine waits for you"))
        names = (
            Option("node-{number}", "node-1, node-2 ...", "as they come"),
            Option("node-{serial}", "by serial"),
            Option("node-{place}", "by place", "needs a cable plan; else by serial"),
        )
        return [
            Field("nodes", "machines", "expected number; empty: any number", str),
            Field("names", "host names", "names of the machines", lambda: "node-{number}", options=lambda: names),
            Field("system", "system", "the system to install", self._system, options=self._systems),
            Field("wipe", "may be wiped", "disks that may lose their data", lambda: "blank", options=lambda: wipe),
            Field("allocate", "take machines", "when the engine continues after discovery", lambda: "auto", options=lambda: allocate),
        ]

    def _system(self) -> str:
        return next((o.value for o in self._systems() if not o.help), self._systems()[0].value)

    def _systems(self) -> Sequence[Option]:
        some = [Option(name, name, "is not built yet" if wrong else "") for name, wrong in self.run.systems]
        clouds = (
            Option("openstack-six", "OpenStack", "a cloud on six servers or more: see the plan's rules"),
            Option("openstack-one", "OpenStack on one", "a whole cloud on one server, to try it"),
        )
        return [*some, *clouds, Option("", "none", "discover only")]

    def foot(self) -> list[tuple[str, str]]:
        out = []
        images = CLOUDS.get(self.value("system"), (self.value("system"),))
        wrong = {name: why for name, why in self.run.systems if name in images and why}
        if wrong:
            out.append((f"{next(iter(wrong.values()))}: crowbar image build {' '.join(wrong)}", "ask"))
        room, nodes = count(self.run.values()["host"]), self.value("nodes")
        if nodes.isdecimal() and room and int(nodes) > room:
            out.append((f"the host range has {room} addresses for {nodes} machines: go back and widen the range", "ask"))
        return out


class RehearsalForm(Form):
    name = "rehearse"
    title = "a virtual rack"
    intro = "Virtual machines, on this machine only. DHCP, TFTP, HTTP, IPMI, Redfish and SSH are real; firmware and disks are simulated."

    def __init__(self, run: FirstRun, faults: bool) -> None:
        self._faults = faults
        self._trouble = ""
        super().__init__(run)

    def make(self) -> list[Field]:
        speeds = (Option("1", "real time"), Option("10", "10 x"), Option("60", "60 x"), Option("max", "max", "no waiting"))
        faults = (
            Option("", "nothing"),
            Option("first-day", "a first day", "a cable, a BMC and disks that fail"),
            Option("cables", "cables", "swapped and missing"),
            Option("bad-bmcs", "bad BMCs"),
            Option("second-dhcp-server", "DHCP", "a second DHCP server"),
            Option("silent-machines", "silence", "machines that never report"),
        )
        return [
            Field("machines", "machines", "1 to 1000", lambda: "6"),
            Field("speed", "speed", "speed of firmware and installs", lambda: "10", options=lambda: speeds),
            Field(
                "faults",
                "goes wrong",
                "the next line says what is wrong, w says why, m repairs the machine by hand",
                lambda: "first-day" if self._faults else "",
                options=lambda: faults,
                shown=lambda: self._faults,
            ),
        ]

    def wrong(self, field: Field) -> str:
        if field.key == "machines":
            right = field.value.isdecimal() and 1 <= int(field.value) <= 1000
            return "" if right else f"expected a whole number from 1 to 1000, not {field.value!r}"
        return self._trouble if field.key == "speed" else ""

    def press(self, key: str) -> bool:
        self._trouble = ""
        return super().press(key)

    def go_on(self) -> bool:
        if not super().go_on():
            return False
        command = self.run.admin.rehearsal(self.value("machines"), self.value("speed"), self.value("faults") if self._faults else "")
        if isinstance(command, str):
            self._trouble = command
            return False
        self.run.session.begin(command)
        return False

    def says(self) -> str:
        return "enter starts the rehearsal; it touches no real machine" if not self._trouble else self._trouble
