"""Why the engine does not install on a disk. The subject of each sentence is the disk."""

from __future__ import annotations

from .kind import Who, kind

odd_inventory = kind(
    "odd_inventory",
    "barclamp {barclamp} reported a wrong value for {field}: {message}",
    "read the log of the role, and correct its script",
    who=Who.OPERATOR,
)
disks_not_seen = kind("disks_not_seen", "the engine could not ask {node} for its disks now: {message}", who=Who.WAIT)
disk_medium = kind("disk_medium", "removable media, not a disk: {what}", who=Who.WAIT)
disk_remote = kind("disk_remote", "a remote disk, over {transport}", "to use this disk, name it in root-disk", who=Who.OPERATOR)
disk_usb = kind(
    "disk_usb",
    "a disk on {transport}, which can be unplugged at any time",
    "to use this disk, name it in root-disk",
    who=Who.OPERATOR,
)
disk_paths = kind(
    "disk_paths",
    "the disk has {count} paths ({paths}), and the engine never writes to a disk with several paths",
    "leave one path connected, or choose another disk",
    who=Who.OPERATOR,
)
disk_small = kind("disk_small", "the disk has {mib} MiB, and a system needs {need} MiB", "choose another disk", who=Who.OPERATOR)
disk_read_only = kind("disk_read_only", "the disk is read-only", "remove the disk's write protection", who=Who.TECHNICIAN)
disk_state = kind("disk_state", "the disk reports that it is unhealthy: {state}", "replace the disk", who=Who.TECHNICIAN)
disk_used = kind(
    "disk_used",
    "the discovery system itself uses this disk, at {used}",
    "boot the machine from the network only",
    who=Who.TECHNICIAN,
)
disk_blocks = kind(
    "disk_blocks",
    "the disk has blocks of {octets} bytes, and file systems need 512 or 4096",
    "reformat the disk to blocks of 512 or 4096 bytes with sg_format",
    who=Who.TECHNICIAN,
)
disk_large_blocks = kind(
    "disk_large_blocks",
    "the disk has blocks of 4096 bytes, and a BIOS cannot boot from such a disk",
    "boot the machine by UEFI, or choose another disk",
    who=Who.OPERATOR,
)
disk_twin = kind(
    "disk_twin",
    "{other} has the same identity ({name})",
    "discover the machine again; if both disks still show this identity, remove one of them",
    who=Who.TECHNICIAN,
)
disk_member = kind("disk_member", "a member of volume {volume}", who=Who.WAIT)
disk_size = kind("disk_size", "the disk's size differs from that of the other members", who=Who.WAIT)
disk_spare = kind("disk_spare", "{level} takes at most {count} disks, and other disks come first", who=Who.WAIT)
disk_later = kind("disk_later", "{chosen} comes first: {why}", "to use this disk, name it in root-disk", who=Who.OPERATOR)
disk_not_named = kind("disk_not_named", "root-disk names {chosen}", who=Who.WAIT)
wipe_remote = kind("wipe_remote", "a remote disk, over {transport}, which may hold another machine's data: it is never wiped", who=Who.WAIT)
wipe_nameless = kind(
    "wipe_nameless",
    "the disk reports no serial number, so nothing proves which disk is wiped",
    "destroy the disk, or wipe it by hand",
    who=Who.TECHNICIAN,
)
wipe_sizeless = kind("wipe_sizeless", "the disk reports no size", "replace the disk, or reset its controller", who=Who.TECHNICIAN)
wipe_usb = kind("wipe_usb", "a disk on {transport}", "to wipe this disk, name its serial number in wipe-wanted", who=Who.OPERATOR)
wipe_not_named = kind("wipe_not_named", "wipe-wanted names other disks", who=Who.WAIT)
wipe_system = kind(
    "wipe_system",
    "the disk holds the node's installed system, {os}",
    "redeploy the node, or set system: true in wipe-wanted",
    who=Who.OPERATOR,
)
wipe_unknown = kind(
    "wipe_unknown",
    "wipe-wanted names the disk {disk}, and {node} has no disk with that serial number or WWN",
    "correct wipe-wanted; crowbar explain {node} lists the disks",
    who=Who.OPERATOR,
)
wipe_none = kind("wipe_none", "nothing on {node} is wiped: {why}", "change wipe-wanted, or discover the machine again", who=Who.OPERATOR)
burn_in_data = kind(
    "burn_in_data",
    "burn-in-write writes nothing on {node}: {disk} is not blank ({what})",
    "if nothing there is needed, wipe the machine first (role disk-wipe); otherwise take burn-in-write out of the plan for it",
    who=Who.OPERATOR,
)

raid_set_unknown = kind(
    "raid_set_unknown",
    "raid-wanted of {node} names the set {set}, and the sets are {known}",
    "correct raid-wanted",
    who=Who.OPERATOR,
)
raid_wish_odd = kind("raid_wish_odd", "raid-wanted of {node} cannot be carried out: {message}", "correct raid-wanted", who=Who.OPERATOR)
raid_no_drives = kind(
    "raid_no_drives",
    "{node} has no drives for volume {volume} ({wanted}); free and of that kind are: {there}",
    "change raid-wanted, or add drives",
    who=Who.OPERATOR,
)
raid_taken = kind("raid_taken", "the drive is {role} of volume {volume}: {why}", who=Who.WAIT)
raid_other_kind = kind("raid_other_kind", "volume {volume} does not take the drive: {what}", who=Who.WAIT)
raid_too_small = kind("raid_too_small", "the drive is too small for volume {volume}", who=Who.WAIT)
raid_few_alike = kind(
    "raid_few_alike", "volume {volume} needs more drives of this size, or larger ones: there are {count} of it", who=Who.WAIT
)
raid_others_first = kind("raid_others_first", "volume {volume} is made of {chosen}, which come first", who=Who.WAIT)
raid_not_needed = kind("raid_not_needed", "no volume needs the drive", who=Who.WAIT)
raid_nothing_made = kind(
    "raid_nothing_made", "nothing is made of the drive, because one of the wanted volumes cannot be made", who=Who.WAIT
)
raid_holds_others = kind(
    "raid_holds_others",
    "volume {volume} of {node} must go, and it also holds drives that are not chosen: {others}",
    "delete that volume by hand, or change raid-wanted",
    who=Who.OPERATOR,
)
raid_tool_cannot = kind(
    "raid_tool_cannot",
    "{tool} cannot do what raid-wanted asks of controller {controller} of {node}: {what}",
    "change raid-wanted",
    who=Who.OPERATOR,
)
raid_not_blank = kind(
    "raid_not_blank",
    "what the drives of controller {controller} of {node} hold cannot be seen, and the plan approves blank disks only",
    "approve raid-configure of {node}",
    who=Who.OPERATOR,
)
raid_report_odd = kind(
    "raid_report_odd",
    "the report of controller {controller} of {node} by {tool} cannot be read: {message}",
    "compare the tool's version with docs/raid.md",
    who=Who.OPERATOR,
)
raid_drive_state = kind(
    "raid_drive_state", "the controller calls the drive {state}", "look at the drive, or replace it", who=Who.TECHNICIAN
)
raid_shown_twice = kind("raid_shown_twice", "the drive is one of controller {controller}, by {place}", who=Who.WAIT)
raid_volume_of = kind("raid_volume_of", "the kernel's disk is volume {volume} of controller {controller}", who=Who.WAIT)
raid_mdadm_cannot = kind(
    "raid_mdadm_cannot", "mdadm makes no {level}, which volume {volume} of {node} has", "choose raid10, raid5 or raid6", who=Who.OPERATOR
)
