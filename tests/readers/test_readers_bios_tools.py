"""What makers' tools print, after their guides: settings of a BIOS, racadm's inventory and its jobs."""

from __future__ import annotations

import pytest

from engine.parts import BiosSetting, BmcLine, Firmware, NetPort, Product
from engine.readers import bios_tools, racadm
from engine.readers.report import Refused

RACADM = """Security Alert: Certificate is invalid - self signed certificate
Continuing execution. Use -S option for racadm to stop execution on certificate-related errors.
[Key=BIOS.Setup.1-1#ProcSettings]
LogicalProc=Enabled
ProcVirtualization=Enabled (Pending Value=Disabled)
#Proc1Brand=Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz
SetupPassword=******
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_racadm_get(end: str) -> None:
    assert bios_tools.looks_racadm(RACADM)
    assert bios_tools.racadm(RACADM.replace("\n", end)).settings == (
        BiosSetting(name="LogicalProc", value="Enabled"),
        BiosSetting(name="ProcVirtualization", value="Enabled", pending="Disabled"),
        BiosSetting(name="Proc1Brand", value="Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz", readonly=True),
        BiosSetting(name="SetupPassword", type="password"),
    )


INVENTORY = """-------------------HARDWARE INVENTORY------------------------

[InstanceID: System.Embedded.1]
Device Type = System
Model = PowerEdge R640
Manufacturer = Dell Inc.
ServiceTag = ABC1234
BIOSVersionString = 2.2.11
BIOSReleaseDate = 06/13/2019
SysMemTotalSize = 32768 MB
MaxDIMMSlots = 24
PowerState = 2
-------------------------------------------------------------------
[InstanceID: DIMM.Socket.A1]
Device Type = Memory
Size = 16384 MB
Speed = 2666 MHz
CurrentOperatingSpeed = 2400 MHz
Rank = Double Rank
MemoryType = DDR-4
SerialNumber = 2E67A645
PrimaryStatus = Ok
-------------------------------------------------------------------
[InstanceID: CPU.Socket.1]
Device Type = CPU
Model = Intel(R) Xeon(R) Gold 6130 CPU @ 2.10GHz
NumberOfProcessorCores = 16
NumberOfEnabledCores = 16
NumberOfEnabledThreads = 32
MaxClockSpeed = 4000 MHz
VirtualizationTechnologyCapable = Yes
[InstanceID: Disk.Bay.0:Enclosure.Internal.0-1:RAID.Integrated.1-1]
Device Type = PhysicalDisk
MediaType = SSD
BusProtocol = SATA
SizeInBytes = 479559942144 Bytes
RemainingRatedWriteEndurance = 97 %
RaidStatus = Ready
PredictiveFailureState = Smart Alert Absent
[InstanceID: NIC.Integrated.1-1-1]
Device Type = NIC
PermanentMACAddress = 24:6E:96:00:00:01
FamilyVersion = 19.0.12
LinkSpeed = 10 Gbps
ProductName = Intel(R) Ethernet 10G X710 - 24:6E:96:00:00:01
PCIVendorID = 8086
PCIDeviceID = 1572
[InstanceID: Fan.Embedded.1A]
Device Type = Fan
"""


def test_racadm_hwinventory() -> None:
    told = racadm.inventory(INVENTORY)
    assert told.system == Product(vendor="Dell Inc.", model="PowerEdge R640", serial="ABC1234")
    assert (told.memory, told.slots, told.power) == (32 << 30, 24, "on")
    assert [(one.place, one.size, one.type, one.speed, one.rated, one.ranks, one.health) for one in told.dimms] == [
        ("DIMM.Socket.A1", 16 << 30, "DDR4", 2400, 2666, 2, "ok")
    ]
    assert [(one.cores, one.threads, one.mhz, one.virtualization) for one in told.processors] == [(16, 32, 4000, True)]
    assert [(one.size, one.medium, one.protocol, one.wear, one.state) for one in told.drives] == [
        (479559942144, "ssd", "sata", 3, "unused")
    ]
    assert [(one.mac, one.speed, one.model) for one in told.ports] == [("24:6e:96:00:00:01", 10000, "Intel(R) Ethernet 10G X710")]
    assert [one.id for one in told.cards] == ["8086:1572"]
    assert {(one.part, one.version) for one in told.firmware} == {("bios", "2.2.11"), ("nic", "19.0.12")}


SYSTEM = """RAC Information:
RAC Date/Time           = Wed Nov 27 11:01:25 2019
Firmware Version        = 3.34.34.34
MAC Address             = 4c:d9:8f:00:00:01

