"""Ends the daemons of roles that no node has any more.

To unbind a role runs nothing (`core.plan.unbind`), and a daemon that nobody wants would run on. The tool `images/node/service` keeps the
role of each daemon in a file. What the daemon wrote stays, so it goes on with that when the role comes back.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
from collections.abc import Callable

from ..core.world.world import World
from ..jigs.local import SERVICE, Daemons

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
LONGEST = 200
"""Most characters of a role's name that are read."""


class LeftDaemons:
    """`look` is called every few seconds by one thread, and does not wait for a daemon's end."""

    def __init__(self, world: Callable[[], World], daemons: Daemons) -> None:
        self._world, self._daemons = world, daemons
        self._ending: dict[str, subprocess.Popen[bytes]] = {}

    def look(self) -> None:
        """Begins to end the daemons whose role no node has."""
        self._ending = {name: one for name, one in self._ending.items() if one.poll() is None}
        bound = self._world().bound
        for name, role in self._owners():
            if not bound.get(role) and name not in self._ending:
                log.info("no node has the role %s any more: its daemon %s ends", role, name)
                self._end(name)

    def _owners(self) -> list[tuple[str, str]]:
        """Daemon and role of each."""
        found = []
        for file in sorted(self._daemons.folder.glob("*/.service/role")):
            name = file.parent.parent.name
            try:
                with file.open(encoding="ascii") as text:
                    role = text.read(LONGEST).strip()
            except (OSError, ValueError):  # it ends just now
                continue
            if role and _NAME.fullmatch(name):
                found.append((name, role))
        return found

    def _end(self, name: str) -> None:
        path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
        environment = {"PATH": path, "LANG": "C.UTF-8", **self._daemons.environment()}
        quiet = subprocess.DEVNULL
        try:
            self._ending[name] = subprocess.Popen(
                ["/bin/sh", str(SERVICE), "down", name], stdin=quiet, stdout=quiet, stderr=quiet, env=environment, cwd="/"
            )
        except OSError as error:
            log.warning("the daemon %s cannot be ended: %s", name, error)
