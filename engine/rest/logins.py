"""Who may call: the operator of a token or of a client certificate, and how often an address may fail to show one. All calls in the loop of
the API.

* Either is enough, because each proves the operator by itself: people rotate tokens in scripts, and give certificates to machines. A site
  that wants two proofs starts the engine with `--api-requires-both`.
* What is shown must be good. A revoked certificate is refused even beside a good token: somebody uses it who should not have it.
* Two proofs must name the same operator.

An address that failed too often is not listened to, with one exception: what was good from there a while ago. So a stranger on a shared
address (loopback has one for all users) cannot lock an operator out, and learns nothing either.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from .. import reasons
from ..reasons import Reason
from ..serve.rates import Rate, Rates
from ..trust.certificates import Certificates
from ..trust.operators import Operators
from .calls import Refusal

FAILED = Rate(10, 0.2)
"""Failed logins of one address: ten at once, then one in five seconds."""
ADDRESSES = 4096
PROVEN = 1024
OF_ADDRESS = 8
"""Addresses that are remembered, each with the last proofs that were good from there."""


class Logins:
    def __init__(
        self,
        operators: Operators,
        certificates: Certificates,
        both: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`both`: a token and a certificate are needed."""
        self._operators, self._certificates, self._both = operators, certificates, both
        self._clock, self._wall = clock, wall
        self._failed: Rates[str] = Rates(FAILED, ADDRESSES)
        self._proven: OrderedDict[str, tuple[bytes, ...]] = OrderedDict()

    def caller(self, address: str, headers: Sequence[str], certificate: bytes = b"") -> str:
        """The operator, by the `Authorization` headers of a request from this address, and the certificate of its connection (DER). Raises
        Refusal."""
        token = _bearer(headers)
        mark = hashlib.sha256(token.encode("utf-8", "surrogatepass") + b"\0" + certificate).digest()
        proven = self._proven.get(address, ())
        if mark not in proven and not self._failed.has(address, self._clock()):
            wait = int(1 / FAILED.per_s)
            raise Refusal(429, reasons.failed_logins(address=address, seconds=wait), Retry_After=str(wait))
        found = self._judge(token, bool(headers), certificate)
        if not isinstance(found, str):
            if mark in proven:
                self._remember(address, tuple(one for one in proven if one != mark))
            self._failed.take(address, self._clock())
            raise Refusal(401, found, WWW_Authenticate="Bearer")
        self._remember(address, (*(one for one in proven if one != mark), mark)[-OF_ADDRESS:])
        return found

    def _judge(self, token: str, shown: bool, certificate: bytes) -> str | Reason:
        """The operator's name, or why there is none. `shown`: the request has a header with a token, good or not."""
        by_token = self._operators.name_of(token)
        if shown and not by_token:
            return reasons.no_token()
        if not certificate:
            return (reasons.needs_both(missing="a certificate") if self._both else by_token) if by_token else reasons.no_token()
        found = self._certificates.of(certificate)
        if found is None:
            return reasons.certificate_revoked()
        if self._wall() >= found.until:
            return reasons.certificate_expired(operator=found.name, until=time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(found.until)))
        if by_token not in ("", found.name):
            return reasons.two_operators(token=by_token, certificate=found.name)
        if self._both and not by_token:
            return reasons.needs_both(missing="a token")
        return found.name

    def was_here(self, address: str) -> bool:
        """True if a valid proof came from this address a while ago."""
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