IPv4 settings:
Enabled                 = 1
Current IP Address      = 10.0.0.5
Current IP Gateway      = 10.0.0.1
Current IP Netmask      = 255.255.255.0
DHCP Enabled            = 0

System Information:
System Model            = PowerEdge R740
System BIOS Version     = 2.3.10
Service Tag             = ABC1234
Power Status            = ON

Embedded NIC MAC Addresses:
NIC.Integrated.1-3-1    Ethernet                = 24:6E:96:00:00:03
                        WWN                     = 20:00:24:6E:96:00:00:03
"""


def test_racadm_getsysinfo() -> None:
    assert racadm.looks_system(SYSTEM)
    told = racadm.system_info(SYSTEM)
    assert told.system == Product(vendor="Dell", model="PowerEdge R740", serial="ABC1234")
    assert told.firmware == (Firmware(part="bmc", version="3.34.34.34"), Firmware(part="bios", version="2.3.10"))
    assert told.bmcs == (BmcLine(mac="4c:d9:8f:00:00:01", address="10.0.0.5", mask="255.255.255.0", gateway="10.0.0.1", source="static"),)
    assert told.ports == (NetPort(place="NIC.Integrated.1-3-1", mac="24:6e:96:00:00:03", kind="ethernet"),)


JOBS = """-------------------------JOB QUEUE------------------------
[Job ID=JID_123456789012]
Job Name=ConfigBIOS:BIOS.Setup.1-1
Status=Scheduled
Message=[JCP001: Task successfully scheduled.]
Percent Complete=[0]
----------------------------------------------------------
[Job ID=JID_2]
Job Name=Firmware Update: BIOS
Status=Completed with Errors
Percent Complete=[100]
"""


def test_racadm_jobs() -> None:
    first, second = racadm.jobs(JOBS)
    assert (first.id, first.state, first.percent, first.message) == (
        "JID_123456789012",
        "waiting",
        0,
        "JCP001: Task successfully scheduled.",
    )
    assert (second.state, second.percent) == ("failed", 100)
    assert racadm.jobs("-------JOB QUEUE------\n") == ()
    assert racadm.job_state("Reboot Failed") == "failed"
    assert racadm.job_state("Erfolgreich") == "unknown"


@pytest.mark.parametrize(
    ("said", "name", "value"),
    [
        ('{"Attributes": {"WorkloadProfile": "Custom"}}', "WorkloadProfile", "Custom"),
        ('{"WorkloadProfile": "Custom"}', "WorkloadProfile", "Custom"),
        (
            "iLOrest : RESTful Interface Tool version 4.1\nCopyright (c) 2014-2023\n------\nWorkloadProfile=Custom\n",
            "WorkloadProfile",
            "Custom",
        ),
        (
            '[{"Comments": {"Model": "DL380"}}, {"Bios.v1": {"/redfish/v1/systems/1/bios/settings/": {"Attributes": {"Cores": 0}}}}]',
            "Cores",
            0,
        ),
    ],
)
def test_ilorest(said: str, name: str, value: object) -> None:
    (setting,) = bios_tools.ilorest(said).settings
    assert (setting.name, setting.value) == (name, value)


SUM = """Supermicro Update Manager (for UEFI BIOS) 2.14.0 (2024/02/15)
....
<?xml version="1.0" encoding="ISO-8859-1" standalone="yes"?>
<BiosCfg>
  <Menu name="Main"><Subtitle>Supermicro X11SCM-F</Subtitle><Text>BIOS Version(1.9)</Text><Text>Build Date(09/16/2022)</Text></Menu>
  <Menu name="Advanced">
    <Menu name="CPU">
      <Setting name="Hyper-Threading" selectedOption="Enabled" type="Option"><Information><AvailableOptions>
        <Option value="0">Disabled</Option><Option value="1">Enabled</Option></AvailableOptions><DefaultOption>Enabled</DefaultOption></Information></Setting>
      <Setting name="Ratio" numericValue="7" type="Numeric"><Information><MaxValue>9</MaxValue><MinValue>1</MinValue><StepSize>2</StepSize></Information></Setting>
      <Setting name="Administrator Password" type="Password"><Information><MinSize>3</MinSize></Information><NewPassword>x</NewPassword></Setting>
    </Menu>
  </Menu>
