"""Redfish: one resource -> `Parts`, by its type. Old and new schemas (DSP0266, DSP2046), and the OEM resources of common makers.

Why not sushy: its resources need a connection that answers, read one thing at a time, raise where a required member is missing or null,
and know neither the OEM parts nor most of the older types that machines in service have. What it does parse (systems, processors, drives,
volumes, ports) the tests compare with what is read here, for each recorded resource.

Rules
* The type is `@odata.type`, or the older `Type`; without one, what the path and the members say.
* A collection says what its members say, where they are written out; links alone say nothing.
* An answer that tells of an error or of an order is no resource, and is refused with the service's words.
* Types that say nothing of hardware are named in `SILENT`. Of a type in no list the names of its members decide: with one that parts have
  (`SerialNumber`, `CapacityBytes`, ...) it is refused, because an empty record would claim that it was read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from msgspec import structs

from ..parts import Parts
from . import redfish_bios as bios
from . import redfish_chassis as chassis
from . import redfish_firmware as firmware
from . import redfish_network as network
from . import redfish_storage as storage
from . import redfish_system as system
from .redfish_json import Body, kind_of, object_of, path_of, rows, text
from .report import MOST_ITEMS, Refused, told

READERS: dict[str, Callable[[Body], Parts]] = {
    "ComputerSystem": system.system,
    "Chassis": system.chassis,
    "Manager": system.manager,
    "Processor": system.processor,
    "Memory": system.memory,
    "HpMemory": system.memory,
    "SecureBoot": system.secure_boot,
    "TrustedComponent": system.trusted_component,
    "Assembly": system.assembly_board,
    "GraphicsController": system.graphics,
    "Bios": bios.bios,
    "HpBios": bios.bios,
    "AttributeRegistry": bios.registry,
    "HpBiosAttributeRegistrySchema": bios.registry,
    "Storage": storage.storage,
    "StorageController": storage.controller,
    "SimpleStorage": storage.simple_storage,
    "Drive": storage.drive,
    "Volume": storage.volume,
    "HpSmartStorageArrayController": storage.smart_controller,
    "HpeSmartStorageArrayController": storage.smart_controller,
    "HpSmartStorageHostBusAdapter": storage.smart_controller,
    "HpeSmartStorageHostBusAdapter": storage.smart_controller,
    "HpSmartStorageDiskDrive": storage.drive,
    "HpeSmartStorageDiskDrive": storage.drive,
    "HpSmartStorageLogicalDrive": storage.smart_volume,
    "HpeSmartStorageLogicalDrive": storage.smart_volume,
    "HpSmartStorageStorageEnclosure": storage.enclosure,
    "HpeSmartStorageStorageEnclosure": storage.enclosure,
    "DellController": storage.dell_controller,
    "DellPhysicalDisk": storage.dell_drive,
    "DellPCIeSSD": storage.dell_drive,
    "EthernetInterface": network.ethernet,
    "EthernetNetworkInterface": network.ethernet,
    "NetworkAdapter": network.adapter,
    "HpBaseNetworkAdapter": network.adapter,
    "HpeBaseNetworkAdapter": network.adapter,
    "NetworkPort": network.network_port,
    "Port": network.port,
    "NetworkDeviceFunction": network.device_function,
    "DellSwitchConnection": network.switch_connection,
    "PCIeDevice": chassis.pcie_device,
    "PCIeFunction": chassis.pcie_function,
    "HpServerPciDevice": chassis.pcie_device,
    "HpeServerPciDevice": chassis.pcie_device,
    "HpeServerDevice": chassis.pcie_device,
    "Power": chassis.power,
    "PowerMetrics": chassis.power,
    "PowerSupply": chassis.power_supply,
    "Thermal": chassis.thermal,
    "ThermalMetrics": lambda body: chassis.thermal(body) if "Fans" in body or "Temperatures" in body else chassis.metrics(body),
    "EnvironmentMetrics": chassis.metrics,
    "PowerSupplyMetrics": chassis.metrics,
    "Sensor": chassis.sensor,
    "Fan": chassis.fan,
    "LogEntry": chassis.log_entry,
    "SoftwareInventory": firmware.software,
    "FwSwVersionInventory": firmware.old_inventory,
    "ServiceRoot": system.root,
    "DellAttributes": network.dell_attributes,
    "MemoryCollection": system.memory_collection,
}
SILENT = frozenset(
    """
    AccelerationFunction AccountService ActionInfo AggregationService Aggregate AllowDeny BatteryMetrics BootOption Cable
    Certificate CertificateLocations CertificateService Circuit ComponentIntegrity CompositionService ConsistencyGroup
    ControlCollection Control EventDestination EventService ExternalAccountProvider Fabric FanMode FeaturesRegistry HostInterface
    HpeiLO HpeSmartStorage HpSmartStorage IKVM IPAccessControl IpmiSol Job JobService JsonSchemaFile KCSInterface Key KeyPolicy
    LldpService License LicenseService LogService ManagerAccount ManagerDiagnosticData ManagerNetworkProtocol MediaController
    MemoryChunks MemoryDomain MemoryMetrics MessageRegistry MessageRegistryFile MetricDefinition MetricReport
    MetricReportDefinition MouseMode NetworkInterface NTP OperatingConfig PCIeSlots PortMetrics PowerSubsystem PrivilegeRegistry
    ProcessorMetrics RADIUS RegisteredClient ResourceBlock Role Route SecureBootDatabase SecurityPolicy SerialInterface
    ServiceConditions Session SessionService Settings Signature SMCRAKP Snooping SNMP StoragePool Switch SysLockdown Syslog Task
    TaskService TelemetryData TelemetryService ThermalSubsystem Triggers UpdateService USBController VCATEntry VirtualMedia
    VLanNetworkInterface Zone Battery Heater LeakDetection LeakDetector Outlet Facility NetworkDeviceFunctionMetrics
    NetworkAdapterMetrics DriveMetrics StorageControllerMetrics VolumeMetrics FanMetrics
    """.split()
)
"""Standard types that name no part of a machine, or only link to those that do."""
_SILENT_OEM = re.compile(
    r"(Dell(iDRAC\w*|Job|JobService|LCService|RaidService|LicenseManagementService|\w+Service|Manager|Metric\w*|OSDeploymentService)"
    r"|Lenovo\w+|Hpe?(iLO\w*|Account\w*|Ethernet\w*|ComponentUpdate\w*|ComponentInstall\w*|Maintenance\w*|Invalid\w*|ESKM|FederationGroup\w*"
    r"|SecurityService|Snmp\w*|Remote\w*|SmartStorage|Https\w*|License\w*|WorkloadPerformance\w*|PowerMeter\w*)|Smc\w+|Supermicro\w+|OemManager\w*)"
)
"""Services of makers, in which no part of the machine is described."""


def read(said: str) -> Parts:
    """What one resource says of a machine's parts; empty: it says nothing of hardware.

    Raises Refused: no JSON object, an error instead of a resource, a type that nobody reads here.
    """
    return read_body(object_of(said))


def read_body(body: Body, depth: int = 0) -> Parts:
    """The same of an object, which is in so many collections. Raises Refused."""
    if depth > _MOST_DEPTH:
        raise Refused("its collections are nested too deeply")
    refuse_message(body)
    if "SystemConfiguration" in body:
        return bios.dell_profile(body)
    kind = type_of(body)
    if kind.endswith("Collection") or (kind not in READERS and "Members" in body and kind not in SILENT):
        own = READERS[kind](body) if kind in READERS else Parts()
        return joined([own, *(_member(one, kind, depth + 1) for one in _written_out(body))])
    reader = READERS.get(kind)
    if reader is not None:
        return bounded(reader(body))
    if kind in SILENT or _SILENT_OEM.fullmatch(kind):
        return Parts()
    if kind and not _tells_of_hardware(body):
        return Parts()
    if kind:
        raise Refused(f"no reader knows the resource type {told(kind, 60)!r}, which tells of hardware")
    raise Refused("it has no @odata.type, and its members name no known resource")


_OF_PARTS = re.compile(
    r"(?i)(serial_?number|part_?number|model|manufacturer|firmware_?version|version_?string|capacity\w*|mac_?address(es)?|reading\w*|wwn"
    r"|size_?in_?bytes|\w*celsius|\w*watts|speed_?mbps|total_?cores|vendor_?id|device_?id)"
)
_MOST_LOOKED_AT = 2000
_MOST_DEPTH = 3


def _tells_of_hardware(body: Body) -> bool:
    """Whether a member, however deep, has the name of a part's member and a value."""
    waiting: list[object] = [body]
    looked = 0
    while waiting:
        one = waiting.pop()
        looked += 1
        if looked > _MOST_LOOKED_AT:
            return True
        if isinstance(one, dict):
            if any(_OF_PARTS.fullmatch(name) and value not in (None, "", [], {}) for name, value in one.items()):
                return True
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one[:64]
    return False


