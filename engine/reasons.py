"""Why a thing does not go on: every reason that the engine can give, in one table.

A reason is a code and its fields. It is stored, journalled and printed in JSON as that pair, and becomes a sentence
only where a person reads it (`sentence`, `advice`). Each line of the table below makes one *kind*: calling the kind
with exactly the fields of its sentence gives the reason, so a reason with a missing or an unknown field cannot be made.

`docs/reasons.md` is generated from this table (`python -m engine.reasons`), and a test compares the two.

Rule: a sentence says what is seen, lower case, without a full stop; the advice says what a person can do about it and
may be empty where waiting is right.
"""

from __future__ import annotations

from string import Formatter

from msgspec import Struct

Field = str | int | float | None


class Reason(Struct, frozen=True, gc=False):
    """A code of the table below with the values of its fields."""

    code: str
    fields: dict[str, Field] = {}


class Kind:
    """One row of the table: call it with its fields to get a `Reason`."""

    __slots__ = ("advice", "code", "names", "sentence")

    def __init__(self, code: str, sentence: str, advice: str = "") -> None:
        self.code = code
        self.sentence = sentence
        self.advice = advice
        self.names = frozenset(
            name for text in (sentence, advice) for _, name, _, _ in Formatter().parse(text) if name is not None
        )

    def __call__(self, **fields: Field) -> Reason:
        if fields.keys() != self.names:
            raise TypeError(f"reason {self.code} takes {sorted(self.names)}, not {sorted(fields)}")
        return Reason(self.code, fields)


KINDS: dict[str, Kind] = {}


def _kind(code: str, sentence: str, advice: str = "") -> Kind:
    KINDS[code] = kind = Kind(code, sentence, advice)
    return kind


def sentence(reason: Reason) -> str:
    """The reason in words, for a person. An unknown code (a store of another version) shows itself and its fields."""
    kind = KINDS.get(reason.code)
    if kind is None or not kind.names <= reason.fields.keys():
        return f"{reason.code} {reason.fields}"
    return kind.sentence.format(**reason.fields)


def advice(reason: Reason) -> str:
    """What to do about it, in words; empty where waiting is right."""
    kind = KINDS.get(reason.code)
    if kind is None or not kind.names <= reason.fields.keys():
        return ""
    return kind.advice.format(**reason.fields)


# -- blockers: why a node role does not run, in the order in which they are tested --------------------------------
proposed = _kind("proposed", "it is proposed and not committed", "commit the deployment")
role_unknown = _kind(
    "role_unknown", "no barclamp defines role {role}", "put the barclamp back, or delete the role from the node"
)
failed = _kind("failed", "attempt {attempt} of {of} failed: {message}", "mend the cause, then retry role {role}")
unverifiable = _kind(
    "unverifiable",
    "the outcome of attempt {attempt} is lost and the role cannot be verified",
    "look at the node, then retry or skip role {role}",
)
no_node = _kind("no_node", "node {node} is not there any more", "delete the role")
not_available = _kind("not_available", "node {node} is not available", "make the node available again")
on_hold = _kind("on_hold", "node {node} is on hold", "release the hold")
powered_off = _kind("powered_off", "{who} switched node {node} off", "power it on: crowbar node {node} power on")
problem = _kind("problem", "node {node} has a problem: {message}", "mend it, then retry the node")
booting = _kind("booting", "the node is booting {environment}: last signal {signal}, next {expected}")
found_off = _kind(
    "found_off", "the power of {node} is off, and nobody here switched it off",
    "find out why; then: crowbar node {node} power on",
)  # fmt: skip
unreachable = _kind(
    "unreachable",
    "the node runs {environment} and does not answer",
    "look at its console; power-cycle it if it hangs",
)
no_installer = _kind(
    "no_installer",
    "no image installs {system} by the method {method}",
    "set install-method to image, or target-os to a system that this method installs: crowbar image list",
)
environment = _kind("environment", "the node runs {runs}, the role needs {needs}")
stage = _kind("stage", "the role runs in stage {stage}, the node is in {present}")
not_allocated = _kind("not_allocated", "the node is discovered and not allocated", "allocate it, or add a rule to the plan")
backward = _kind(
    "backward", "going back from stage {present} to {stage} needs an approval", "approve the move, or reset the node"
)
parent = _kind("parent", "it requires {role} on {node}, which is {state}")
not_linked = _kind(
    "not_linked",
    "{role} is wanted on each {kind} that {node} is linked to, and none is known",
    "let the node be discovered with its cables in (crowbar topology shows what was heard)",
)
parent_missing = _kind(
    "parent_missing", "it requires {role}, which is bound nowhere", "bind that role, or correct the plan"
)
stale_parent = _kind("stale_parent", "it requires {role} on {node}, which runs again because its inputs changed")
retry = _kind("retry", "attempt {attempt} failed ({message}); the next one comes {after:g} s after it")
again = _kind("again", "the role asked to be run again a little later")
approval = _kind(
    "approval", "it destroys what is on the disks of {node} and is not approved", "approve it, or let the plan approve it"
)
no_disk = _kind(
    "no_disk", "no disk was found in {node}: there is nothing to install on",
    "is one plugged in, and is its controller switched on in the firmware? then discover it again: crowbar node {node} reset",
)  # fmt: skip
held = _kind("held", "{resource} is in use by {holder}")
suspended = _kind("suspended", "attempt {attempt} is suspended until the node answers again")
in_transition = _kind("in_transition", "attempt {attempt} is running")
resting = _kind("resting", "nothing blocks it: it starts with the next free turn")

