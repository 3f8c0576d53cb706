"""The one exception of the codecs: bytes that are not what they claim to be.

`reason` is a short code out of a small fixed set per codec, never text from the packet, so that a service can count
refusals by reason without an attacker growing the table.
"""

from __future__ import annotations


class Malformed(ValueError):
    """the packet is not well-formed; look at the sender, nothing was taken from it"""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
