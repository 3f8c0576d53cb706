"""The PDUs of a rack: an SNMP agent (versions 1 and 2c) for each, whose outlets feed machines. Any community is heard.

A machine has power while one of its outlets has. Its firmware is set to start after a power failure. A machine that a PDU feeds has no BMC.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, cast

from ...power.outlet_tables import TABLES
from ..counters import Counters
from .reached import PduDef
from .wiring import Wiring

PORT = 161


class Pdu(asyncio.DatagramProtocol):
    """`switched(machine)` is called when an outlet changed. At the start all outlets are on."""

    def __init__(self, about: PduDef, switched: Callable[[str], None], counters: Counters) -> None:
        self._table, self._switched, self._counters = TABLES[about.table], switched, counters
        self.feeds = {self._table.index(outlet): machine for outlet, machine in about.feeds.items()}
        self.on = dict.fromkeys(self.feeds, True)
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        from pyasn1.error import PyAsn1Error
        from pysnmp.error import PySnmpError

        try:
            answer = self._answer(data)
        except (PySnmpError, PyAsn1Error, ValueError, KeyError, TypeError):
            self._counters.add("pdu-refused")
            return
        if self._transport is not None:
            self._transport.sendto(answer, addr)

    def _answer(self, octets: bytes) -> bytes:
        from pyasn1.codec.ber import decoder, encoder
        from pysnmp.proto import api

        module: Any = api.PROTOCOL_MODULES[api.decodeMessageVersion(octets)]
        asked, _ = decoder.decode(octets, asn1Spec=module.Message())
        said = module.apiMessage.get_response(asked)
        pdu, request = module.apiMessage.get_pdu(said), module.apiMessage.get_pdu(asked)
        writes = request.isSameTypeWith(module.SetRequestPDU())
        pairs = []
        for oid, value in module.apiPDU.get_varbinds(request):
            if writes:
                self._set(str(oid), int(value))
            pairs.append((oid, value if writes else self._get(str(oid), module)))
        module.apiPDU.set_varbinds(pdu, pairs)
        return bytes(encoder.encode(said))

    def _get(self, oid: str, module: Any) -> Any:
        index = oid.removeprefix(f"{self._table.state}.")
        if index not in self.on:
            return getattr(module, "NoSuchInstance", module.Null)("")
        return module.Integer(min(self._table.on if self.on[index] else self._table.off))

    def _set(self, oid: str, value: int) -> None:
        table = self._table
        for column, order, on in ((table.switch_on, table.order_on, True), (table.switch_off, table.order_off, False)):
            index = oid.removeprefix(f"{column}.")
            if index in self.on and value == order:
                self.on[index] = on
                self._counters.add("pdu-on" if on else "pdu-off")
                self._switched(self.feeds[index])


class PduSide:
    """All PDUs of a rack."""

    def __init__(self, wiring: Wiring, counters: Counters, power: Callable[[str, str], None]) -> None:
        """`power(machine, action)`: `on` or `off`."""
        self._wiring, self._counters, self._power = wiring, counters, power
        self._pdus: list[Pdu] = []
        self._transports: list[asyncio.BaseTransport] = []

    async def start(self, pdus: dict[str, PduDef]) -> None:
        """Raises OSError for an address that is taken."""
        for about in pdus.values():
            self._wiring.attach(about.address)
            pdu = Pdu(about, self._switched, self._counters)
            where = self._wiring.local(about.address, PORT)
            transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda pdu=pdu: pdu, local_addr=where)  # type: ignore[misc]
            self._pdus.append(pdu)
            self._transports.append(transport)

    def _switched(self, machine: str) -> None:
        fed = any(pdu.on[index] for pdu in self._pdus for index, name in pdu.feeds.items() if name == machine)
        self._power(machine, "on" if fed else "off")

    def close(self) -> None:
        for transport in self._transports:
            with contextlib.suppress(OSError):
                transport.close()


def fed_machines(pdus: dict[str, PduDef]) -> frozenset[str]:
    return frozenset(machine for pdu in pdus.values() for machine in pdu.feeds.values())
