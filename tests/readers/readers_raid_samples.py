"""Invented reports of RAID tools, in the shapes that the tools have. Keys: the format, and what is special."""

from __future__ import annotations

STORCLI_JSON = """{
"Controllers":[
{
\t"Command Status" : {"CLI Version" : "007.2408.0000.0000 Nov 15, 2022", "Operating system" : "Linux 6.1.0", "Controller" : 1,
\t\t"Status" : "Success", "Description" : "None"},
\t"Response Data" : {
\t\t"Basics" : {"Controller" : 1, "Model" : "PERC H755 Front", "Serial Number" : "1AB0001", "PCI Address" : "00:65:00:00"},
\t\t"Version" : {"Firmware Package Build" : "52.16.1-4405", "Firmware Version" : "5.160.03", "Driver Name" : "megaraid_sas"},
\t\t"Status" : {"Controller Status" : "Needs Attention", "Current Personality" : "RAID-Mode "},
\t\t"HwCfg" : {"On Board Memory Size" : "8192MB"},
\t\t"Drive Groups" : 1,
\t\t"TOPOLOGY" : [
\t\t\t{"DG" : 0, "Arr" : "-", "Row" : "-", "EID:Slot" : "-", "DID" : "-", "Type" : "RAID1", "State" : "Dgrd", "Size" : "893.750 GB"},
\t\t\t{"DG" : 0, "Arr" : 0, "Row" : 0, "EID:Slot" : "252:0", "DID" : 0, "Type" : "DRIVE", "State" : "Onln", "Size" : "893.750 GB"},
\t\t\t{"DG" : 0, "Arr" : 0, "Row" : 1, "EID:Slot" : "252:1", "DID" : 1, "Type" : "DRIVE", "State" : "Rbld", "Size" : "893.750 GB"},
\t\t\t{"DG" : 0, "Arr" : "-", "Row" : "-", "EID:Slot" : "252:2", "DID" : 2, "Type" : "DRIVE", "State" : "DHS", "Size" : "893.750 GB"}],
\t\t"Virtual Drives" : 1,
\t\t"VD LIST" : [{"DG/VD" : "0/239", "TYPE" : "RAID1", "State" : "Dgrd", "Access" : "RW", "Size" : "893.750 GB", "Name" : "os"}],
\t\t"Physical Drives" : 5,
\t\t"PD LIST" : [
\t\t\t{"EID:Slt" : "252:0", "DID" : 0, "State" : "Onln", "DG" : 0, "Size" : "893.750 GB", "Intf" : "SATA", "Med" : "SSD", "SeSz" : "512B", "Model" : "SSD A "},
\t\t\t{"EID:Slt" : "252:1", "DID" : 1, "State" : "Rbld", "DG" : 0, "Size" : "893.750 GB", "Intf" : "SATA", "Med" : "SSD", "SeSz" : "512B", "Model" : "SSD A "},
\t\t\t{"EID:Slt" : "252:2", "DID" : 2, "State" : "DHS", "DG" : 0, "Size" : "893.750 GB", "Intf" : "SATA", "Med" : "SSD", "SeSz" : "512B", "Model" : "SSD A "},
\t\t\t{"EID:Slt" : "252:3", "DID" : 3, "State" : "UGood", "DG" : "F", "Size" : "3.637 TB", "Intf" : "SAS", "Med" : "HDD", "SeSz" : "4 KB", "Model" : "HDD B "},
\t\t\t{"EID:Slt" : " :4", "DID" : 4, "State" : "UBad", "DG" : "-", "Size" : "3.637 TB", "Intf" : "NVMe", "Med" : "SSD", "SeSz" : "512B", "Model" : "NVME C"}],
\t\t"Cachevault_Info" : [{"Model" : "CVPM05", "State" : "Optimal", "Temp" : "28C"}]
\t}
}
]
}
"""

