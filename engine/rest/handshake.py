"""What OpenSSL refuses during the handshake, counted by reason. The client sees a connection that ends: there is no request yet that could
get an answer, and asyncio sends no alert. So the engine's health page is the place that says why."""

from __future__ import annotations

import ssl
from collections import Counter

from .. import reasons
from ..reasons import Reason

_PURPOSE = 26
"""X509_V_ERR_INVALID_PURPOSE."""


def count_refusals(context: ssl.SSLContext, counters: Counter[str]) -> None:
    """Counts client certificates that end a handshake of this context. The names are those of reasons, after `refused_`."""

    class Counted(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except ssl.SSLCertVerificationError as error:
                counters[f"refused_{why(error.verify_code).code}"] += 1
                raise

    context.sslobject_class = Counted


def why(code: int) -> Reason:
    """The reason for a result of OpenSSL's verification."""
    return reasons.certificate_use() if code == _PURPOSE else reasons.certificate_foreign()
