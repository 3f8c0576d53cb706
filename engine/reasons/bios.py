"""Why the settings of a machine's BIOS are not changed. The subject of each sentence is the node."""

from __future__ import annotations

from .kind import Who, kind

bios_no_family = kind(
    "bios_no_family",
    "no family of BIOS sets is for the product {product}, so the set {wanted} cannot be chosen",
    "add a family with a pattern for this product, or set single settings in bios-wanted",
    who=Who.OPERATOR,
)
bios_no_set = kind(
    "bios_no_set",
    "the family {family} has no BIOS set {wanted}, but {known}",
    "choose one of these sets, or add it to the family",
    who=Who.OPERATOR,
)
bios_sets_conflict = kind(
    "bios_sets_conflict",
    "the BIOS setting {setting} is wanted as {value} by {role} and as {instead} by {other}",
    "give these roles to different nodes, or set {setting} in bios-wanted for this node",
    who=Who.OPERATOR,
)
bios_unknown_setting = kind(
    "bios_unknown_setting",
    "this machine's BIOS has no setting {setting}; the nearest are {near}",
    "correct the name, or move the setting to where-offered",
    who=Who.OPERATOR,
)
bios_ambiguous_setting = kind(
    "bios_ambiguous_setting",
    "the name {setting} means several settings of this machine's BIOS: {found}",
    "write the whole name of the setting",
    who=Who.OPERATOR,
)
bios_wrong_value = kind(
    "bios_wrong_value",
    "the BIOS setting {setting} cannot be {value}: {why}",
    "choose a value that this BIOS allows",
    who=Who.OPERATOR,
)
bios_read_only = kind(
    "bios_read_only",
    "the BIOS setting {setting} is {value} and cannot be changed: {why}",
    "remove the setting from the wanted ones, or change what makes it read-only",
    who=Who.OPERATOR,
)
bios_follows = kind(
    "bios_follows",
    "the BIOS setting {setting} is wanted as {value}, and {cause} makes it {instead}",
    "want the same of both settings",
    who=Who.OPERATOR,
)
