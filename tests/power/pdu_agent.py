"""A PDU with an SNMP agent of its own (v1 and v2c), in a thread: a table of outlets that switch, or say yes and do not, or are silent."""

from __future__ import annotations

import socket
import threading
from typing import Any

from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import api

from engine.power.outlet_tables import TABLES


class PduAgent:
    def __init__(self, table: str = "apc", outlets: int = 8, community: str = "s3cr3t-Community", on: bool = False) -> None:
        self.table, self.community = TABLES[table], community
        self.on = {self.table.index(str(n)): on for n in range(1, outlets + 1)}
        self.mood = "works"
        self.sets: list[str] = []
        self.writable = True
        self.rows: dict[tuple[int, ...], object] = {}
        """OID -> integer or text, for walks."""
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(60)
        self._socket.close()

    def _serve(self) -> None:
        while True:
            octets, peer = self._socket.recvfrom(4096)
            if not octets:
                return
            if self.mood == "broken":
                continue
            answer = self._answer(octets)
            if answer:
                self._socket.sendto(answer, peer)

    def _answer(self, octets: bytes) -> bytes:
        version = api.decodeMessageVersion(octets)
        module: Any = api.PROTOCOL_MODULES[version]
        asked, _ = decoder.decode(octets, asn1Spec=module.Message())
        if bytes(module.apiMessage.get_community(asked)) != self.community.encode():
            return b""
        said = module.apiMessage.get_response(asked)
        pdu, request = module.apiMessage.get_pdu(said), module.apiMessage.get_pdu(asked)
        writes = request.isSameTypeWith(module.SetRequestPDU())
        if request.tagSet in (module.GetNextRequestPDU().tagSet, getattr(module, "GetBulkRequestPDU", module.GetNextRequestPDU)().tagSet):
            module.apiPDU.set_varbinds(pdu, self._after([oid for oid, _ in module.apiPDU.get_varbinds(request)][0], module))
            return bytes(encoder.encode(said))
        pairs = []
        for number, (oid, value) in enumerate(module.apiPDU.get_varbinds(request), 1):
            if writes and not self.writable:
                module.apiPDU.set_error_status(pdu, 17)
                module.apiPDU.set_error_index(pdu, number)
                pairs.append((oid, value))
                continue
            pairs.append((oid, self._set(str(oid), value) if writes else self._get(str(oid), module)))
        module.apiPDU.set_varbinds(pdu, pairs)
        return bytes(encoder.encode(said))

    def _after(self, oid: Any, module: Any) -> list[tuple[Any, Any]]:
        """Up to 25 rows after an OID."""
        start = tuple(int(part) for part in oid)
        rows = sorted(row for row in self.rows if row > start)[:25]
        if not rows:
            return [(oid, module.EndOfMibView(""))]
        values = [self.rows[row] for row in rows]
        return [(row, module.Integer(v) if isinstance(v, int) else module.OctetString(str(v))) for row, v in zip(rows, values, strict=True)]

    def _get(self, oid: str, module: Any) -> Any:
        index = oid.removeprefix(f"{self.table.state}.")
        if index not in self.on:
            return module.NoSuchInstance("")
        return module.Integer(min(self.table.on if self.on[index] else self.table.off))

    def _set(self, oid: str, value: Any) -> Any:
        self.sets.append(f"{oid}={int(value)}")
        for column, order, on in ((self.table.switch_on, self.table.order_on, True), (self.table.switch_off, self.table.order_off, False)):
            index = oid.removeprefix(f"{column}.")
            if index in self.on and int(value) == order and self.mood == "works":
                self.on[index] = on
        return value