STORCLI_TEXT = """CLI Version = 007.1804.0000.0000 May 08, 2021
Operating system = Linux 5.10.0
Controller = 0
Status = Success
Description = None

Product Name = AVAGO MegaRAID SAS 9361-8i
Serial Number = SV00000001
SAS Address =  500605b00aaaaaaa
PCI Address = 00:03:00:00
FW Package Build = 24.21.0-0148
Driver Name = megaraid_sas
Physical Drives = 3

PD LIST :
=======

----------------------------------------------------------------------------------
EID:Slt DID State DG       Size Intf Med SED PI SeSz Model                Sp Type
----------------------------------------------------------------------------------
8:0      10 Onln   0 931.512 GB SATA HDD N   N  512B WDC WD1003FBYZ-0     U  -
8:1      11 Onln   0 931.512 GB SATA HDD N   N  512B WDC WD1003FBYZ-0     U  -
8:2      12 GHS    - 931.512 GB SATA HDD N   N  512B ST1000NX0313         U  -
----------------------------------------------------------------------------------

EID=Enclosure Device ID|Slt=Slot No.|DID=Device ID|DG=DriveGroup

VD LIST :
=======

---------------------------------------------------------------
DG/VD TYPE  State Access Consist Cache Cac sCC       Size Name
---------------------------------------------------------------
0/0   RAID1 Optl  RW     Yes     RWBD  -   ON  931.512 GB
---------------------------------------------------------------
"""

MEGACLI = """
Adapter #0

Number of Virtual Disks: 1
Virtual Drive: 0 (Target Id: 0)
Name                :data
RAID Level          : Primary-1, Secondary-0, RAID Level Qualifier-0
Size                : 931.0 GB
State               : Degraded
Strip Size          : 64 KB
Number Of Drives    : 2
Span Depth          : 2
Number of Spans: 2
Span: 0 - Number of PDs: 1

PD: 0 Information
Enclosure Device ID: 32
Slot Number: 0
WWN: 5000C5005F23ECE8
Predictive Failure Count: 0
PD Type: SAS

Raw Size: 931.512 GB [0x74706db0 Sectors]
Sector Size:  512
Firmware state: Online, Spun Up
Inquiry Data: SEAGATE ST1000NM0023    0004Z1W00000
Media Type: Hard Disk Device
Drive Temperature :31C (87.80 F)
Drive has flagged a S.M.A.R.T alert : No

Enclosure Device ID: N/A
Slot Number: 1
Media Error Count: 12
Predictive Failure Count: 3
PD Type: SATA
Raw Size: 0 KB [0x0 Sectors]
Firmware state: Unconfigured(bad)
Inquiry Data:
Drive has flagged a S.M.A.R.T alert : Yes

Exit Code: 0x00
"""

SSACLI = """
Smart Array P840ar in Slot 0 (Embedded)  (sn: PDNLH0BRH0000)
   Slot: 0
   Controller Status: OK
   Firmware Version: 6.60
   Cache Status: OK
   Battery/Capacitor Status: OK
   PCI Address (Domain:Bus:Device.Function): 0000:03:00.0
   Controller Mode: RAID

   Internal Drive Cage at Port 1I, Box 1, OK

      Power Supply Status: Not Redundant
      Serial Number: CAGE1
      Port: 1I

   Array: A
      Interface Type: SAS
      Unused Space: 0  MB (0.0%)

      Logical Drive: 1
         Size: 279.4 GB
         Fault Tolerance: 1
         Strip Size: 256 KB
         Status: Recovering, 12% complete
         Unique Identifier: 600508B1001C00000000000000000001
         Disk Name: /dev/sda
         Mirror Group 1:
            physicaldrive 1I:1:1 (port 1I:box 1:bay 1, SAS HDD, 300 GB, OK)
         Mirror Group 2:
            physicaldrive 1I:1:2 (port 1I:box 1:bay 2, SAS HDD, 300 GB, Rebuilding)

      physicaldrive 1I:1:1
         Status: OK
         Drive Type: Data Drive
         Interface Type: SAS
         Size: 300 GB
         Rotational Speed: 15000
         Firmware Revision: HPD4
         Serial Number: S0K00000
         WWID: 5000C50000000001
         Model: HP      EH000300JWCPL
         Current Temperature (C): 30

      physicaldrive 1I:1:2
         Status: Rebuilding
         Drive Type: Data Drive
         Interface Type: SAS
         Size: 300 GB

      physicaldrive 1I:1:3
         Status: OK
         Drive Type: Spare Drive
         Interface Type: SAS
         Size: 300 GB

   Unassigned

      physicaldrive 2I:1:5
         Status: Predictive Failure
         Drive Type: Unassigned Drive
         Interface Type: Solid State SATA
         Size: 1.6 TB
         Firmware Revision: HPG0
         SSD Smart Trip Wearout: False
         Usage remaining: 40.50%
"""

CCISS = """Controller: Smart Array P410
  Board ID: 0x3243103c
  Logical drives: 1
  Running firmware: 6.64
/dev/sda: (Smart Array P410) RAID 5 Volume 0 status: Using interim recovery mode.
  Failed drives:
         connector 1I box 1 bay 2                 HP      EF0450FARMV                          3QQ00000000000000000     HPD9
  Physical drives: 2
         connector 1I box 1 bay 1                 HP      EF0450FARMV                          3QQ0AAAA0000BBBBCCCC     HPD9 OK
"""

