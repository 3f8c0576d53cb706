"""The site's certificate authority, and the certificate that the engine shows: made here, kept in the folder of keys.

    ca.key      0600  private key of the authority (EC P-256, PKCS 8)
    ca.crt      0644  its certificate, which nodes get by the site's initramfs
    server.pem  0600  private key and certificate of the engine, made anew at every start for the addresses that it has then

Rules
* Valid from 1970 on and without an end (99991231235959Z, RFC 5280 section 4.1.2.5): a server whose clock lost its battery must be able
  to say hello. A key that got out is replaced by deleting the three files; nodes learn the new one at their next network boot.
* The authority may sign for the engine only: path length 0, and nothing but server certificates.
* Losing it costs as little: delete, restart.
"""

from __future__ import annotations

import ipaddress
import os
import secrets
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

CA_KEY, CA_CERTIFICATE, SERVER = "ca.key", "ca.crt", "server.pem"
_ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))


class SiteTrust(Struct, frozen=True, kw_only=True):
    """What the engine shows, and what nodes check it by."""

    ca: bytes
    """PEM of the authority's certificate; public."""
    context: ssl.SSLContext
    """For the listener: TLS 1.2 and later, no client certificates."""


def site_trust(folder: Path, addresses: Sequence[str]) -> SiteTrust:
    """Reads the authority in `folder`, or makes it, and certifies the engine for these IPv4 addresses.

    Raises OSError where the folder cannot be written, ValueError for files that are not what they must be, or that others may read.
    """
    key, certificate = _authority(folder)
    _certify(folder, key, certificate, addresses)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(folder / SERVER)
    return SiteTrust(ca=certificate.public_bytes(serialization.Encoding.PEM), context=context)


def _authority(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key_file, file = folder / CA_KEY, folder / CA_CERTIFICATE
    try:
        if key_file.stat().st_mode & 0o077:
            raise ValueError(f"{key_file} can be read by others: chmod 600 it")
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(file.read_bytes())
        if not isinstance(key, ec.EllipticCurvePrivateKey) or certificate.public_key() != key.public_key():
            raise ValueError
    except FileNotFoundError:
        return _new_authority(folder)
    except ValueError as wrong:
        apart = f"{key_file} and {file} do not belong together: delete both"
        raise ValueError(str(wrong) if str(key_file) in str(wrong) else apart) from None
    return key, certificate


def _new_authority(folder: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    # Several sites may meet in one place: the number tells their authorities apart.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Crowbar site {secrets.token_hex(4)}")])
    usage = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"), False) | dict.fromkeys(
        ("key_agreement", "crl_sign", "encipher_only", "decipher_only"), False
    )
    certificate = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(folder / CA_KEY, _pem(key), 0o600)
    _write(folder / CA_CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return key, certificate


def _certify(folder: Path, ca_key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, addresses: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.IPAddress(ipaddress.IPv4Address(address)) for address in dict.fromkeys(addresses)]
    certificate = (
        _builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Crowbar engine")]), ca.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    _write(folder / SERVER, _pem(key) + certificate.public_bytes(serialization.Encoding.PEM), 0o600)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_ALWAYS[0])
        .not_valid_after(_ALWAYS[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others in between."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
