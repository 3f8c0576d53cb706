"""The fingerprint of an SSH host key, as OpenSSH shows it (`ssh-keygen -l`): `SHA256:` and 43 characters of Base64 without padding."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from hashlib import sha256

_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")


def fingerprint(line: str) -> str:
    """Of a key line, `TYPE BASE64 [comment]`. Raises ValueError if it is none."""
    words = line.split()
    try:
        raw = b64decode(words[1], validate=True) if len(words) > 1 else b""
    except binascii.Error:
        raw = b""
    name = words[0].encode() if words else b""
    if not name or raw[4 : 4 + len(name)] != name:  # RFC 4253 section 6.6: the blob begins with the type again
        raise ValueError("that is not a public key of SSH")
    return "SHA256:" + b64encode(sha256(raw).digest()).decode().rstrip("=")


def is_fingerprint(text: str) -> bool:
    return _FINGERPRINT.fullmatch(text) is not None
