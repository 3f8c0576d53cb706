"""What `images/node/packages` does to a simulated machine: the packages that a role needs are part of its installed system afterwards."""

from __future__ import annotations

from .machine import Machine, Task

LIST = "packages.list"
_REDHAT = ("alma", "rocky", "fedora", "rhel", "centos")


def install_packages(machine: Machine, task: Task) -> None:
    """Installs what the task's list names for the family of the machine's system."""
    system = machine.system
    if system is None or task.action != "run" or LIST not in task.files:
        return
    family = "redhat" if system.os.startswith(_REDHAT) else "debian"
    rows = (line.split() for line in task.files[LIST].decode("ascii", "replace").splitlines())
    wanted = [row[1] for row in rows if len(row) == 2 and row[0] == family]
    new = sorted(set(wanted) - set(system.packages))
    if new:
        task.print(f"packages: installing {' '.join(new)}")
        system.packages = sorted({*system.packages, *new})
        machine.save()
