"""The objects of Nagios Core 4 (object definitions, `objects.cfg`) for what is monitored: commands, hosts, services, and a host group for
each deployment.

Nagios finds out, and the engine decides what is an alarm (`alarms`). So Nagios notifies nobody, keeps no dependencies, and has every
committed host, whatever state the node is in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...definitions import Json
from .commands import REACHES
from .names import object_name, service_name

RETRY_S = 5
"""Seconds after which Nagios looks again before it believes a bad result."""
ATTEMPTS = {"host": 1, "service": 2}
"""Bad results in a row that it believes. A host gets one: in its five seconds, TCP sends three times, and Nagios 4.4 looks at a host again
only after the whole interval."""

_COMMANDS = {
    "here": "$USER1$/check_dummy 0",
    "up": "$USER1$/check_tcp -H $HOSTADDRESS$ -p 22 -t 5",
    "tcp": "$USER1$/check_tcp -H $HOSTADDRESS$ -t 5 $ARG1$",
    "http": "$USER1$/check_http -I $HOSTADDRESS$ -t 5 $ARG1$",
    "dns": "$USER2$/check_lookup $HOSTADDRESS$ $ARG1$",
    "ntp": "$USER1$/check_ntp_time -H $HOSTADDRESS$ -w 1 -c 10 -t 5",
    "nrpe": "$USER1$/check_nrpe -H $HOSTADDRESS$ -t 8 -c $ARG1$",
    "plugin": "$USER1$/$ARG1$",
    "program": "$ARG1$",
}
"""A host is up if its SSH port answers: the engine reaches every installed system by SSH, and a firewall may drop ICMP. `$USER1$` is the
folder of monitoring-plugins, and `$USER2$` that of `check_lookup`."""

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")


def objects(entries: Iterable[dict[str, Json]], interval_s: int) -> str:
    """The text of the configuration. `entries`: node, role and value, where the value is that of `hosts.monitored`. Equal entries give
    equal texts, whatever their order."""
    found = sorted((one for one in entries if one["value"] is not None), key=lambda one: (one["node"], one["role"]))
    hosts: dict[str, dict[str, Json]] = {}
    groups: dict[str, set[str]] = {}
    for one in found:
        name, value = object_name(one["node"]), one["value"]
        hosts.setdefault(name, value)
        groups.setdefault(object_name(value["deployment"]), set()).add(name)
    through = {object_name(one["node"]) for one in found if one["role"] == REACHES}
    blocks = [
        *_fixed(interval_s),
        *(_host(name, value) for name, value in sorted(hosts.items())),
        *(_define("hostgroup", hostgroup_name=name, members=",".join(sorted(members))) for name, members in sorted(groups.items())),
    ]
    for one in found:
        blocks += _services(one, object_name(one["node"]) in through)
    return "# Made by the engine from the committed roles.\n" + "".join(blocks)


def _fixed(interval_s: int) -> Iterator[str]:
    """Commands, the one time period, a contact that Nagios demands and that hears nothing, and what all hosts and services have."""
    for name, line in _COMMANDS.items():
        yield _define("command", command_name=name, command_line=line)
    yield _define("timeperiod", timeperiod_name="always", alias="always", **dict.fromkeys(_DAYS, "00:00-24:00"))
    silent = {f"{of}_{key}": value for of in ("host", "service") for key, value in _SILENT.items()}
    yield _define("contact", contact_name="nobody", alias="nobody", **silent)
    common = {
        "check_interval": str(interval_s),
        "retry_interval": str(RETRY_S),
        "check_period": "always",
        "contacts": "nobody",
        "notification_period": "always",
        "notifications_enabled": "0",
        "flap_detection_enabled": "0",
        "register": "0",
    }
    for kind, attempts in ATTEMPTS.items():
        yield _define(kind, name=f"any-{kind}", max_check_attempts=str(attempts), **common)


_SILENT = {"notifications_enabled": "0", "notification_period": "always", "notification_commands": "here", "notification_options": "n"}


def _host(name: str, value: dict[str, Json]) -> str:
    command = "here" if value["here"] else f"tcp!-p {value['ssh']}" if "ssh" in value else "up"
    return _define("host", use="any-host", host_name=name, address=value["address"], check_command=command)


def _services(entry: dict[str, Json], through: bool) -> Iterator[str]:
    """`through`: the node runs checks for the admin node. Without that, checks on the node are left out."""
    host, value = object_name(entry["node"]), entry["value"]
    for name, kind, words, line, remote in value["checks"]:
        if not line:
            command = f"{kind}!{words}" if words else kind
        elif value["here"]:
            command = f"{'program' if line.startswith('/') else 'plugin'}!{line}"
        elif through:
            command = f"nrpe!{remote}"
        else:
            continue
        yield _define(
            "service", use="any-service", host_name=host, service_description=service_name(entry["role"], name), check_command=command
        )


def _define(kind: str, **keys: str) -> str:
    lines = "".join(f"    {key} {value}\n" for key, value in keys.items())
    return f"define {kind} {{\n{lines}}}\n"
