"""The rows of Redfish, fwupd and makers' BIOS tools in the table of report formats: name -> description, reader, test, command."""

from __future__ import annotations

from collections.abc import Callable

from ..parts import Parts
from . import bios_tools, fwupd, racadm, redfish, redfish_tree

Row = tuple[str, Callable[[str], Parts], Callable[[str], bool], str]

ROWS: dict[str, Row] = {
    "redfish": ("one resource of a BMC", redfish.read, redfish.looks, "curl https://BMC/redfish/v1/..."),
    "redfish-tree": ("a BMC's resources, by their paths", redfish_tree.read, redfish_tree.looks, ""),
    "fwupd": ("firmware of devices", fwupd.read, fwupd.looks, "fwupdmgr get-devices --json"),
    "racadm-bios": ("settings of a Dell's BIOS", bios_tools.racadm, bios_tools.looks_racadm, "racadm get BIOS.GROUP"),
    "racadm-hwinventory": ("the parts of a Dell", racadm.inventory, racadm.looks_inventory, "racadm hwinventory"),
    "racadm-sysinfo": ("a Dell and its iDRAC", racadm.system_info, racadm.looks_system, "racadm getsysinfo"),
    "racadm-jobs": ("an iDRAC's jobs", racadm.jobs_report, racadm.looks_jobs, "racadm jobqueue view"),
    "ilorest-bios": ("settings of an HPE's BIOS", bios_tools.ilorest, bios_tools.looks_ilorest, "ilorest get --selector Bios. --json"),
    "sum-bios": ("settings of a Supermicro's BIOS", bios_tools.sum_xml, bios_tools.looks_sum, "sum -c GetCurrentBiosCfg"),
    "sum": ("a Supermicro's BIOS", bios_tools.sum_info, bios_tools.looks_sum_text, "sum -c GetBiosInfo"),
    "syscfg-bios": ("settings of an Intel's BIOS", bios_tools.syscfg, bios_tools.looks_syscfg, "syscfg /d BIOSSETTINGS"),
    "conrep-bios": ("settings of an older HPE's BIOS", bios_tools.conrep, bios_tools.looks_conrep, "conrep -s"),
}
