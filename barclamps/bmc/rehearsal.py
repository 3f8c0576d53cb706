"""What the roles do to a simulated machine: commands over its own bus to its BMC, for users (IPMI 2.0, 22.26 to 22.30), for the clock
(31.10, 31.11) and for its address (23.1, 23.2)."""

from __future__ import annotations

import time
from ipaddress import IPv4Address

from engine.racks.simulated.machine import Behaviour, Machine, Result, Task

NAME = "crowbar"
CHANNEL, ADMINISTRATOR = 1, 4
APP, SET_ACCESS, GET_ACCESS, SET_NAME, GET_NAME, PASSWORD = 0x06, 0x43, 0x44, 0x45, 0x46, 0x47
ENABLE, SET, TEST = 1, 2, 3
FIRST = 3
"""Users 1 and 2 are the BMC's own."""
STORAGE, GET_TIME, SET_TIME = 0x0A, 0x48, 0x49
TRANSPORT, SET_LAN, GET_LAN = 0x0C, 0x01, 0x02
ADDRESS, SOURCE, MASK, ROUTER = 3, 4, 6, 12
STATIC = 1
NEAR_S = 5.0
ACCESS_S = 1.0


class Silent(Exception):
    """the BMC does not answer, or refuses"""


def _ask(machine: Machine, command: int, data: bytes) -> bytes:
    answer = machine.bmc(APP, command, data)
    if answer is None or answer[0]:
        raise Silent(f"command {command:02X}h" + (f": code {answer[0]:02X}h" if answer is not None else ": no answer"))
    return answer[1]


def _users(machine: Machine) -> dict[int, str]:
    most = _ask(machine, GET_ACCESS, bytes((CHANNEL, 1)))[0]
    return {n: _ask(machine, GET_NAME, bytes((n,))).rstrip(b"\0").decode("ascii", "replace") for n in range(1, most + 1)}


def _is_set(machine: Machine, number: int, password: bytes) -> bool:
    access = _ask(machine, GET_ACCESS, bytes((CHANNEL, number)))
    tested = machine.bmc(APP, PASSWORD, bytes((number, TEST)) + password)
    return tested is not None and tested[0] == 0 and access[3] & 0xF == ADMINISTRATOR and access[1] & 0xC0 == 0x40


async def bmc_account(machine: Machine, task: Task) -> Result:
    await task.work(ACCESS_S)
    password = str(task.get("bmc-account/password", "")).encode()
    try:
        users = _users(machine)
        number = next((n for n, name in users.items() if name == NAME), 0)
        if number and _is_set(machine, number, password):
            task.print(f"user {number} is as wanted")
        elif task.action == "verify":
            return Result(exit=1, message="the engine's user is not as wanted")
        else:
            number = number or next((n for n, name in users.items() if not name and n >= FIRST), 0)
            if not number:
                return Result(exit=2, message="the BMC has no free user: delete one")
            _ask(machine, SET_NAME, bytes((number,)) + NAME.encode().ljust(16, b"\0"))
            _ask(machine, PASSWORD, bytes((number, SET)) + password)
            _ask(machine, SET_ACCESS, bytes((0x90 | CHANNEL, number, ADMINISTRATOR)))
            _ask(machine, PASSWORD, bytes((number, ENABLE)))
            task.print(f"user {number} is set")
    except Silent as wrong:
        return Result(exit=2, message=f"the BMC does not take the account: {wrong}")
    return Result(gives={"bmc-account-set": {"user": number, "name": NAME, "channel": CHANNEL}})


def _off_s(machine: Machine) -> float:
    answer = machine.bmc(STORAGE, GET_TIME, b"")
    if answer is None or answer[0] or len(answer[1]) < 4:
        raise Silent("it does not tell its time")
    return int.from_bytes(answer[1][:4], "little") - time.time()


async def bmc_clock(machine: Machine, task: Task) -> Result:
    await task.work(ACCESS_S)
    try:
        off_s = _off_s(machine)
        if abs(off_s) > NEAR_S and task.action == "verify":
            return Result(exit=1, message=f"the BMC's clock is {off_s:.0f} s off")
        if abs(off_s) > NEAR_S:
            task.print(f"the BMC's clock is {off_s:.0f} s off")
            machine.bmc(STORAGE, SET_TIME, int(time.time()).to_bytes(4, "little"))
            if abs(_off_s(machine)) > NEAR_S:
                return Result(exit=2, message="the BMC took the time, and its clock is wrong all the same")
    except Silent as wrong:
        return Result(exit=2, message=f"the BMC's clock cannot be set: {wrong}")
    return Result()


def _lan(machine: Machine, parameter: int) -> bytes:
    answer = machine.bmc(TRANSPORT, GET_LAN, bytes((CHANNEL, parameter, 0, 0)))
    if answer is None or answer[0]:
        raise Silent(f"it does not tell parameter {parameter} of its channel")
    return answer[1][1:]


def _set_lan(machine: Machine, parameter: int, octets: bytes) -> None:
    answer = machine.bmc(TRANSPORT, SET_LAN, bytes((CHANNEL, parameter)) + octets)
    if answer is None or answer[0]:
        raise Silent(f"it does not take parameter {parameter} of its channel")


async def bmc_address(machine: Machine, task: Task) -> Result:
    await task.work(ACCESS_S)
    if why := task.get("bmc-network/refused"):
        return Result(exit=2, message=str(why))
    wanted = {SOURCE: bytes((STATIC,))}
    for parameter, name in ((ADDRESS, "address"), (MASK, "mask"), (ROUTER, "router")):
        text = str(task.get(f"bmc-network/{name}") or "")
        wanted |= {parameter: IPv4Address(text).packed} if text else {}
    try:
        wrong = {one: octets for one, octets in wanted.items() if _lan(machine, one)[: len(octets)] != octets}
        if wrong and task.action == "verify":
            return Result(exit=1, message="the BMC has another address")
        for parameter, octets in wrong.items():
            _set_lan(machine, parameter, octets)
        if any(_lan(machine, one)[: len(octets)] != octets for one, octets in wanted.items()):
            return Result(exit=2, message="the BMC took its address, and has another one all the same")
    except Silent as silent:
        return Result(exit=2, message=f"the BMC's address cannot be set: {silent}")
    task.print(f"the BMC has {machine.bmc_address()}")
    return Result(gives={"bmc-address-set": {"address": machine.bmc_address(), "mac": machine.hardware.bmc_mac, "channel": CHANNEL}})


ROLES: dict[str, Behaviour] = {"bmc-account": bmc_account, "bmc-address": bmc_address, "bmc-clock": bmc_clock}