</BiosCfg>
"""


def test_sum() -> None:
    told = bios_tools.sum_xml(SUM)
    assert told.settings == (
        BiosSetting(name="Advanced|CPU|Administrator Password", type="password", least=3, group="Advanced|CPU"),
        BiosSetting(
            name="Advanced|CPU|Hyper-Threading",
            value="Enabled",
            type="choice",
            allowed=("Disabled", "Enabled"),
            default="Enabled",
            group="Advanced|CPU",
        ),
        BiosSetting(name="Advanced|CPU|Ratio", value=7, type="number", least=1, most=9, step=2, group="Advanced|CPU"),
    )
    assert told.firmware == (Firmware(part="bios", version="1.9", date="2022-09-16"),)
    info = bios_tools.sum_info("Supermicro Update Manager 2.14\nManaged system......10.0.0.1\n    BIOS version.....1.9\n")
    assert info.firmware == (Firmware(part="bios", version="1.9"),)


def test_syscfg() -> None:
    shown = "Quiet Boot\n==========\nCurrent Value : Enabled\n-----\nPossible Values\n-----\nEnabled : 01\nDisabled : 00\n"
    saved = "[BIOS::Main]\nQuiet Boot=1           ;Options: Disabled=0: Enabled=1\n[LAN]\nX=1\n"
    wanted = BiosSetting(name="Quiet Boot", value="Enabled", type="choice", allowed=("Enabled", "Disabled"))
    assert bios_tools.syscfg(shown).settings == (wanted,)
    (setting,) = bios_tools.syscfg(saved).settings
    assert (setting.name, setting.value, setting.allowed, setting.group) == ("Quiet Boot", "Enabled", ("Disabled", "Enabled"), "BIOS::Main")


@pytest.mark.parametrize(
    ("reader", "said", "why"),
    [
        (bios_tools.racadm, "ERROR: RAC904: Unable to process the request.", "RAC904"),
        (racadm.inventory, "ERROR: SWC0242 : A required license is missing", "SWC0242"),
        (racadm.jobs, "hello", "no queue of jobs"),
        (bios_tools.ilorest, "iLOrest : RESTful Interface Tool\nERROR   : No servers connected", "No servers"),
        (bios_tools.sum_xml, "<BiosCfg><Menu", "ends before"),
        (bios_tools.sum_xml, '<!DOCTYPE x [<!ENTITY a "b">]><BiosCfg></BiosCfg>', "declares a document type"),
        (bios_tools.sum_info, "Supermicro Update Manager\nStatus: The BIOS configuration is updated", "tells of an order"),
        (bios_tools.syscfg, "Error: unsupported platform", "unsupported platform"),
        (bios_tools.conrep, "", "the text is empty"),
    ],
)
def test_refusals(reader: object, said: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        reader(said)  # type: ignore[operator]  # a reader
