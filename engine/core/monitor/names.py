"""Names in the configuration of Nagios. A node and a role have other alphabets than Nagios' objects, where `;` begins a comment, `!` splits
arguments, `$` begins a macro, and `illegal_object_name_chars` are refused (Nagios Core 4, object definitions)."""

from __future__ import annotations

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")


def object_name(text: str) -> str:
    """The same text with letters, digits, `.` and `-`. Each other octet of its UTF-8 is `_` and two hexadecimal digits. Two texts never
    have the same name."""
    if _PLAIN.issuperset(text):
        return text or "_"
    return "".join(chr(octet) if chr(octet) in _PLAIN else f"_{octet:02x}" for octet in text.encode("utf-8", "surrogatepass"))


def service_name(role: str, check: str) -> str:
    """The service of a role's check: `ROLE/CHECK`, each part an object name."""
    return f"{object_name(role)}/{object_name(check)}"


def command_name(role: str, check: str) -> str:
    """The command of a check in the configuration of NRPE: `ROLE.CHECK`. Neither has a dot."""
    return f"{role}.{check}"
