"""What is wrong with a machine by its BMC: its sensors, its event log, its clock."""

from __future__ import annotations

from .kind import Who, kind

sensor_failed = kind(
    "sensor_failed",
    "sensor {sensor} of {node} is critical: {state}",
    "look at the machine, and at `crowbar health {node}`; the problem ends by itself when the sensor is good again",
    who=Who.TECHNICIAN,
)
fan_stopped = kind(
    "fan_stopped",
    "fan {sensor} of {node} stands still",
    "replace the fan before the machine gets too hot; `crowbar health {node}` shows its temperatures",
    who=Who.TECHNICIAN,
)
supply_lost = kind(
    "supply_lost",
    "power supply {sensor} of {node} is lost: {state}",
    "look at its cable and its outlet, then replace the power supply",
    who=Who.TECHNICIAN,
)
memory_errors = kind(
    "memory_errors",
    "{sensor} of {node} had {many} correctable memory errors in {hours} hours",
    "replace the DIMM that `crowbar health {node} --log` names, before its errors can no longer be corrected",
    who=Who.TECHNICIAN,
)
bmc_event = kind(
    "bmc_event",
    "the event log of {node} reports: {sensor}: {text}",
    "look at the machine, and at `crowbar health {node} --log`; the problem ends {hours} hours after the last such event",
    who=Who.TECHNICIAN,
)
bmc_log_full = kind(
    "bmc_log_full",
    "the event log of {node} is {percent} % full, and its BMC drops new events when it is full",
    "the engine keeps the entries (`crowbar health {node} --log`); clear the log in the BMC, for example with `ipmitool sel clear`",
    who=Who.OPERATOR,
)
bmc_clock_wrong = kind(
    "bmc_clock_wrong",
    "the clock of the BMC of {node} is {seconds} s {way}, so the times in its event log are wrong",
    "give the node the role bmc-clock, or give the BMC an NTP server",
    who=Who.OPERATOR,
)
health_unread = kind(
    "health_unread",
    "the BMC of {node} does not tell its health, so heat and failed parts are not seen: {message}",
    "`crowbar doctor bmc {node}` says what is wrong with the BMC",
    who=Who.OPERATOR,
)
more_ailments = kind(
    "more_ailments",
    "{node} has {many} more problems, by its BMC",
    "look at `crowbar health {node}`",
    who=Who.TECHNICIAN,
)