# -- boots and the life of a node ---------------------------------------------------------------------------------
boot_timeout = _kind(
    "boot_timeout",
    "no {expected} within {seconds:g} s after {signal}, {tries} times in a row",
    "read the node's screen; then retry the node",
)
loader_refused = _kind(
    "loader_refused",
    "the firmware fetched {loader} ({way}, {signal}) and came back without starting it, as with Secure Boot: {next} is offered next",
    "nothing, if the next one answers; Secure Boot takes only what is signed, and the firmware's menu can switch it off",
)
loader_reset = _kind(
    "loader_reset",
    "the firmware starts no {loader} ({way}), as with Secure Boot, and tries each of its ways once: {next} is offered after a reset",
    "reset the machine once; its BMC is not known before it said hello. Secure Boot can also be switched off in the firmware's menu",
)
loader_failed = _kind(
    "loader_failed",
    "loader {loader} ({way}) came to nothing after {signal}: {next} is offered next",
    "nothing, if the next one answers; else read the machine's screen: `Access Denied` is Secure Boot, which takes only what is signed",
)
boot_waiting = _kind("boot_waiting", "no {expected} for {seconds:g} s after {signal}: trying boot {tries} of {of}")
wrong_environment = _kind(
    "wrong_environment",
    "it came up in {runs} instead of {wants}, {count} times in a row",
    "check the boot order of the firmware; then retry the node",
)
no_power = _kind(
    "no_power",
    "the engine has no way to power node {node}",
    "give its BMC address and account, or press its power button",
)
power_failed = _kind("power_failed", "the BMC of {node} at {address}: {message}", "check the BMC, its cable and account")
died = _kind("died", "it went away while it ran {environment}")
sighting_waits = _kind(
    "sighting_waits", "seen as {mac}, last signal {signal}, no {expected} for {seconds:g} s", "read the machine's screen"
)

# -- refusals -----------------------------------------------------------------------------------------------------
late = _kind("late", "attempt {attempt} is not the present one")
old_boot = _kind("old_boot", "the call comes from an earlier boot")
unknown_nonce = _kind("unknown_nonce", "a hello with a nonce that no open boot carries", "reboot the machine")
second_claim = _kind(
    "second_claim",
    "a second machine claimed the boot of {mac}",
    "look for two machines with the same MAC, or for somebody who listens on the wire",
)
bad_credential = _kind("bad_credential", "a hello with a credential that this engine did not give", "reinstall the machine")
mac_not_listed = _kind("mac_not_listed", "the hello of {mac} does not list that MAC among its own: {macs}")
identity_conflict = _kind(
    "identity_conflict",
    "{what} {value} belongs to {node} and to {other}",
    "say which it is: node replace, merge or split",
)
no_identity = _kind("no_identity", "the machine reports no usable UUID, serial or MAC")
banned = _kind("banned", "{mac} is banned", "lift the ban if it shall be managed")
too_many = _kind("too_many", "{what} {count} is over the limit of {limit}", "raise the limit in the plan, or see what floods")
busy = _kind("busy", "node {node} is busy: {what}", "wait until it is done, then try again")
cycle = _kind("cycle", "these roles would wait for each other: {path}", "remove one of the requirements")
illegal = _kind("illegal", "{verb} is not possible: node {node} is {state}")
bad_value = _kind("bad_value", "{what} must be {expected}, not {value}")
secret_value = _kind(
    "secret_value", "attribute {name} holds a secret, and is not set by hand", "name where it comes from under `secrets` in the plan"
)
not_one_machine = _kind(
    "not_one_machine", "{node} and {other} cannot become one node: {why}", "delete the one that is wrong, or replace it"
)
installed = _kind("installed", "node {node} has {os} installed", "use reinstall to write its disks again")
unknown_thing = _kind("unknown_thing", "there is no {what} {name}", "known: {nearest}")
conflicts = _kind("conflicts", "role {role} conflicts with {other} on node {node}", "bind only one of them")
no_plan = _kind("no_plan", "no plan is committed", "commit a plan")
unauthorised = _kind("unauthorised", "{route} asked for without a valid token")
engine_error = _kind(
    "engine_error",
    "the engine could not work on {event} and left everything as it was: {error}",
    "look at its log and report it",
)

