"""The ways to run a role: the table of jigs. `definitions` hands it on."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct


class JigKind(Struct, frozen=True, kw_only=True):
    """A way to run a role, with its fixed properties. The adapter of the same name in `engine.jigs` does the work."""

    name: str
    runs: Literal["admin node", "node in memory", "installed node", "nowhere"]
    """Where the role's scripts run. `nowhere`: the role has no scripts."""
    serves: Literal["", "admin", "memory", "installed", "device"] = ""
    """Whose attempts the jig keeps (`memory`, `installed`: a server's). The engine tells it of recorded outcomes. Empty: it keeps none."""
    does: str
    """The jig's row in `docs/barclamps.md`."""
    detached: bool = False
    """Attempts continue when the connection breaks. Destructive roles need such a jig."""
    alive: bool = False
    """The node must run the environment of the role's stage, and be alive."""
    job: bool = True
    """An attempt counts against the limit `jobs`."""
    files: tuple[str, ...] = ("run",)
    """What a role's folder holds for its run: one of these files or folders."""
    checks: str = "verify"
    """The file that a role with `verify: true` has. Empty: the jig's tool finds out by itself, and there is no such file."""
    reports: str = ""
    """The file that a role with `gives` has, if its run cannot report them itself."""
    needs: str = ""
    """The program that a node must have (`reasons.no_tool`)."""
    batches: bool = False
    """True if one run can serve several nodes (`batch`)."""

    @property
    def scripted(self) -> bool:
        """True if the role has scripts in its folder."""
        return self.runs != "nowhere"


JIGS = {
    kind.name: kind
    for kind in (
        JigKind(name="agent", runs="node in memory", serves="memory", does="on the node, in sledgehammer", detached=True, alive=True),
        JigKind(
            name="script", runs="installed node", serves="installed", does="on the installed node, over SSH", detached=True, alive=True
        ),
        JigKind(name="local", runs="admin node", serves="admin", does="on the admin node"),
        JigKind(name="noop", runs="nowhere", does="no script: a milestone, which is done when its requirements are", job=False),
        JigKind(
            name="device",
            runs="admin node",
            serves="device",
            does="on the admin node, or on the node that carries the device's delegate, for a device of the kind `device`. The script "
            "reads `device/name`, `device/id` and `device/address` among its attributes",
            detached=True,
        ),
        JigKind(
            name="bmc",
            runs="admin node",
            serves="memory",
            does="on the admin node, against the node's own BMC, by Redfish. The file `bmc` in the role's folder names the work: see below",
            detached=True,
            alive=True,
            files=("bmc",),
            checks="",
        ),
        JigKind(
            name="ansible",
            runs="installed node",
            serves="installed",
            does="on the admin node, which reaches the installed node over SSH: an Ansible playbook",
            alive=True,
            files=("playbook.yml", "roles"),
            needs="python3",
            checks="",
            batches=True,
        ),
        JigKind(
            name="puppet",
            runs="installed node",
            serves="installed",
            does="on the installed node, over SSH: a Puppet manifest",
            detached=True,
            alive=True,
            files=("site.pp",),
            needs="puppet",
            checks="",
            reports="gives",
        ),
        JigKind(
            name="chef-solo",
            runs="installed node",
            serves="installed",
            does="on the installed node, over SSH: Chef cookbooks",
            detached=True,
            alive=True,
            files=("cookbooks",),
            needs="chef-solo",
        ),
    )
}
"""Name in a barclamp -> kind of jig. A role whose jig has no adapter fails with the reason `no_jig`."""
