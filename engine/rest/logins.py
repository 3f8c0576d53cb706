"""Who may call: the operator of a token, and how often an address may fail to show one. All calls in the loop of the API.

An address that failed too often is not listened to, with one exception: a token that was good from there a while ago. So a stranger on a
shared address (loopback has one for all users) cannot lock an operator out, and learns nothing either.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from .. import reasons
from ..serve.rates import Rate, Rates
from ..trust.operators import Operators
from .calls import Refusal

FAILED = Rate(10, 0.2)
"""Failed logins of one address: ten at once, then one in five seconds."""
ADDRESSES = 4096
PROVEN = 1024
OF_ADDRESS = 8
"""Addresses that are remembered, each with the last tokens that were good from there."""


class Logins:
    def __init__(self, operators: Operators, clock: Callable[[], float] = time.monotonic) -> None:
        self._operators, self._clock = operators, clock
        self._failed: Rates[str] = Rates(FAILED, ADDRESSES)
        self._proven: OrderedDict[str, tuple[bytes, ...]] = OrderedDict()

    def caller(self, address: str, headers: Sequence[str]) -> str:
        """The operator, by the `Authorization` headers of a request from this address. Raises Refusal."""
        token = _bearer(headers)
        mark = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        proven = self._proven.get(address, ())
        if mark not in proven and not self._failed.has(address, self._clock()):
            wait = int(1 / FAILED.per_s)
            raise Refusal(429, reasons.failed_logins(address=address, seconds=wait), Retry_After=str(wait))
        name = self._operators.name_of(token)
        if not name:
            if mark in proven:
                self._remember(address, tuple(one for one in proven if one != mark))
            self._failed.take(address, self._clock())
            raise Refusal(401, reasons.no_token(), WWW_Authenticate="Bearer")
        self._remember(address, (*(one for one in proven if one != mark), mark)[-OF_ADDRESS:])
        return name

    def was_here(self, address: str) -> bool:
        """True if a valid token came from this address a while ago."""
        return bool(self._proven.get(address))

    def _remember(self, address: str, marks: tuple[bytes, ...]) -> None:
        self._proven[address] = marks
        self._proven.move_to_end(address)
        if len(self._proven) > PROVEN:
            self._proven.popitem(last=False)


def _bearer(headers: Sequence[str]) -> str:
    """The token of the one header. Empty: there is none, or several."""
    if len(headers) != 1:
        return ""
    scheme, _, token = headers[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
