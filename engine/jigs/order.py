"""The order for one leg of an attempt: the effect, and what the runner computed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from ..definitions import Json, RoleDef
from ..effects import Start
from ..model import Node

if TYPE_CHECKING:
    from .ssh import SshTarget


class Order(Struct, frozen=True, kw_only=True):
    """One leg of an attempt, ready to run. Its repr hides the content, because attributes hold opened secrets."""

    start: Start
    node: Node
    """The node as committed when the effect ran. `node.boot_id` is the boot that the order is for."""
    role: RoleDef
    barclamp: str = ""
    deployment: str = ""
    """The deployment of the node role."""
    folder: str = ""
    """Folder of the role's scripts on this machine. Empty for a jig that needs none."""
    attributes: dict[str, Json] = {}
    """Attributes nested by their paths, with opened secrets."""
    secrets: tuple[str, ...] = ()
    """Values to mask in the log."""
    sealed: tuple[str, ...] = ()
    """Names of the attributes that hold opened secrets."""
    timeout_s: float = 900.0
    """Time limit in seconds, enforced where the task runs. 0: already over."""
    target: SshTarget | None = None
    """Address and keys of the node's installed system. None if it has no address."""

    @property
    def attempt(self) -> str:
        """`ID.LEG`."""
        return self.start.attempt

    def __repr__(self) -> str:
        return f"Order({self.start.attempt}, {self.start.role} on {self.node.name or self.node.id})"
