"""The formats of RAID tools, for the table in `formats.py`: name -> what it is, its reader, its test, and the command that makes it."""

from __future__ import annotations

from collections.abc import Callable

from ..parts import Parts
from . import arcconf, areca, cciss, mdadm, megacli, sasircu, ssacli, storcli, tw_cli

RaidFormat = tuple[str, Callable[[str], Parts], Callable[[str], bool], str]

RAID_FORMATS: dict[str, RaidFormat] = {
    "storcli": ("storcli and perccli, JSON and text", storcli.read, storcli.looks, "storcli64 /cALL show all J"),
    "megacli": ("MegaCli: drives, volumes, adapters, batteries", megacli.read, megacli.looks, "MegaCli64 -LdPdInfo -aALL -NoLog"),
    "ssacli": ("ssacli, hpssacli and hpacucli", ssacli.read, ssacli.looks, "ssacli ctrl all show config detail"),
    "cciss": ("cciss_vol_status and /proc/driver/cciss", cciss.read, cciss.looks, "cciss_vol_status -V /dev/sg0"),
    "arcconf": ("arcconf getconfig and getstatus", arcconf.read, arcconf.looks, "arcconf getconfig 1 al"),
    "sasircu": ("sas2ircu and sas3ircu", sasircu.read, sasircu.looks, "sas3ircu 0 display"),
    "mdadm": ("mdadm --detail, --examine, --export; /proc/mdstat", mdadm.read, mdadm.looks, "mdadm --detail /dev/md0"),
    "areca": ("cli64 of Areca", areca.read, areca.looks, "cli64 disk info"),
    "tw_cli": ("tw_cli of 3ware", tw_cli.read, tw_cli.looks, "tw_cli /c0 show"),
}
