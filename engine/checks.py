"""What proves that a role is healthy: the kinds of checks, and one check of a role. Part of the vocabulary, like `definitions`."""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class CheckKind(Struct, frozen=True, kw_only=True):
    """A way to see that a role is healthy."""

    name: str
    on_node: bool
    """True: the check runs on the node itself (NRPE). False: the admin node asks over the network."""
    needs: tuple[str, ...] = ()
    """Keys that such a check must have."""
    may: tuple[str, ...] = ()
    """Further keys that it may have."""
    does: str
    """Its row in `docs/barclamps.md`."""


CHECK_KINDS = {
    kind.name: kind
    for kind in (
        CheckKind(name="tcp", on_node=False, needs=("port",), may=("tls",), does="something accepts connections on the port"),
        CheckKind(
            name="http",
            on_node=False,
            needs=("port",),
            may=("path", "status", "tls"),
            does="a web server answers on the port with the status, or with one below 400",
        ),
        CheckKind(name="dns", on_node=False, may=("lookup",), does="a DNS server knows the name, by default the site's domain"),
        CheckKind(name="ntp", on_node=False, does="a time server answers, less than 10 s off"),
        CheckKind(name="process", on_node=True, needs=("process",), does="a process of that name runs"),
        CheckKind(name="disk", on_node=True, may=("free",), does="the root file system has so many percent free (default 10)"),
        CheckKind(name="script", on_node=True, needs=("program",), does="a program that the role installed exits with 0"),
    )
}
"""Kind in a barclamp -> how it is seen."""


class Check(Struct, frozen=True, kw_only=True):
    """One thing that proves that a role is healthy. Nagios looks at it again and again."""

    name: str
    kind: str
    """From CHECK_KINDS."""
    port: int = 0
    path: str = ""
    """Of the URL, for `http`. Empty: `/`."""
    status: int = 0
    """The HTTP status that it must answer. 0: any below 400."""
    tls: bool = False
    lookup: str = ""
    """The name that a DNS server must know. Empty: the site's domain."""
    process: str = ""
    """As `ps -o comm` shows it: at most 15 characters (Linux, TASK_COMM_LEN)."""
    program: str = ""
    """Absolute path on the node. It follows the guidelines for plugins of Nagios: exit 0 good, 1 warning, 2 critical, and one line."""
    when: dict[str, Any] = {}
    """Attribute that the role wants -> the value with which the check is made. Empty: it always is."""
    free: int = 10
    """Percent. Less is a warning, and less than half of it is critical."""
