"""The operators of the HTTP API who have a certificate, and the authority that signs these certificates. All in the folder of keys.

    operators.key          0600  private key of the operators' authority (EC P-256, PKCS 8)
    operators.crt          0644  its certificate. The API accepts client certificates of this authority only
    api-certificates.json  0600  [{"name": "alice", "sha256": "of the certificate, in hex", "made": 1790000000.0, "until": 1821536000.0}]

Rules
* It is an authority of its own. Nodes trust the site's authority (`authority`), so that one must never sign for people; and what it signs
  for the engine must never pass as an operator.
* A certificate is for clients only (extended key usage). The operator's private key is made here once, and the engine does not keep it.
* The list decides: a certificate that is not in it is worthless, so taking it out of the list revokes it at once. A resumed session of TLS
  brings the certificate of its first handshake along, and the list is asked again.
* OpenSSL checks the authority and the usage during the handshake. It does not check times: the engine does that for each request. So an
  expired certificate gets an answer with a reason, and one that expires during a connection ends too.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from ..files.key_file import KeyFileError
from .authority import ALWAYS, Authority, authority, builder, pem
from .operator_list import MOST, Followed, OperatorList, alone, check_name, give_to_engine

CERTIFICATES_FILE = "api-certificates.json"
CA_KEY, CA_CERTIFICATE = "operators.key", "operators.crt"
DAYS, LONGEST_DAYS = 365, 3650
_DAY_S = 86400.0
_SKEW = timedelta(hours=1)
"""The clock of a client may be behind."""
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which `ssl` has no name for."""


class Certified(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A certificate of an operator."""

    name: str
    sha256: str
    made: float
    until: float
    """Wall time in seconds, as `made`."""


class Credential(Struct, frozen=True, kw_only=True):
    """What an operator gets, as PEM. `repr` never shows the key."""

    key: bytes
    certificate: bytes
    until: float

    def __repr__(self) -> str:
        return f"Credential(until={self.until})"


_CERTIFICATES = OperatorList(
    CERTIFICATES_FILE, Certified, "delete it, then make the certificates again with crowbar api certificate NAME -o FOLDER"
)


def certificates(folder: Path) -> tuple[Certified, ...]:
    """All certificates that were not revoked, by operator. Raises KeyFileError, OSError."""
    return _CERTIFICATES.read(folder)


def make_certificate(folder: Path, name: str, days: int, now: float, keep: Callable[[Credential], None]) -> None:
    """Makes a key and a certificate for an operator, and hands them to `keep`. They count when `keep` has returned, so one that fails or
    is killed leaves nothing that is valid. Raises KeyFileError, OSError, and what `keep` raises."""
    check_name(name)
    if not 1 <= days <= LONGEST_DAYS:
        raise KeyFileError(f"a certificate is valid for 1 to {LONGEST_DAYS} days, not {days}: change --days")
    with alone(folder):
        signer = _operators_authority(folder)
        # Expired ones need no place. They stay in the list until somebody makes a new one, so that their refusal can name the time.
        if sum(one.until > now for one in certificates(folder)) >= MOST:
            raise KeyFileError(f"{MOST} certificates are valid, which is the limit: revoke some with crowbar api revoke NAME")
    made, row = _sign(signer, name, now, now + days * _DAY_S)
    keep(made)
    _CERTIFICATES.change(folder, lambda known: (*_some(known, now), row))


def _some(known: tuple[Certified, ...], now: float) -> tuple[Certified, ...]:
    """Those that are kept beside a new one: all valid ones, and the expired ones as long as there is room."""
    if len(known) < MOST:
        return known
    return tuple(one for one in known if one.until > now)[: MOST - 1]


def revoke_certificates(folder: Path, name: str) -> int:
    """Makes the operator's certificates worthless at once. Returns how many there were. Raises KeyFileError, OSError."""
    found = sum(one.name == name for one in certificates(folder))
    if found:
        _CERTIFICATES.change(folder, lambda known: tuple(one for one in known if one.name != name))
    return found


class Certificates:
    """Who a certificate belongs to, by the file as it is now. Not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        self._certificates = Followed(folder, _CERTIFICATES)

    def of(self, der: bytes) -> Certified | None:
        """`der`: what the client showed in the handshake, with its private key. None: it is not in the list."""
        digest = hashlib.sha256(der).hexdigest()
        return next((one for one in self._certificates.now() if one.sha256 == digest), None)


def ask_for_certificates(context: ssl.SSLContext, folder: Path) -> None:
    """Makes a listener ask each client for an operator's certificate. A client may have none. One of another authority, or for another
    use, ends the handshake. Raises KeyFileError, OSError."""
    with alone(folder):
        found = _operators_authority(folder)
    context.load_verify_locations(cadata=found.pem.decode("ascii"))
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= _NO_CHECK_TIME


def _operators_authority(folder: Path) -> Authority:
    """Reads it, or makes it. Call it in `alone`."""
    remedy = f"restore {CA_KEY} and {CA_CERTIFICATE} from a backup, or delete both and make the operators' certificates again"
    fresh = not (folder / CA_KEY).exists()
    found = authority(folder, CA_KEY, CA_CERTIFICATE, "Crowbar operators", remedy)
    if fresh:
        give_to_engine(folder, folder / CA_KEY, folder / CA_CERTIFICATE)
    return found


def _sign(signer: Authority, name: str, now: float, until: float) -> tuple[Credential, Certified]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    first, last = datetime.fromtimestamp(now, UTC) - _SKEW, min(datetime.fromtimestamp(until, UTC), ALWAYS[1])
    made = (
        builder(subject, signer.certificate.subject, key.public_key(), (first, last))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
        .sign(signer.key, hashes.SHA256())
    )
    digest = made.fingerprint(hashes.SHA256()).hex()
    end = made.not_valid_after_utc.timestamp()
    credential = Credential(key=pem(key), certificate=made.public_bytes(serialization.Encoding.PEM), until=end)
    return credential, Certified(name=name, sha256=digest, made=now, until=end)
