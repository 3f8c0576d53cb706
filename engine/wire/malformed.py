"""The only exception of the codecs: the bytes are not what they claim to be.

`reason` is a short code from a small fixed set for each codec, never text from the packet. So a service can count refusals by reason, and
an attacker cannot make the table grow.
"""

from __future__ import annotations


class Malformed(ValueError):
    """The packet is not well-formed. Nothing of it was used."""

    def __init__(self, reason: str, option: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.option = option
        """Number of the option or TLV that is at fault. 0: none."""
