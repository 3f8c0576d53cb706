"""A session on a switch's command line: netmiko over SSH. The only code that talks to real switches.

Rules
* netmiko is imported when a session opens: it takes a quarter of a second, and only delegates need it.
* The host key of a switch is pinned at the first contact (file `hosts`), or given by `switch-access`. Another key later is refused.
* An answer in which the switch complains of a line ends the session with that line, before anything is saved.
* No message holds the password. netmiko's log of the session stays off.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from .dialects.dialect import Dialect, error_in
from .table import SwitchError

CONNECT_S = 20.0
REPLACED = "if the switch was replaced, delete its line in {}"
READ_S = 90.0
"""Seconds for one answer. The configuration of a chassis takes half a minute."""


class SwitchTarget(Struct, frozen=True, kw_only=True):
    """Where a switch's command line is, and the account."""

    name: str
    address: str
    port: int = 22
    user: str = "admin"
    password: str = ""
    host_key: str = ""
    """`ssh-ed25519 AAAA...`. Empty: the first key that it shows is kept."""

    def __repr__(self) -> str:
        return f"SwitchTarget(name={self.name!r}, address={self.address!r}, port={self.port}, user={self.user!r}, password=***)"


class Line(Protocol):
    """A command line of a switch."""

    def show(self, commands: Mapping[str, str]) -> dict[str, str]:
        """Key -> output of its command. Raises SwitchError."""

    def tell(self, lines: Sequence[str]) -> None:
        """Gives the lines, in order. Raises SwitchError for the first that is not taken."""

    def keep(self, save: Sequence[str]) -> None:
        """Keeps the configuration over a restart. Raises SwitchError."""

    def close(self) -> None: ...


class NetmikoLine:
    """A `Line` by netmiko. Raises SwitchError from the constructor on."""

    def __init__(self, target: SwitchTarget, dialect: Dialect, hosts: Path) -> None:
        self._target, self._dialect, self._hosts = target, dialect, hosts
        self._sudo = "sudo -n " if dialect.netmiko == "linux" and target.user != "root" else ""
        logging.getLogger("paramiko").setLevel(logging.CRITICAL)
        _pin(hosts, target)
        self._line = self._guarded(lambda: _connect(target, dialect, hosts))

    def show(self, commands: Mapping[str, str]) -> dict[str, str]:
        out = {key: self._ask(command) for key, command in commands.items()}
        # netmiko takes a prompt that comes late for the end of an answer, which then is empty. A question changes nothing, so it is asked
        # once more.
        return {key: said if said.strip() else self._ask(commands[key]) for key, said in out.items()}

    def tell(self, lines: Sequence[str]) -> None:
        if not lines:
            return
        if not self._dialect.configures:
            for line in lines:
                self._took(line, self._ask(line))
            return
        commits = self._dialect.name == "juniper_junos"
        told = partial(self._line.send_config_set, list(lines), read_timeout=READ_S, cmd_verify=False, exit_config_mode=not commits)
        if not commits:
            self._took("the configuration", self._guarded(told))
            return
        try:
            self._took("the configuration", self._guarded(told))
            self._took("commit", self._guarded(partial(self._line.commit, read_timeout=READ_S, and_quit=True)))
        except SwitchError:
            with suppress(Exception):  # the candidate is shared: what was not committed must not wait there for another's commit
                self._line.send_config_set(["rollback 0"], cmd_verify=False)
            raise

    def keep(self, save: Sequence[str]) -> None:
        for line in save:
            if not self._dialect.configures:
                self._took(line, self._ask(line))
            else:
                self._took(line, self._guarded(partial(self._line.save_config, cmd=line)))

    def close(self) -> None:
        with suppress(Exception):  # the switch may have gone: nothing depends on a goodbye
            self._line.disconnect()

    def _ask(self, command: str) -> str:
        text = self._sudo + command if command != "ls /sys/class/net" else command
        return str(self._guarded(lambda: self._line.send_command(text, read_timeout=READ_S, strip_prompt=True, strip_command=True)))

    def _took(self, line: str, said: str) -> None:
        wrong = error_in(said)
        if wrong:
            raise SwitchError("not_obeyed", f"{self._target.name} did not take {line!r}: {wrong}")

    def _guarded(self, work: Callable[[], Any]) -> Any:
        """netmiko's and paramiko's errors as SwitchError."""
        import netmiko.exceptions as netmiko
        import paramiko

        target = self._target
        where = f"{target.name} ({target.address}:{target.port})"
        try:
            return work()
        except netmiko.NetmikoAuthenticationException:
            raise SwitchError("login", f"{where} refuses the account {target.user}: correct `switch-access` or `switch-password`") from None
        except netmiko.ReadTimeout:
            raise SwitchError("garbled", f"{where} did not show its prompt within {READ_S:.0f} s: is {self._dialect.name} right?") from None
        except (netmiko.NetmikoTimeoutException, netmiko.NetMikoTimeoutException, OSError, EOFError) as error:
            if isinstance(error.__context__, paramiko.BadHostKeyException):  # netmiko calls that a time-out
                raise SwitchError("refused", f"{where} shows another host key than before: {REPLACED.format(self._hosts)}") from None
            raise SwitchError("unreachable", f"{where} does not answer by SSH ({_short(error)})") from None
        except (netmiko.NetmikoBaseException, paramiko.SSHException, ValueError) as error:
            raise SwitchError("garbled", f"{where}: {_short(error)}") from None


def _connect(target: SwitchTarget, dialect: Dialect, hosts: Path) -> Any:
    import netmiko

    line = netmiko.ConnectHandler(
        device_type=dialect.netmiko,
        host=target.address,
        port=target.port,
        username=target.user,
        password=target.password,
        secret=target.password,
        conn_timeout=CONNECT_S,
        auth_timeout=CONNECT_S,
        banner_timeout=CONNECT_S,
        ssh_strict=bool(target.host_key),
        alt_host_keys=True,
        alt_key_file=str(hosts),
        use_keys=False,
        allow_agent=False,
    )
    if dialect.name in ("cisco_ios", "arista_eos", "hp_procurve") and not line.check_enable_mode():
        line.enable()
    return line


def _pin(hosts: Path, target: SwitchTarget) -> None:
    """The file of host keys exists for its owner only, and has the key that was given."""
    hosts.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hosts.touch(mode=0o600, exist_ok=True)
    if not target.host_key:
        return
    host = target.address if target.port == 22 else f"[{target.address}]:{target.port}"
    kept = [line for line in hosts.read_text(encoding="utf-8").splitlines() if line.split()[:1] != [host]]
    hosts.write_text("\n".join([*kept, f"{host} {target.host_key}", ""]), encoding="utf-8")


def _short(error: BaseException) -> str:
    lines: Iterable[str] = str(error).split("\n")
    return next((line.strip()[:120] for line in lines if line.strip()), type(error).__name__)
