"""Why the engine does not use a BMC, or does not believe a claim that a BMC should confirm."""

from __future__ import annotations

from .kind import Who, kind

bmc_outside = kind(
    "bmc_outside",
    "{node} reports its BMC at {address}, which is in no BMC network of the plan",
    "correct the subnet of network bmc in the plan; or, if that is the machine's BMC, enter it: "
    'crowbar set {node} bmc \'{{"address": "{address}"}}\'',
    who=Who.OPERATOR,
)
bmc_is_anothers = kind(
    "bmc_is_anothers",
    "the BMC at {address}, which should be that of {node}, belongs to {other}",
    "find out which machine has that BMC; then run bmc-discover on {node} again, or enter its own: "
    'crowbar set {node} bmc \'{{"address": "ADDRESS"}}\'',
    who=Who.OPERATOR,
)
bmc_moved = kind(
    "bmc_moved",
    "a claim that is not confirmed reports the BMC of {node} at {reported} instead of {address}",
    "confirm the claim by the fingerprint on the machine's console; if a stranger made it, look for an intruder on the boot network",
    who=Who.OPERATOR,
)
bmc_not_expected = kind(
    "bmc_not_expected",
    "{node} reports its BMC at {address} with MAC {mac}, and the plan expects {expected}",
    "compare the machine's label with its entry under machines in the plan, and correct the wrong one",
    who=Who.OPERATOR,
)
bmc_unproven = kind(
    "bmc_unproven",
    "nothing shows that the BMC at {address} is that of {node}: the two have no UUID or serial in common that identifies a machine",
    "wait for a challenge through the BMC, which boots of discovery make; or, if it is the machine's BMC, enter it: "
    'crowbar set {node} bmc \'{{"address": "{address}"}}\'',
    who=Who.OPERATOR,
)
bmc_too_early = kind(
    "bmc_too_early",
    "{node} is not allocated, and the engine sends no password to a BMC before that",
    "allocate the node (crowbar node {node} allocate), or press the machine's own button",
    who=Who.OPERATOR,
)
not_proved = kind(
    "not_proved",
    "the BMC of {node} did not confirm its claim in {tries} tries: {message}",
    "if the machine's own screen shows {fingerprint}, press f (crowbar node {node} confirm {fingerprint}). If it shows another one or "
    "none, the machine at {address} answers in its name: unplug that one, then power-cycle {node}. If you repaired its BMC, press r "
    "(crowbar node {node} retry)",
    who=Who.TECHNICIAN,
)
not_written = kind(
    "not_written",
    "the agent of {node} could not write a challenge into the BMC: {message}",
    "check that the machine's kernel has an IPMI driver and its image has ipmitool",
    who=Who.ENGINE,
)
not_answered = kind(
    "not_answered",
    "whoever said hello as {node} did not answer a challenge for its BMC within {seconds:g} s",
    "read the machine's screen: its agent may not run, or another machine may have said hello in its name",
    who=Who.ENGINE,
)
not_shown = kind(
    "not_shown",
    "the BMC of {node} at {address} does not show the challenge that the node's agent wrote: {message}",
    "check that the address is that of this machine's BMC",
    who=Who.ENGINE,
)