ARCCONF = """Controllers found: 1
----------------------------------------------------------------------
Controller information
----------------------------------------------------------------------
   Controller Status                        : Optimal
   Controller Model                         : Adaptec ASR8405
   Controller Serial Number                 : 5A00000
   Physical Slot                            : 2
   Installed memory                         : 1024 MB
   Logical devices/Failed/Degraded          : 1/0/1
   --------------------------------------------------------
   Controller Version Information
   --------------------------------------------------------
   Firmware                                 : 7.11-0 (33173)
----------------------------------------------------------------------
Logical device information
----------------------------------------------------------------------
Logical Device number 0
   Logical Device name                      : sys
   RAID level                               : 6 Reed-Solomon
   Status of Logical Device                 : Impacted ( Rebuild : 7 % )
   Size                                     : 1907200 MB
   Stripe-unit size                         : 256 KB
   --------------------------------------------------------
   Logical Device segment information
   --------------------------------------------------------
   Segment 0                                : Present (953869MB, SATA, HDD, Connector:0, Device:0) S1AAA
   Segment 1                                : Missing
----------------------------------------------------------------------
Physical Device information
----------------------------------------------------------------------
      Device #0
         Device is a Hard drive
         State                              : Online
         Block Size                         : 512 Bytes
         Transfer Speed                     : SATA 6.0 Gb/s
         Reported Channel,Device(T:L)       : 0,0(0:0)
         Reported Location                  : Connector 0, Device 0
         Vendor                             : ST310005
         Model                              : 28AS
         Serial number                      : S1AAA
         World-wide name                    : 50000D1101D8A111
         Total Size                         : 953869 MB
         S.M.A.R.T. warnings                : 2
         SSD                                : No
      Device #1
         Device is an Enclosure Services Device
         Reported Channel,Device(T:L)       : 2,0(0:0)

Command completed successfully.
"""

SASIRCU = """Avago Technologies SAS3 IR Configuration Utility.
Version 17.00.00.00 (2018.04.02)

Read configuration has been initiated for controller 0
------------------------------------------------------------------------
Controller information
------------------------------------------------------------------------
  Controller type                         : SAS3008
  Firmware version                        : 16.00.10.00
  Segment                                 : 0
  Bus                                     : 129
  Device                                  : 0
  Function                                : 0
------------------------------------------------------------------------
IR Volume information
------------------------------------------------------------------------
IR volume 1
  Volume ID                               : 323
  Status of volume                        : Degraded (DGD)
  Volume wwid                             : 0677c0fb06777e7b
  RAID level                              : RAID1
  Size (in MB)                            : 456809
  Boot                                    : Primary
  Physical hard disks                     :
  PHY[0] Enclosure#/Slot#                 : 1:0
------------------------------------------------------------------------
Physical device information
------------------------------------------------------------------------
Device is a Hard disk
  Enclosure #                             : 1
  Slot #                                  : 0
  State                                   : Optimal (OPT)
  Size (in MB)/(in sectors)               : 457862/937703087
  Manufacturer                            : ATA
  Model Number                            : SSD X
  Serial No                               : AAAA1
  GUID                                    : 5000000000000001
  Protocol                                : SATA
  Drive Type                              : SATA_SSD
Device is a Hard disk
  Enclosure #                             : 1
  Slot #                                  : 1
  State                                   : Failed (FLD)
  Size (in MB)/(in sectors)               : 457862/937703087
  Protocol                                : SAS
  Drive Type                              : SAS_HDD
SAS3IRCU: Command DISPLAY Completed Successfully.
"""

MDSTAT = """Personalities : [raid1] [raid6] [raid5] [raid4]
md127 : active (auto-read-only) raid5 nvme0n1p2[0] nvme1n1p2[1] nvme2n1p2[3] nvme3n1p2[4](S) nvme4n1p2[2](F)
      3906764800 blocks super 1.2 level 5, 512k chunk, algorithm 2 [3/2] [UU_]
      [=>...................]  recovery =  7.5% (146503680/1953382400) finish=150.0min speed=200000K/sec
      bitmap: 0/15 pages [0KB], 65536KB chunk

unused devices: <none>
"""

