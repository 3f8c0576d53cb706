"""Why the firmware of a machine's part is not brought to the wanted version. The subject of each sentence is the part."""

from __future__ import annotations

from .kind import Who, kind

firmware_no_file = kind(
    "firmware_no_file",
    "the firmware {version} of {part} cannot be staged: {why}",
    "put the maker's file into the folder firmware of the store, under the name that firmware-wanted gives",
    who=Who.OPERATOR,
)
firmware_cannot = kind(
    "firmware_cannot",
    "the firmware of {part} is {have}, and wanted is {want}: {why}",
    "correct or remove the wish in firmware-wanted, or update this part by hand",
    who=Who.OPERATOR,
)
firmware_failed = kind(
    "firmware_failed",
    "the update of {part} to {want} failed: {why}",
    "look at the BMC's own log, then retry the role",
    who=Who.OPERATOR,
)
firmware_unknown = kind(
    "firmware_unknown",
    "whether {part} has the firmware {want} now is unknown: {why}",
    "look at the version in the BMC, then retry the role: it stages nothing if the version is right",
    who=Who.OPERATOR,
)
