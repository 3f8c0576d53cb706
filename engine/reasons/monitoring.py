"""What monitoring found about a role that had succeeded, and why it says nothing."""

from __future__ import annotations

from .kind import Who, kind

check_red = kind(
    "check_red",
    "Nagios finds check {check} of role {role} on {node} critical: {message}",
    "look at the node; `crowbar role {node} {role} retry` runs the role again. The finding goes away when the check is good again",
    who=Who.OPERATOR,
)
host_red = kind(
    "host_red",
    "Nagios finds {node} down: {message}",
    "look at the node's power and cable, and at its console. The finding goes away when the node answers again",
    who=Who.TECHNICIAN,
)
check_early = kind(
    "check_early",
    "role {role} on {node} is not done, so its checks do not count yet",
    who=Who.WAIT,
)
nagios_silent = kind(
    "nagios_silent",
    "Nagios has written nothing for {seconds} s, so nobody checks the nodes",
    "look at the log of role monitor-server; the engine starts Nagios again by itself",
    who=Who.ENGINE,
)
nagios_unreadable = kind(
    "nagios_unreadable",
    "what Nagios wrote cannot be read: {message}",
    "redeploy role monitor-server on the admin node, which writes its files and starts it again",
    who=Who.OPERATOR,
)
nagios_absent = kind(
    "nagios_absent",
    "this rehearsal runs without Nagios, so nobody checks the nodes",
    "install nagios4-core, monitoring-plugins-basic and nagios-nrpe-plugin, and rehearse with --network namespace",
    who=Who.OPERATOR,
)