DETAIL = """/dev/md/crowbar0:
           Version : 1.0
        Raid Level : raid10
        Array Size : 41908224 (39.97 GiB 42.91 GB)
     Used Dev Size : 20954112 (19.98 GiB 21.46 GB)
      Raid Devices : 4
     Total Devices : 4
             State : clean, degraded
            Layout : near=2
        Chunk Size : 512K
              Name : any:crowbar0
              UUID : 00000000:00000000:00000000:00000001

    Number   Major   Minor   RaidDevice State
       0       8       16        0      active sync set-A   /dev/sdb
       1       8       32        1      active sync set-B   /dev/sdc
       -       0        0        2      removed
       3       8       64        3      active sync set-B   /dev/sde

       2       8       48        -      faulty   /dev/sdd
       4       8       80        -      spare   /dev/sdf
"""

EXPORT = """MD_LEVEL=raid1
MD_DEVICES=2
MD_METADATA=1.0
MD_UUID=0a:0b:0c:0d
MD_DEVNAME=crowbar0
MD_NAME=any:crowbar0
MD_DEVICE_dev_sdb_ROLE=0
MD_DEVICE_dev_sdb_DEV=/dev/sdb
MD_DEVICE_dev_sdc_ROLE=spare
MD_DEVICE_dev_sdc_DEV=/dev/sdc
"""

EXAMINE = """/dev/sdb1:
          Magic : a92b4efc
        Version : 1.2
           Name : any:crowbar0
     Raid Level : raid1
   Raid Devices : 2
 Avail Dev Size : 2093056 sectors (1022.00 MiB 1071.64 MB)
          State : clean
   Device Role : spare
   Array State : AA ('A' == active, '.' == missing, 'R' == replacing)
"""

ARECA_DISKS = """  # Ch# ModelName                       Capacity  Usage
===============================================================================
  1  1  ST31000340NS                    1000.2GB  Raid Set # 00
  2  2  ST31000340NS                    1000.2GB  Raid Set # 00
  3  3  N.A.                               0.0GB  N.A.
  4  4  ST31000340NS                    1000.2GB  Free
  5  5  ST31000340NS                    1000.2GB  Failed
===============================================================================
GuiErrMsg<0x00>: Success.
"""

ARECA_VOLUMES = """  # Name             Raid Name       Level   Capacity Ch/Id/Lun  State
===============================================================================
  1 ARC-1222-VOL#00  Raid Set # 00   Raid1   1000.2GB 00/00/00   Rebuilding(12.3%)
===============================================================================
GuiErrMsg<0x00>: Success.
"""

TW_CLI = """//host> /c0 show

Unit  UnitType  Status         %RCmpl  %V/I/M  Stripe  Size(GB)  Cache  AVrfy
------------------------------------------------------------------------------
u0    RAID-5    DEGRADED       -       -       64K     2793.94   Ri     ON
u1    RAID-1    REBUILDING     45%     -       -       931.312   W      ON
u2    SPARE     OK             -       -       -       931.505   -      OFF

VPort Status         Unit Size      Type  Phy Encl-Slot    Model
------------------------------------------------------------------------------
p0    OK             u0   931.51 GB SATA  0   -            ST31000340NS
p1    SMART-FAILURE  u0   931.51 GB SATA  1   -            ST31000340NS
p2    DEGRADED       u0   931.51 GB SATA  2   -            WDC WD1002FBYS-01A6B0
p3    NOT-PRESENT    -    -         -     -   -            -

Name  OnlineState  BBUReady  Status    Volt     Temp     Hours  LastCapTest
---------------------------------------------------------------------------
bbu   On           Yes       OK        OK       OK       0      xx-xxx-xxxx
"""

TW_OLD = """Ctl   Model        Ports   Drives   Units   NotOpt   RRate   VRate   BBU
------------------------------------------------------------------------
c0    9500S-8      8       8        1       1        2       -       -

Port   Status           Unit   Size        Blocks        Serial
---------------------------------------------------------------
p0     OK               u0     232.88 GB   488397168     WD-WMAEP0000001
/c0/p0 Model = WDC WD2500SD
"""

SAMPLES = {
    "storcli json": STORCLI_JSON,
    "storcli text": STORCLI_TEXT,
    "megacli": MEGACLI,
    "ssacli": SSACLI,
    "cciss": CCISS,
    "arcconf": ARCCONF,
    "sasircu": SASIRCU,
    "mdadm mdstat": MDSTAT,
    "mdadm detail": DETAIL,
    "mdadm export": EXPORT,
    "mdadm examine": EXAMINE,
    "areca disks": ARECA_DISKS,
    "areca volumes": ARECA_VOLUMES,
    "tw_cli": TW_CLI,
    "tw_cli old": TW_OLD,
}
