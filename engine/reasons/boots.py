"""What goes wrong while a machine boots, or after it went away. The subject of each sentence is the node or the machine."""

from __future__ import annotations

from .kind import Who, kind

boot_timeout = kind(
    "boot_timeout",
    "{tries} boots in a row, no {expected} came within {seconds:g} s after {signal}",
    "read the machine's screen and fix what it shows, then retry the node",
    who=Who.TECHNICIAN,
)
boot_waiting = kind(
    "boot_waiting",
    "no {expected} came within {seconds:g} s after {signal}; the engine starts boot {tries} of {of}",
    who=Who.ENGINE,
)
loader_refused = kind(
    "loader_refused",
    "the firmware fetched {loader} ({way}, {signal}) and did not start it, as with Secure Boot; the engine offers {next} next",
    "wait for the next loader; if that fails too, switch Secure Boot off in the firmware's menu: it starts signed loaders only",
    who=Who.ENGINE,
)
loader_reset = kind(
    "loader_reset",
    "the firmware does not start {loader} ({way}), as with Secure Boot, and tries each way once; the engine offers {next} after a reset",
    "reset the machine by hand: its BMC is not known until the machine has said hello; or switch Secure Boot off in the firmware's menu",
    who=Who.TECHNICIAN,
)
loader_failed = kind(
    "loader_failed",
    "loader {loader} ({way}) stopped after {signal}; the engine offers {next} next",
    "wait for the next loader; if that fails too, read the machine's screen: `Access Denied` means that Secure Boot refused the loader",
    who=Who.TECHNICIAN,
)
wrong_environment = kind(
    "wrong_environment",
    "the machine started {runs} instead of {wants}, {count} times in a row",
    "put the network first in the firmware's boot order, then retry the node",
    who=Who.TECHNICIAN,
)
no_power = kind(
    "no_power",
    "the engine knows no BMC or other way to power node {node}",
    "set the BMC's address and account, or press the machine's power button",
    who=Who.TECHNICIAN,
)
power_failed = kind(
    "power_failed",
    "the BMC of {node} at {address} failed: {message}",
    "check the BMC, its cable and its account",
    who=Who.TECHNICIAN,
)
died = kind("died", "the machine stopped answering while it ran {environment}", who=Who.ENGINE)
sighting_waits = kind(
    "sighting_waits",
    "machine {mac} has sent no {expected} within {seconds:g} s after {signal}",
    "read the machine's screen and fix what it shows",
    who=Who.TECHNICIAN,
)
