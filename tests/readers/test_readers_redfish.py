"""Redfish resources, invented after the schemas and makers' habits: what each says, and what a whole tree is as one machine."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.parts import BiosCondition, BiosDependency, BiosSetting, BmcLine, Dimm, Drive, Firmware, Heard, NetPort, Parts, Product
from engine.readers import redfish, redfish_tree
from engine.readers.report import Refused

SYSTEM, CHASSIS, BMC = "/redfish/v1/Systems/1", "/redfish/v1/Chassis/1", "/redfish/v1/Managers/1"
OK = {"State": "Enabled", "Health": "OK"}


def read(kind: str, path: str = "", **members: Any) -> Parts:
    return redfish.read(json.dumps({"@odata.type": f"#{kind}.v1_9_0.{kind}", "@odata.id": path, **members}))


def test_a_dimm_and_an_empty_slot() -> None:
    told = read(
        "Memory", DeviceLocator="A1", CapacityMiB=32768, MemoryDeviceType="DDR5", OperatingSpeedMhz=4400, AllowedSpeedsMHz=[4000, 4800],
        Manufacturer="Hynix", PartNumber="HMCG ", SerialNumber="55", RankCount=2, ErrorCorrection="MultiBitECC", Status=OK,
    )  # fmt: skip
    assert told.dimms == (
        Dimm(place="A1", vendor="Hynix", number="HMCG", serial="55", size=32 << 30, type="DDR5", speed=4400, rated=4800, ranks=2, ecc=True, health="ok"),
    )  # fmt: skip
    assert read("Memory", Name="DIMM 2", Status={"State": "Absent", "Health": "OK"}).dimms == (Dimm(place="DIMM 2", present=False),)


@pytest.mark.parametrize(("told", "size"), [(15625, 16 << 30), (31250, 32 << 30), (16384, 16 << 30), (24576, 24 << 30), (1000, 1000 << 20)])
def test_a_size_in_decimal_megabytes(told: int, size: int) -> None:
    """15,625 MiB are 16,384 million octets: a DIMM of 16 GiB, counted wrongly."""
    assert read("Memory", DeviceLocator="A1", CapacityMiB=told, Status=OK).dimms[0].size == size


def test_ilo_4() -> None:
    told = redfish.read(
        json.dumps(
            {
                "Type": "ComputerSystem.1.0.1",
                "Manufacturer": "HP",
                "Model": "ProLiant DL360 Gen9",
                "SerialNumber": "CZJ1",
                "Bios": {"Current": {"VersionString": "P89 v2.40 (02/17/2017)", "Date": "02/17/2017"}},
                "Memory": {"TotalSystemMemoryGB": 64},
                "Processors": {"Count": 2, "ProcessorFamily": "Intel(R) Xeon(R) CPU E5-2650 v3 @ 2.30GHz"},
                "Power": "Off",
                "links": {"self": {"href": "/rest/v1/Systems/1"}},
            }
        )
    )
    assert told.system == Product(vendor="HP", model="ProLiant DL360 Gen9", serial="CZJ1")
    assert told.firmware == (Firmware(part="bios", version="P89 v2.40 (02/17/2017)", date="2017-02-17"),)
    assert (told.memory, len(told.processors), told.power) == (64 << 30, 2, "off")
    assert read("HpMemory", DIMMStatus="GoodInUse", SizeMB=16384, SocketLocator="PROC 1 DIMM 3", Rank=2).dimms[0].size == 16 << 30


def test_a_dell_has_its_tag_as_serial_number() -> None:
    told = read("ComputerSystem", SYSTEM, Manufacturer="Dell Inc.", Model="PowerEdge R650", SKU="ABC1234", SerialNumber="CNFCP00123")
    assert told.system is not None
    assert told.board is not None
    assert (told.system.serial, told.board.serial) == ("ABC1234", "CNFCP00123")


def test_a_drive() -> None:
    told = read(
        "Drive", f"{SYSTEM}/Storage/1/Drives/0", Id="0", Model="M", SerialNumber="S", Manufacturer="V", Revision="1.2", MediaType="SSD", Protocol="SAS",
        CapacityBytes=960197124096, NegotiatedSpeedGbs=12, PredictedMediaLifeLeftPercent=93, FailurePredicted=True, Status=OK,
        Identifiers=[{"DurableNameFormat": "NAA", "DurableName": "0x5000CCA04D6F1234"}], EncryptionAbility="None",
        PhysicalLocation={"PartLocation": {"ServiceLabel": "Bay 3"}},
    )  # fmt: skip
    assert told.drives == (
        Drive(place="Bay 3", vendor="V", model="M", serial="S", wwn="5000cca04d6f1234", size=960197124096, medium="ssd", protocol="sas",
              firmware="1.2", wear=7, link=12000, encrypts=False, health="warning", note="a failure is predicted"),
    )  # fmt: skip
    lane = read("Drive", Protocol="PCIe", Model="Dell NVMe", NegotiatedSpeedGbs=15.75, CapacityBytes=1, Status=OK).drives[0]
    assert (lane.protocol, lane.link) == ("nvme", 0)
    assert read("Drive", Protocol="PCIe", Model="X", CapacityBytes=1).drives[0].protocol == ""
    assert read("Drive", Status={"State": "Absent"}) == Parts()


def test_volumes() -> None:
    members = {"Drives": [{"@odata.id": "/a/Drives/0"}, {"@odata.id": "/a/Drives/1"}]}
    told = read("Volume", f"{SYSTEM}/Storage/R/Volumes/7", Id="7", RAIDType="RAID10", CapacityBytes=5, Links=members, Status={"Health": "Warning"},
                Operations=[{"OperationName": "Rebuilding", "PercentageComplete": 40}])  # fmt: skip
    (volume,) = told.volumes
    assert (volume.level, volume.state, volume.progress, volume.members, volume.controller) == ("raid10", "rebuilding", 40, ("0", "1"), "R")
    assert read("Volume", VolumeType="Mirrored", CapacityBytes=5, Status=OK).volumes[0].level == "raid1"
    assert read("Volume", VolumeType="RawDevice", CapacityBytes=5) == Parts()


def test_ports_and_neighbours() -> None:
    path = f"{CHASSIS}/NetworkAdapters/NIC1/Ports/2"
    lldp = {
        "ChassisId": "C4:7E:E0:E4:55:3F",
        "ChassisIdSubtype": "MacAddr",
        "PortId": "Eth1/7",
        "PortIdSubtype": "IfName",
        "ManagementVlanId": 4095,
    }
    told = read("Port", path, Id="2", LinkNetworkTechnology="Ethernet", LinkStatus="LinkUp", CurrentSpeedGbps=25, MaxSpeedGbps=25, Status=OK,
                Ethernet={"AssociatedMACAddresses": ["B8-3F-D2-00-00-01"], "LLDPReceive": lldp})  # fmt: skip
    assert told.ports == (
        NetPort(place="NIC1:2", mac="b8:3f:d2:00:00:01", kind="ethernet", speed=25000, fastest=25000, link=True, health="ok"),
    )
    assert told.heard == (Heard(nic="NIC1:2", chassis="c4:7e:e0:e4:55:3f", port="Eth1/7", port_kind="IfName"),)
    assert read("Port", f"{SYSTEM}/Storage/1/Controllers/0/Ports/0", PortProtocol="SAS", CurrentSpeedGbps=12) == Parts()
    dell = read(
        "DellSwitchConnection",
        FQDD="NIC.Slot.1-1",
        SwitchConnectionID="b0:4f:13:31:dc:40",
        SwitchPortConnectionID="swp20",
        StaleData="NotStale",
    )
    assert dell.heard == (Heard(nic="NIC.Slot.1-1", chassis="b0:4f:13:31:dc:40", port="swp20"),)
    assert read("DellSwitchConnection", FQDD="NIC.Slot.1-1", SwitchConnectionID="No Link", SwitchPortConnectionID="No Link") == Parts()


def test_a_line_of_a_bmc() -> None:
    told = read("EthernetInterface", f"{BMC}/EthernetInterfaces/1", Id="1", MACAddress="94:40:C9:37:D3:FC", VLAN={"VLANEnable": True, "VLANId": 12},
                IPv4Addresses=[{"Address": "0.0.0.0"}, {"Address": "10.0.0.5", "AddressOrigin": "DHCP", "SubnetMask": "255.255.0.0", "Gateway": "0.0.0.0"}],
                IPv6Addresses=[{"Address": "::"}, {"Address": "FE80::1"}])  # fmt: skip
    assert told.bmcs == (
        BmcLine(place="1", mac="94:40:c9:37:d3:fc", address="10.0.0.5", mask="255.255.0.0", source="dhcp", vlan=12, address6=("fe80::1",)),
    )


@pytest.mark.parametrize(
    ("member", "found"),
    [
        ({"Id": "Previous-159-1.2.4__BIOS.Setup.1-1", "Name": "BIOS", "Version": "1.2.4"}, []),
        ({"Id": "Installed-159-1.8__BIOS.Setup.1-1", "Name": "BIOS", "Version": "1.8"}, [("bios", "1.8", "")]),
        ({"Id": "Installed-0-9__NIC.Slot.5-1", "Name": "Mellanox", "Version": "24.4", "ReleaseDate": "00:00:00Z"}, [("nic", "24.4", "NIC.Slot.5-1")]),
        (
            {"Id": "Installed-0-2.1__Disk.Bay.0:Enclosure.Internal.0-1", "Name": "PCIe SSD in Slot 0", "Version": "2.1"},
            [("drive", "2.1", "Disk.Bay.0:Enclosure.Internal.0-1")],
        ),
        ({"Id": "2", "Name": "System ROM", "Version": "U30 v2.1", "Oem": {"Hpe": {"DeviceContext": "System Board"}}}, [("bios", "U30 v2.1", "")]),
        ({"Id": "8", "Name": "Redundant System ROM", "Version": "U30", "Oem": {"Hpe": {"DeviceContext": "System Board"}}}, [("redundant bios", "U30", "")]),
        ({"Id": "BMC-Backup", "Name": "Firmware:BMC", "Version": "1", "Status": {"State": "StandbySpare"}}, [("backup bmc", "1", "BMC-Backup")]),
        ({"Id": "Backup_BIOS", "Name": "BIOS Backup", "Version": "Not Present"}, []),
        ({"Id": "BIOS", "Name": "BIOS", "Version": "BIOS Date: 08/04/2023 Ver 1.4"}, [("bios", "1.4", "")]),
        ({"Id": "HGX_FW_GPU_SXM_1", "Name": "Software Inventory", "Version": "96.0"}, [("gpu", "96.0", "HGX_FW_GPU_SXM_1")]),
    ],
)  # fmt: skip
def test_the_firmware_inventory(member: dict[str, Any], found: list[tuple[str, str, str]]) -> None:
    assert [(one.part, one.version, one.place) for one in read("SoftwareInventory", **member).firmware] == found


def test_supplies_readings_and_log() -> None:
    told = read("Power", PowerSupplies=[
        {"Name": "PS1 Status", "MemberId": "PSU.Slot.1", "PowerCapacityWatts": 800, "PowerOutputWatts": 120, "SerialNumber": "P1", "Status": OK},
        {"Name": "PS2", "MemberId": "PSU.Slot.2", "Status": {"State": "Absent"}},
    ], PowerControl=[{"MemberId": "0", "PowerConsumedWatts": 240}])  # fmt: skip
    assert [(one.place, one.present, one.watts, one.output) for one in told.supplies] == [
        ("PSU.Slot.1", True, 800, 120.0),
        ("PSU.Slot.2", False, 0, None),
    ]
    assert [(one.name, one.value, one.unit) for one in told.readings] == [("power 0", 240.0, "W")]
    heat = read("Thermal", Temperatures=[{"Name": "Inlet", "ReadingCelsius": 23, "Status": OK}, {"Name": "GPU", "ReadingCelsius": 0, "Status": {"State": "Absent"}},
                                         {"Name": "Exhaust", "ReadingCelsius": 255, "Status": OK}])  # fmt: skip
    assert [(one.name, one.value) for one in heat.readings] == [("Inlet", 23.0)]
    log = read(
        "LogEntryCollection",
        Members=[{"@odata.id": "/a/1", "Id": "1", "Created": "2024-01-02T03:04:05Z", "Message": "Fan failed", "Severity": "Critical"}],
    )
    assert [(one.id, one.at, one.text, one.health) for one in log.log] == [("1", "2024-01-02T03:04:05Z", "Fan failed", "failed")]


def test_settings_keep_their_values_and_no_password() -> None:
    told = read(
        "Bios",
        f"{SYSTEM}/Bios",
        Attributes={"Parity": "None", "Cores": 4, "Quiet": True, "AdminPassword": "geheim", "BootMode": "Uefi", "Long": "x" * 2000},
    )
    assert told.settings == (
        BiosSetting(name="Parity", value="None"),
        BiosSetting(name="Cores", value=4),
        BiosSetting(name="Quiet", value=True),
        BiosSetting(name="AdminPassword", type="password"),
        BiosSetting(name="BootMode", value="Uefi"),
    )
    assert told.boot_mode == "efi"
    assert told.odd == ("the setting Long has a value that cannot be kept",)
    assert read("Bios", f"{SYSTEM}/Bios/Settings", Attributes={"Cores": 8}).settings == (BiosSetting(name="Cores", pending=8),)


REGISTRY = {
    "Attributes": [
        {"AttributeName": "ProcVirtualization", "Type": "Enumeration", "ResetRequired": True, "Value": [{"ValueName": "Enabled"}, {"ValueName": "Disabled"}]},
        {"AttributeName": "Cores", "Type": "Integer", "LowerBound": 0, "UpperBound": 28, "ScalarIncrement": 2, "DefaultValue": 0},
        {"AttributeName": "Model", "Type": "String", "ReadOnly": True, "MaxLength": 40},
        {"AttributeName": "SetupPassword", "Type": "Password", "DefaultValue": "x"},
    ],
    "Dependencies": [{"Type": "Map", "DependencyFor": "Cores", "Dependency": {
        "MapFrom": [{"MapFromAttribute": "ProcVirtualization", "MapFromProperty": "CurrentValue", "MapFromCondition": "EQU", "MapFromValue": "Disabled"}],
        "MapToAttribute": "Cores", "MapToProperty": "ReadOnly", "MapToValue": "true"}}],
}  # fmt: skip


def test_a_registry() -> None:
    told = read("AttributeRegistry", RegistryEntries=REGISTRY)
    assert told.settings == (
        BiosSetting(name="ProcVirtualization", type="choice", allowed=("Enabled", "Disabled"), reset=True),
        BiosSetting(name="Cores", type="number", least=0, most=28, step=2, default=0),
        BiosSetting(name="Model", type="text", most=40, readonly=True),
        BiosSetting(name="SetupPassword", type="password"),
    )
    assert told.dependencies == (
        BiosDependency(
            setting="Cores", property="ReadOnly", value=True, when=(BiosCondition(setting="ProcVirtualization", value="Disabled"),)
        ),
    )


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "the text is empty"),
        ("<html>", "it is not JSON"),
        ('{"a": 1', "it is not valid JSON"),
        ("[1, 2]", "its JSON is not one object"),
        ("[" * 100_000, "its JSON is nested too deeply"),
        (
            '{"@odata.type": "#Weather.v1_0_0.Weather", "@odata.id": "/x", "Oem": {"A": {"Model": "B"}}}',
            "no reader knows the resource type 'Weather'",
        ),
        ('{"error": {"message": "see", "@Message.ExtendedInfo": [{"Message": "A licence is missing."}]}}', "error: A licence is missing."),
        ('{"@Message.ExtendedInfo": []}', "the answer to an order"),
        ('{"Hello": 1}', "it has no @odata.type"),
    ],
)
def test_refusals(said: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        redfish.read(said)


def tree() -> dict[str, Any]:
    """A machine with two systems (the other is its accelerator board), a RAID set, and a port that three resources tell of."""
    drives = f"{SYSTEM}/Storage/RAID.1/Drives"
    adapter = f"{CHASSIS}/NetworkAdapters/NIC.Slot.1"
    found: dict[str, tuple[str, dict[str, Any]]] = {
        SYSTEM: ("ComputerSystem", {"SerialNumber": "S1", "UUID": "4C4C4544-0035-3410-8050-C6C04F314733", "BiosVersion": "1.8.2", "PowerState": "On",
                                    "ProcessorSummary": {"Count": 2, "Model": "EPYC 7302"}, "Actions": {"#ComputerSystem.Reset": {}},
                                    "MemorySummary": {"TotalSystemMemoryGiB": 30}, "Links": {"Chassis": [{"@odata.id": CHASSIS}]}}),
        "/redfish/v1/Systems/HGX": ("ComputerSystem", {"SerialNumber": "H", "SystemType": "DPU"}),
        "/redfish/v1/Systems/HGX/Processors/GPU_1": ("Processor", {"ProcessorType": "GPU", "Model": "H100", "Id": "GPU_1"}),
        f"{SYSTEM}/Processors/1": ("Processor", {"Socket": "CPU 1", "Model": "EPYC 7302", "TotalCores": 16, "TotalThreads": 32}),
        f"{SYSTEM}/Memory/1": ("Memory", {"DeviceLocator": "A1", "CapacityMiB": 16384, "Status": OK}),
        f"{SYSTEM}/Memory/2": ("Memory", {"DeviceLocator": "A2", "CapacityMiB": 16384, "Status": OK}),
        CHASSIS: ("Chassis", {"ChassisType": "RackMount", "SerialNumber": "S1", "Model": "R1"}),
        "/redfish/v1/Chassis/0": ("Chassis", {"ChassisType": "Enclosure", "Model": "Backplane"}),
        f"{SYSTEM}/Storage/RAID.1": ("Storage", {"Id": "RAID.1", "Drives": [{"@odata.id": f"{drives}/{n}"} for n in (0, 1)],
                                                 "StorageControllers": [{"MemberId": "0", "Model": "PERC", "FirmwareVersion": "25.5"}]}),
        f"{drives}/0": ("Drive", {"Id": "0", "SerialNumber": "D0", "Model": "M", "CapacityBytes": 100}),
        f"{drives}/1": ("Drive", {"Id": "1", "SerialNumber": "D1", "Model": "M", "CapacityBytes": 100}),
        f"{SYSTEM}/Storage/RAID.1/Volumes/V": ("Volume", {"Id": "V", "RAIDType": "RAID1", "CapacityBytes": 100, "Status": OK,
                                                          "Links": {"Drives": [{"@odata.id": f"{drives}/{n}"} for n in (0, 1)]}}),
        f"{SYSTEM}/SimpleStorage/1": ("SimpleStorage", {"Id": "1", "Devices": [{"Name": "x", "Model": "M", "CapacityBytes": 100}]}),
        adapter: ("NetworkAdapter", {"Id": "NIC.Slot.1", "Model": "CX6", "Manufacturer": "Mellanox", "Controllers": [{"FirmwarePackageVersion": "20.31"}]}),
        f"{adapter}/NetworkPorts/NIC.Slot.1-1": ("NetworkPort", {"Id": "NIC.Slot.1-1", "LinkStatus": "Up", "CurrentLinkSpeedMbps": 25000}),
        f"{adapter}/NetworkDeviceFunctions/NIC.Slot.1-1-1": ("NetworkDeviceFunction", {
            "Id": "NIC.Slot.1-1-1", "MaxVirtualFunctions": 64, "Ethernet": {"PermanentMACAddress": "B8:3F:D2:00:00:01"},
            "Links": {"PhysicalPortAssignment": {"@odata.id": f"{adapter}/NetworkPorts/NIC.Slot.1-1"}}}),
        f"{SYSTEM}/EthernetInterfaces/NIC.Slot.1-1-1": ("EthernetInterface", {"Id": "NIC.Slot.1-1-1", "MACAddress": "B8:3F:D2:00:00:01"}),
        BMC: ("Manager", {"ManagerType": "BMC", "FirmwareVersion": "6.10"}),
        "/redfish/v1/UpdateService/FirmwareInventory/Installed-1-1.8.2__BIOS.Setup.1-1": ("SoftwareInventory", {
            "Id": "Installed-1-1.8.2__BIOS.Setup.1-1", "Name": "BIOS", "Version": "1.8.2", "Updateable": True}),
        f"{SYSTEM}/Bios": ("Bios", {"Attributes": {"ProcVirtualization": "Disabled", "Cores": 0}}),
        f"{SYSTEM}/Bios/Settings": ("Bios", {"Attributes": {"ProcVirtualization": "Enabled", "Cores": 0}}),
        "/redfish/v1/Registries/R": ("AttributeRegistry", {"RegistryEntries": REGISTRY}),
        f"{SYSTEM}/Odd": ("Weather", {"Model": "B"}),
    }  # fmt: skip
    return {path: {"@odata.id": path, "@odata.type": f"#{kind}.v1_0_0.{kind}", **body} for path, (kind, body) in found.items()}


def test_a_tree_is_one_machine() -> None:
    told = redfish_tree.read(json.dumps(tree()))
    assert told.system is not None
    assert told.chassis is not None
    assert (told.system.serial, told.chassis.kind, told.memory, told.power) == ("S1", "RackMount", 32 << 30, "on")
    assert [(one.place, one.cores) for one in told.processors] == [("CPU 1", 16)]
    assert [(one.place, one.model, one.firmware) for one in told.controllers] == [("RAID.1", "PERC", "25.5")]
    assert [(one.place, one.controller, one.volume) for one in told.drives] == [("0", "RAID.1", "V"), ("1", "RAID.1", "V")]
    assert [(one.level, one.members, one.controller) for one in told.volumes] == [("raid1", ("0", "1"), "RAID.1")]
    assert [(one.place, one.mac, one.speed, one.functions, one.firmware, one.vendor) for one in told.ports] == [
        ("NIC.Slot.1-1", "b8:3f:d2:00:00:01", 25000, 64, "20.31", "Mellanox")
    ]
    assert sorted((one.place, one.kind) for one in told.cards) == [("GPU_1", "GPU"), ("NIC.Slot.1", "network adapter")]
    assert [(one.part, one.version) for one in told.firmware] == [
        ("bios", "1.8.2"),
        ("bmc", "6.10"),
        ("controller", "25.5"),
        ("nic", "20.31"),
    ]
    assert [(one.name, one.value, one.pending, one.type) for one in told.settings] == [
        ("ProcVirtualization", "Disabled", "Enabled", "choice"),
        ("Cores", 0, None, "number"),
        ("Model", None, None, "text"),
        ("SetupPassword", None, None, "password"),
    ]
    assert told.odd == (f"{SYSTEM}/Odd: no reader knows the resource type 'Weather', which tells of hardware",)


def test_a_card_and_its_function() -> None:
    device = f"{CHASSIS}/PCIeDevices/slot_3"
    found = {
        device: {
            "@odata.type": "#PCIeDevice.x",
            "Id": "slot_3",
            "Model": "A100",
            "Slot": {"Location": {"PartLocation": {"ServiceLabel": "Slot 3"}}},
        },
        f"{device}/PCIeFunctions/0": {
            "@odata.type": "#PCIeFunction.x",
            "VendorId": "0x10DE",
            "DeviceId": "0x20F1",
            "DeviceClass": "DisplayController",
        },
    }
    (card,) = redfish_tree.read_tree(found).cards
    assert (card.place, card.model, card.id, card.kind) == ("Slot 3", "A100", "10de:20f1", "display controller")


def test_the_wanted_system_among_several() -> None:
    other = redfish_tree.read_tree(tree(), serial="h")
    assert other.system is not None
    assert other.system.serial == "H"
    with pytest.raises(Refused, match="none of its resources"):
        redfish_tree.read_tree({"/redfish/v1/x": 5})