def refuse_message(body: Body) -> None:
    """Raises Refused if the object is a message of the service and not a resource."""
    if "@odata.id" in body and "error" not in body:
        return
    error = body.get("error")
    if isinstance(error, dict):
        told_by = next(
            (text(one, "Message") for one in rows(error, "@Message.ExtendedInfo") if text(one, "Message")), text(error, "message", "code")
        )
        raise Refused(f"the service answered with an error: {told_by or 'without a message'}")
    if isinstance(error, str):
        raise Refused(f"the service answered with an error: {told(error)}")
    if "@Message.ExtendedInfo" in body or "Accepted" in body:
        raise Refused("it is the answer to an order, and not a resource")


def _member(body: Body, collection: str, depth: int) -> Parts:
    """A member that is written out; one that cannot be read is left out with a note."""
    known = kind_of(body) or collection.removesuffix("Collection").replace("Procssor", "Processor")
    try:
        return read_body(body if kind_of(body) else {**body, "@odata.type": f"#{known}.x"}, depth)
    except Refused as refusal:
        return Parts(odd=(f"a member of the collection: {refusal}",))


def _written_out(body: Body) -> list[Body]:
    found = rows(body, "Members") or rows(body, "Items")
    return [one for one in found if any(not name.startswith("@") and name not in ("href", "MemberId") for name in one)]


