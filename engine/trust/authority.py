"""The site's certificate authority, and the engine's certificate. Both are made here and kept in the folder of keys.

    ca.key      0600  private key of the authority (EC P-256, PKCS 8)
    ca.crt      0644  its certificate, which nodes get in the site's initramfs
    server.pem  0600  private key and certificate of the engine, made at every start for its present addresses
    api.pem     0600  the same for the HTTP API, if it does not listen on loopback only

Daemons of the admin node get a certificate of their own in the folder of their files (`daemon_certificate`). Services of nodes get one that
the engine keeps sealed (`node_certificates`).

`certificates` has a second authority, for the certificates of operators.

Rules
* Certificates are valid from 1970 without an end (99991231235959Z, RFC 5280 section 4.1.2.5): a server with an empty clock battery must
  be able to say hello. To replace a leaked key, delete the files; nodes learn the new one at their next network boot.
* The authority signs no other authority (path length 0), and only server certificates.
* A lost authority is replaced the same way: delete the files and restart.
"""

from __future__ import annotations

import ipaddress
import secrets
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

from ..files import key_file
from ..files.key_file import KeyFileError

CA_KEY, CA_CERTIFICATE, SERVER, API = "ca.key", "ca.crt", "server.pem", "api.pem"
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))


class Authority(Struct, frozen=True, kw_only=True):
    """What signs certificates. `repr` never shows the key."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def __repr__(self) -> str:
        return f"Authority({self.certificate.subject.rfc4514_string()})"


class SiteTrust(Struct, frozen=True, kw_only=True):
    """The engine's certificate, and the authority that nodes check it with."""

    ca: bytes
    """PEM of the authority's certificate; public."""
    context: ssl.SSLContext
    """For the listener: TLS 1.2 and later. It asks for no client certificate (`certificates.ask_for_certificates` makes it ask)."""


def site_trust(folder: Path, addresses: Sequence[str], file: str = SERVER) -> SiteTrust:
    """Reads the authority in `folder`, or makes it, and certifies the engine for these IPv4 addresses. `file`: keeps key and certificate.

    Raises OSError where the folder cannot be written, KeyFileError for files that are not what they must be, or that others may read.
    """
    site = site_authority(folder)
    _certify(folder / file, site.key, site.certificate, addresses)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / file)
    return SiteTrust(ca=site.pem, context=context)


def site_authority(folder: Path) -> Authority:
    """Reads the authority in the folder of keys, or makes it. Raises OSError, KeyFileError."""
    remedy = f"restore {CA_KEY} and {CA_CERTIFICATE} from a backup, or delete both: nodes learn the new ones at their next boot"
    return authority(folder, CA_KEY, CA_CERTIFICATE, "Crowbar site", remedy)


def daemon_certificate(keys: Path, folder: Path, name: str) -> None:
    """Keeps `NAME.key`, `NAME.crt` (both PEM; NAME is the certificate's only name) and `ca.crt` in `folder`. What is there stays while it
    is of this authority, so that a restart of the engine restarts no daemon. Raises OSError, KeyFileError."""
    site = site_authority(keys)
    paths = folder / f"{name}.key", folder / f"{name}.crt", folder / CA_CERTIFICATE
    if all(path.is_file() for path in paths) and paths[2].read_bytes() == site.pem:
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certificate_for(site.key, site.certificate, key, name, [x509.DNSName(name)])
    key_file.replace(paths[0], pem(key))
    key_file.replace(paths[1], certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    key_file.replace(paths[2], site.pem, 0o644)


def authority(folder: Path, key_name: str, certificate_name: str, what: str, remedy: str) -> Authority:
    """Reads an authority, or makes it. `what`: its name, before a number. Raises KeyFileError, OSError."""
    paths = folder / key_name, folder / certificate_name
    try:
        texts = key_file.read(paths[0], remedy), key_file.read(paths[1], remedy, private=False)
    except FileNotFoundError:
        return _new_authority(paths, what)
    try:
        key = serialization.load_pem_private_key(texts[0], None)
        certificate = x509.load_pem_x509_certificate(texts[1])
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyFileError(f"{paths[0]} or {paths[1]} is damaged: {remedy}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
        raise KeyFileError(f"{paths[0]} and {paths[1]} do not belong together: {remedy}")
    return Authority(key=key, certificate=certificate)


def _new_authority(paths: tuple[Path, Path], what: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    # Several sites may exist in one place: the number tells their authorities apart.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{what} {secrets.token_hex(4)}")])
    usage = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), False) | dict.fromkeys(
        ("key_agreement", "crl_sign", "encipher_only", "decipher_only"), False
    )
    certificate = (
        builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_file.replace(paths[0], pem(key))
    key_file.replace(paths[1], certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return Authority(key=key, certificate=certificate)


def _certify(path: Path, ca_key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, addresses: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ipaddress.IPv4Address(address)) for address in dict.fromkeys(addresses)]
    certificate = certificate_for(ca_key, ca, key, "Crowbar engine", names)
    key_file.replace(path, pem(key) + certificate.public_bytes(serialization.Encoding.PEM))


def certificate_for(
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    name: str,
    names: Sequence[x509.GeneralName],
) -> x509.Certificate:
    """A server's certificate for these names and addresses."""
    return (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), ca.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: tuple[datetime, datetime] = ALWAYS
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
