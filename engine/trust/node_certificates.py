"""Certificates of the nodes' own services, signed by the site's authority. One for each node, sealed in the store, and the same until the
node's names or addresses change: a new one restarts every service that shows it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from .authority import Authority, certificate_for, pem
from .vault import Vault

SEALED = "certificate/"
"""Begins the name under which each is sealed; the node's id follows."""


def node_certificate(vault: Vault, site: Authority, node: str, names: Sequence[str], addresses: Sequence[str]) -> str:
    """Private key (PKCS 8) and certificate of a node, as one PEM. The first name is the common name. Raises VaultError, OSError."""
    known: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
    known += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
    kept = vault.open(SEALED + node)
    if kept is not None and _is_for(kept, known, site):
        return kept
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = certificate_for(site.key, site.certificate, key, names[0], known)
    made = (pem(key) + certificate.public_bytes(serialization.Encoding.PEM)).decode()
    vault.keep(SEALED + node, made)
    return made


def _is_for(text: str, names: Sequence[x509.GeneralName], site: Authority) -> bool:
    """True if this authority signed it for just these names."""
    try:
        certificate = x509.load_pem_x509_certificate(text[text.index("-----BEGIN CERTIFICATE") :].encode())
        certificate.verify_directly_issued_by(site.certificate)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return list(found) == list(names)