_SHAPES: tuple[tuple[str, str, str], ...] = (
    (r"/systems/[^/]+$", "PowerState", "ComputerSystem"),
    (r"/chassis/[^/]+$", "ChassisType", "Chassis"),
    (r"/managers/[^/]+$", "FirmwareVersion", "Manager"),
    (r"/memory/[^/]+$", "CapacityMiB", "Memory"),
    (r"/processors/[^/]+$", "ProcessorType", "Processor"),
    (r"/drives/[^/]+$", "CapacityBytes", "Drive"),
    (r"/volumes/[^/]+$", "CapacityBytes", "Volume"),
    (r"/ethernetinterfaces/[^/]+$", "MACAddress", "EthernetInterface"),
    (r"/thermal$", "Temperatures", "Thermal"),
    (r"/power$", "PowerSupplies", "Power"),
    (r"/bios(/settings|/sd)?$", "Attributes", "Bios"),
    (r"/firmwareinventory/[^/]+$", "Version", "SoftwareInventory"),
    (r"/redfish/v1$", "RedfishVersion", "ServiceRoot"),
)


def type_of(body: Body) -> str:
    """The type that it names, or else what path and members say; empty: neither."""
    return kind_of(body) or _guessed(body)


def _guessed(body: Body) -> str:
    """The type of a resource that has none, where path and members agree."""
    path = path_of(body).lower()
    for pattern, name, kind in _SHAPES:
        if re.search(pattern, path) and name in body:
            return kind
    if "RegistryEntries" in body:
        return "AttributeRegistry"
    if "RedfishVersion" in body:
        return "ServiceRoot"
    return "Bios" if bios.is_settings(body) else ""


_MARKS = re.compile(r'"@odata\.(type|id)"|"SystemConfiguration"|"RegistryEntries"|"RedfishVersion"|"@Message\.ExtendedInfo"')


def looks(said: str) -> bool:
    """Whether a text may be one Redfish resource; a map of paths and resources is not."""
    begins = re.match(r'\ufeff?\s*[\[{]\s*(?!\s|"/redfish)', said)
    return begins is not None and _MARKS.search(said) is not None


# -- records of several --


def joined(found: Iterable[Parts]) -> Parts:
    """Lists one after another; of single values the first that is told."""
    out: dict[str, object] = {}
    for one in found:
        for name in one.__struct_fields__:
            value = getattr(one, name)
            have = out.get(name)
            if isinstance(value, tuple):
                out[name] = (*have, *value) if isinstance(have, tuple) else value
            elif not have and have is not False:
                out[name] = value
    return bounded(Parts(**out))  # type: ignore[arg-type]  # the names and types are its own


def bounded(found: Parts) -> Parts:
    long = {name: value[:MOST_ITEMS] for name in found.__struct_fields__ if isinstance(value := getattr(found, name), tuple)}
    return structs.replace(found, **(long | {"odd": found.odd[:50]}))
