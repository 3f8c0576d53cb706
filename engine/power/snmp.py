"""SNMP (RFC 3416; v3: RFC 3414, RFC 3826) to small devices, by pysnmp: reads and sets integers. Calls block.

pysnmp is imported at the first call: it takes a third of a second, and most sites have no PDU. No MIB is loaded: OIDs are numbers here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from . import SessionFailed

PORT = 161
MOST = 64
"""OIDs of one request. Agents of PDUs answer some more in 1,472 octets."""


class SnmpTarget(Struct, frozen=True, kw_only=True, gc=False):
    """Where an agent is, and who asks. With `user` version 3 is spoken, otherwise version 2c (or 1)."""

    address: str
    port: int = PORT
    version: str = "2c"
    """`1`, `2c` or `3`."""
    community: str = ""
    user: str = ""
    password: str = ""
    """v3: of authentication (SHA-1, HMAC-96). Empty: neither authentication nor privacy."""
    privacy: str = ""
    """v3: of encryption (AES-128). Empty: none."""

    def __repr__(self) -> str:
        return f"SnmpTarget(address={self.address!r}, port={self.port}, version={self.version!r}, user={self.user!r}, secrets=***)"


class SnmpAgent:
    """One agent. `timeout_s` is for one packet; it is sent three times."""

    def __init__(self, target: SnmpTarget, timeout_s: float = 2.0) -> None:
        self.target = target
        self._timeout_s = timeout_s

    def get(self, oids: Sequence[str]) -> dict[str, int | None]:
        """OID -> its value; None: the agent has no such object, or it is no integer. Raises SessionFailed."""
        out: dict[str, int | None] = {}
        for start in range(0, len(oids), MOST):
            out |= asyncio.run(self._ask("get", dict.fromkeys(oids[start : start + MOST])))
        return out

    def set(self, values: Mapping[str, int]) -> None:
        """Sets integers, all in one request. Raises SessionFailed."""
        asyncio.run(self._ask("set", dict(values)))

    def walk(self, column: str, most: int) -> dict[str, int | str]:
        """Index -> value of a column, at most so many: integers and texts. Raises SessionFailed."""
        return asyncio.run(self._walk(column, most))

    async def _walk(self, column: str, most: int) -> dict[str, int | str]:
        import pysnmp.hlapi.v3arch.asyncio as snmp

        engine, out = snmp.SnmpEngine(), dict[str, int | str]()
        try:
            where = await snmp.UdpTransportTarget.create((self.target.address, self.target.port), timeout=self._timeout_s, retries=2)
            start = snmp.ObjectType(snmp.ObjectIdentity(column))
            options = {"lookupMib": False, "lexicographicMode": False}
            words = (engine, _account(self.target, snmp), where, snmp.ContextData(), 0, 25, start)
            async for wrong, status, index, found in snmp.bulk_walk_cmd(*words, **options):
                if wrong:
                    raise _failed(str(wrong))
                if int(status):
                    _refused("get", int(status), int(index), [column])
                    break
                for name, value in found:
                    if not str(name).startswith(f"{column}.") or len(out) >= most:
                        return out
                    number = _integer(value)
                    out[str(name)[len(column) + 1 :]] = bytes(value).decode("utf-8", "replace") if number is None else number
        except OSError as error:
            raise SessionFailed("unreachable", f"no packet can be sent to it ({error})") from None
        finally:
            engine.close_dispatcher()
        return out

    async def _ask(self, what: str, values: Mapping[str, int | None]) -> dict[str, int | None]:
        import pysnmp.hlapi.v3arch.asyncio as snmp
        from pysnmp.proto.rfc1902 import Integer32

        engine = snmp.SnmpEngine()
        try:
            where = await snmp.UdpTransportTarget.create((self.target.address, self.target.port), timeout=self._timeout_s, retries=2)
            objects = [
                snmp.ObjectType(snmp.ObjectIdentity(oid), *([] if value is None else [Integer32(value)])) for oid, value in values.items()
            ]
            call, account = snmp.get_cmd if what == "get" else snmp.set_cmd, _account(self.target, snmp)
            wrong, status, index, found = await call(engine, account, where, snmp.ContextData(), *objects, lookupMib=False)
        except OSError as error:
            raise SessionFailed("unreachable", f"no packet can be sent to it ({error})") from None
        finally:
            engine.close_dispatcher()
        if wrong:
            raise _failed(str(wrong))
        if int(status):
            return _refused(what, int(status), int(index), list(values))
        return {str(pair[0]): _integer(pair[1]) for pair in found}


def _account(target: SnmpTarget, snmp: Any) -> Any:
    if target.version != "3":
        return snmp.CommunityData(target.community, mpModel=0 if target.version == "1" else 1)
    keys: dict[str, Any] = {}
    if target.password:
        keys |= {"authKey": target.password, "authProtocol": snmp.USM_AUTH_HMAC96_SHA}
    if target.password and target.privacy:
        keys |= {"privKey": target.privacy, "privProtocol": snmp.USM_PRIV_CFB128_AES}
    return snmp.UsmUserData(target.user, **keys)


def _integer(value: Any) -> int | None:
    """None for noSuchObject, noSuchInstance and for other types."""
    try:
        return int(value) if type(value).__name__ in ("Integer", "Integer32", "Gauge32", "Unsigned32") else None
    except (TypeError, ValueError):
        return None


def _failed(words: str) -> SessionFailed:
    """An error of the exchange. An agent answers a wrong community with silence (RFC 3584 section 5)."""
    low = words.lower()
    if "timeout" in low or "no snmp response" in low:
        return SessionFailed("unreachable", "no answer in time: it is off, or the community is wrong")
    if any(word in low for word in ("digest", "user", "decrypt", "authentic", "security")):
        return SessionFailed("authentication", f"it refuses the account: {words[:80]}")
    return SessionFailed("refused", words[:120])


def _refused(what: str, status: int, index: int, oids: Sequence[str]) -> dict[str, int | None]:
    """RFC 3416 section 3: 2 noSuchName, 6 noAccess, 16 authorizationError, 17 notWritable."""
    oid = oids[index - 1] if 1 <= index <= len(oids) else oids[0]
    if what == "get" and status == 2:
        return dict.fromkeys(oids)
    if status in (4, 6, 16, 17):
        raise SessionFailed("refused", f"it does not let this account {what} {oid}: use one that may write")
    raise SessionFailed("refused", f"error status {status} at {oid}")
