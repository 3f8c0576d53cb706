"""A part of the public API: the tokens and certificates of the operators who may use the HTTP API."""

from __future__ import annotations

from ..files.paths import keys_beside
from ..trust.authority import CA_CERTIFICATE
from ..trust.certificates import DAYS, LONGEST_DAYS, Certified, Credential, certificates, make_certificate, revoke_certificates
from ..trust.operators import Operator, make_token, operators, revoke_token

__all__ = [
    "CA_CERTIFICATE",
    "DAYS",
    "LONGEST_DAYS",
    "Certified",
    "Credential",
    "Operator",
    "certificates",
    "keys_beside",
    "make_certificate",
    "make_token",
    "operators",
    "revoke_certificates",
    "revoke_token",
]
