"""A service of a simulated machine: one file with what its role reads, one process and one port. For `rehearsal.py` of barclamps."""

from __future__ import annotations

from .machine import Behaviour, Machine, Result, Task


def keeps(process: str, file: str, port: int, seconds: float, *reads: str, kind: str = "tcp") -> Behaviour:
    """`reads`: paths of attributes that are in the file, besides the node's address. `port` 0: it listens on none. `seconds`: what a run
    takes. `kind`: what answers at the port (`System.listens`)."""

    async def behaviour(machine: Machine, task: Task) -> Result:
        system = machine.system
        if system is None:
            return Result(exit=2, message="no system is installed")
        text = "".join(f"{name} = {task.get(name)}\n" for name in ("admin-network/address", "cloud-profile", *reads))
        await task.work(seconds)
        if task.action == "verify":
            if process in system.killed:
                return Result(exit=1, message=f"{process} does not run")
            return Result() if system.files.get(file) == text else Result(exit=1, message=f"{file} has other content")
        system.files[file] = text
        machine.start_process(process)
        machine.save()
        if port:
            await machine.listen(port, kind, process)
        task.print(f"wrote {file}")
        return Result()

    return behaviour
