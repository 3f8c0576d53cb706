"""Linux capabilities of this process (capabilities(7)): read them, keep only some, and lend one to a child.

Trap: capabilities belong to a thread. A change counts for the calling thread and for threads that it starts later, so `keep` must run
before any other thread starts. `lent` uses the same fact: no other thread sees the change.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

NET_BIND_SERVICE, NET_RAW = 10, 13
NAMES = {NET_BIND_SERVICE: "CAP_NET_BIND_SERVICE", NET_RAW: "CAP_NET_RAW"}
"""Those that an engine needs: for ports under 1024, and for packet sockets."""
LAST = 63
"""No kernel has a capability above it: a set has 64 bits."""
PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 8, 24, 38, 47
AMBIENT_RAISE, AMBIENT_LOWER, AMBIENT_CLEAR_ALL = 2, 3, 4
"""From linux/prctl.h; Python has no names for them."""
_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class Sets(NamedTuple):
    """Each is a mask: bit N is capability N."""

    effective: int
    permitted: int
    inheritable: int


def prctl(option: int, *arguments: int) -> None:
    """Raises OSError."""
    padded = (*arguments, 0, 0, 0, 0)[:4]
    if _libc.prctl(ctypes.c_int(option), *(ctypes.c_ulong(one) for one in padded)):
        raise _error(f"prctl {option}")


def sets() -> Sets:
    """Of the calling thread."""
    head, body = (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if _libc.capget(head, body):
        raise _error("capget")
    return Sets(*(body[i] | body[i + 3] << 32 for i in range(3)))


def set_to(wanted: Sets) -> None:
    """Of the calling thread. Raises OSError."""
    head = (ctypes.c_uint32 * 2)(_VERSION_3, 0)
    body = (ctypes.c_uint32 * 6)(*(one & 0xFFFFFFFF for one in wanted), *(one >> 32 for one in wanted))
    if _libc.capset(head, body):
        raise _error("capset")


def mask(capabilities: Iterable[int]) -> int:
    return sum(1 << one for one in capabilities)


def names() -> tuple[str, ...]:
    """Those of NAMES that are in effect; `all others` if there are more."""
    now = sets().effective
    return (*(name for number, name in NAMES.items() if now >> number & 1), *(["all others"] if now & ~mask(NAMES) else []))


def keep(some: Iterable[int]) -> None:
    """Keeps those of `some` that are there, for this process. Programs that it starts get none. Raises OSError."""
    left = sets().permitted & mask(some)
    prctl(PR_CAP_AMBIENT, AMBIENT_CLEAR_ALL)
    set_to(Sets(left, left, 0))


def bound_to(some: Iterable[int]) -> None:
    """No program started from here ever gets another capability. Does what the process may do: root can, others have no need."""
    for number in set(range(LAST + 1)) - set(some):
        with contextlib.suppress(OSError):  # unknown to this kernel, or CAP_SETPCAP is missing
            prctl(PR_CAPBSET_DROP, number)


@contextlib.contextmanager
def lent(number: int) -> Iterator[None]:
    """Programs that this thread starts inside get this capability too, if the process has it. Root's programs have it anyway."""
    now = sets()
    if os.geteuid() == 0 or not now.permitted >> number & 1:
        yield
        return
    set_to(now._replace(inheritable=now.inheritable | 1 << number))
    try:
        prctl(PR_CAP_AMBIENT, AMBIENT_RAISE, number)
        yield
    finally:
        set_to(now)  # what is not inheritable leaves the ambient set too


def _error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, f"{what}: {os.strerror(number)}")