# -- addresses ----------------------------------------------------------------------------------------------------
no_pool = _kind(
    "no_pool", "no network with a dhcp range is served on {interface}", "give a network of that interface a dhcp range"
)
stranger = _kind(
    "stranger", "{mac} ({kind}) is not a machine that boots from the network", "set strangers: lease in the network to serve it"
)
proxy_only = _kind(
    "proxy_only", "{mac} gets its address from another DHCP server: here only boot ROMs are told what to load (dhcp: proxy)"
)
pool_empty = _kind(
    "pool_empty", "the {range} range of network {network} is used up ({size} addresses)", "widen the range in the plan"
)
other_server = _kind("other_server", "{mac} chose the DHCP server {server}", "find and stop that server")
wrong_address = _kind("wrong_address", "{mac} asked for {address}, which is not its lease")
declined = _kind("declined", "{mac} found {address} in use by somebody else", "find the machine that has this address")
unknown_lease = _kind("unknown_lease", "{mac} renews {address}, which this engine did not lease")

# -- attempts -----------------------------------------------------------------------------------------------------
script_failed = _kind("script_failed", "{role} ended with exit code {exit}: {line}", "read the log of the attempt")
timed_out = _kind("timed_out", "{role} ran longer than {seconds:g} s and was ended", "read the log of the attempt")
verify_failed = _kind("verify_failed", "{role} was run, and a second look does not show it: {line}")
lost = _kind("lost", "the node knows nothing of attempt {attempt} any more")
refused = _kind("refused", "{node} refused attempt {attempt}: {message}")
unreachable_node = _kind("unreachable_node", "{node} could not be reached at {address}: {message}")
no_host_key = _kind(
    "no_host_key",
    "no SSH host key of {node} is known here, so nothing was sent to {address}: its install reported none",
    "reinstall the node, or retry its install role, so that the key is reported again",
)
host_key = _kind(
    "host_key", "{node} at {address} showed another SSH host key than the one its install reported", "find out which machine answers there"
)
no_address = _kind("no_address", "node {node} has no address on the admin network")
no_jig = _kind("no_jig", "no jig {jig} is there to carry out role {role}", "correct the barclamp")
secret_in_clear = _kind(
    "secret_in_clear",
    "{role} takes the secret {names}, and the node's agent asked for it without TLS",
    "build the discovery image with curl or wget in it: crowbar image build sledgehammer; then retry the role",
)
bad_result = _kind("bad_result", "the result of {role} is not what it promises: {message}", "correct the role's script")

# -- commands of other processes ----------------------------------------------------------------------------------
bad_request = _kind("bad_request", "the request is not understood: {message}", "use a crowbar of the engine's version")
other_version = _kind(
    "other_version", "it speaks version {theirs} of the commands, the engine speaks {ours}", "use a crowbar of the engine's version"
)
bad_plan = _kind("bad_plan", "plan {name} is not right: {message}", "correct it; crowbar plan check tells all its mistakes")
not_committed = _kind("not_committed", "the plan could not be committed: {message}", "mend the cause, then commit it again")

# -- plan and images ----------------------------------------------------------------------------------------------
agent_protocol = _kind(
    "agent_protocol",
    "its agent speaks version {theirs} of the calls, the engine speaks {ours}: the image that it runs is of another version of Crowbar",
    "build the image again (crowbar image build sledgehammer) and boot the machine; an installed system takes the new agent from "
    "images/node to /usr/lib/crowbar",
)
image_missing = _kind("image_missing", "image {image} is not there", "build it: crowbar image build {image}")
image_other = _kind(
    "image_other",
    "image {image} was built by another version of Crowbar than this one: its agent or its packages may be others",
    "build it again: crowbar image build {image}",
)
image_damaged = _kind("image_damaged", "image {image} does not have its checksum", "build it again: crowbar image build {image}")


def as_markdown() -> str:
    """`docs/reasons.md`, whole."""
    head = (
        "# Reasons\n\nEverything that can keep a node or a role from going on, and what to do. JSON output carries the code and\n"
        "the fields; the console and `crowbar explain` show the sentence. Made by `python -m engine.reasons`.\n\n"
        "| code | what is seen | what to do |\n|---|---|---|\n"
    )
    return head + "".join(f"| `{k.code}` | {k.sentence} | {k.advice or 'wait'} |\n" for k in KINDS.values())


if __name__ == "__main__":
    print(as_markdown(), end="")
