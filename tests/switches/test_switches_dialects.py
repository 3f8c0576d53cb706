"""Readers of configurations and of tables of addresses, on texts as the vendors print them; and what odd texts come to."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core.hardware.port_table import SeenAddress
from engine.switches.dialects import DIALECTS
from engine.switches.dialects.dialect import age_in, error_in, mac_of
from engine.switches.seen import BEHIND, kept
from engine.switches.table import ALL, SwitchError, SwitchHave, vlan_set, vlan_text

IOS = """\
Building configuration...

Current configuration : 4321 bytes
!
version 15.2
vlan 10,20-22
!
vlan 300
 name storage
!
interface Port-channel1
 description to "node 3"
 switchport trunk allowed vlan 10
 switchport mode trunk
!
interface GigabitEthernet0
 vrf forwarding Mgmt-vrf
 ip address 10.0.0.5 255.255.255.0
!
interface TenGigabitEthernet1/0/1
 description node-1 10g0
 switchport trunk native vlan 20
 switchport trunk allowed vlan 10,20-22
 switchport trunk allowed vlan add 300
 switchport mode trunk
 spanning-tree portfast edge trunk
!
interface TenGigabitEthernet1/0/2
 switchport access vlan 300
 switchport mode access
!
interface TenGigabitEthernet1/0/3
 channel-group 1 mode active
!
interface TenGigabitEthernet1/0/4
 no switchport
 ip address 10.9.9.1 255.255.255.252
!
interface TenGigabitEthernet1/0/5
 switchport mode trunk
!
interface TenGigabitEthernet1/0/6
 switchport trunk allowed vlan none
 switchport mode trunk
!
end
"""


def ios(text: str) -> SwitchHave:
    return DIALECTS["cisco_ios"].read({"config": text})


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r\r\n"])
def test_ios(end: str) -> None:
    have = ios(IOS.replace("\n", end))
    ports = {name.rpartition("/")[2]: port for name, port in have.ports.items() if name.startswith("Ten")}
    assert (ports["1"].untagged, ports["1"].tagged, ports["1"].description) == (20, (10, 21, 22, 300), "node-1 10g0")
    assert (ports["2"].untagged, ports["2"].tagged) == (300, ())
    assert (ports["3"].lag, ports["3"].tagged, ports["3"].untagged) == ("1", (10,), 0), "native 1 is not carried"
    assert ports["4"].routed
    assert (ports["5"].untagged, len(ports["5"].tagged)) == (1, len(ALL) - 1)
    assert (ports["6"].untagged, ports["6"].tagged) == (0, ())
    assert have.vlans >= {1, 10, 20, 21, 22, 300}
    assert have.ports["GigabitEthernet0"].routed


def test_a_configuration_that_ends_in_the_middle_has_the_ports_before() -> None:
    have = ios(IOS[: IOS.index("interface TenGigabitEthernet1/0/3")])
    assert set(have.ports) == {"GigabitEthernet0", "TenGigabitEthernet1/0/1", "TenGigabitEthernet1/0/2"}


@pytest.mark.parametrize("name", sorted(DIALECTS))
@pytest.mark.parametrize("text", ["", "% Invalid input detected\n", "Permission denied\n", "<html></html>", "interface\n", "\x1b[2K\x08"])
def test_what_is_no_configuration_is_refused(name: str, text: str) -> None:
    dialect = DIALECTS[name]
    with pytest.raises(SwitchError):
        dialect.read(dict.fromkeys(dialect.shows, text))


WORDS = st.sampled_from(
    "interface vlan switchport trunk allowed native access mode port link-type permit lag set nv bridge domain br_default untagged tagged add "
    "Ethernet1/1 ge-0/0/0 swp1 1/1/1 channel-group 10 1-5 99999 all none { } [ ] \" ' ! # \n \r unit 0 family ethernet-switching description".split(
        " "
    )
)


@pytest.mark.parametrize("name", sorted(DIALECTS))
@given(words=st.lists(WORDS, max_size=60), junk=st.text(max_size=40))
def test_no_text_breaks_a_reader(name: str, words: list[str], junk: str) -> None:
    dialect = DIALECTS[name]
    text = " ".join(words) + junk
    with contextlib.suppress(SwitchError, ValueError):
        dialect.read(dict.fromkeys(dialect.shows, text))
    with contextlib.suppress(SwitchError):
        assert all(mac_of(one.mac) and one.port for one in dialect.addresses(text))


NXOS_FDB = """\
Legend:
        * - primary entry, G - Gateway MAC, (R) - Routed MAC, O - Overlay MAC
   VLAN     MAC Address      Type      age     Secure NTFY Ports
---------+-----------------+--------+---------+------+----+------------------
*   10     5254.0000.0001   dynamic  120        F      F    Eth1/4
*    -     0012.3456.789a   static   -          F      F    sup-eth1(R)
*   20     5254.0000.0002   dynamic  0          F      F    Po12
"""
IOS_FDB = """\
          Mac Address Table
-------------------------------------------
Vlan    Mac Address       Type        Ports
----    -----------       --------    -----
 All    0100.0ccc.cccc    STATIC      CPU
  10    5254.0000.0001    DYNAMIC     Gi1/0/4
Total Mac Addresses for this criterion: 2
"""
EOS_FDB = """\
Vlan    Mac Address       Type        Ports      Moves   Last Move
----    -----------       ----        -----      -----   ---------
  10    5254.0000.0001    DYNAMIC     Et4        1       0:01:30 ago
  20    5254.0000.0002    DYNAMIC     Et5        1       2 days, 1:00:00 ago
"""
OS10_FDB = "VlanId\tMac Address\t\tType\t\tInterface\n10\t52:54:00:00:00:01\tdynamic\t\tethernet1/1/4\n"
SONIC_FDB = "VLAN         MAC-ADDRESS         TYPE         INTERFACE\n10           52:54:00:00:00:01   DYNAMIC      Ethernet4\n"
AOSCX_FDB = "MAC age-time            : 300 seconds\n\nMAC Address          VLAN     Type       Port\n---\n52:54:00:00:00:01    10       dynamic    1/1/4\n"
COMWARE_FDB = "MAC Address      VLAN ID    State            Port/Nickname            Aging\n5254-0000-0001   10         Learned          XGE1/0/4                 Y\n"
PROCURVE_FDB = (
    " Status and Counters - Port Address Table\n\n  MAC Address   Port  VLAN\n  ------------- ----- ----\n  525400-000001 4     10\n"
)
JUNOS_FDB = """\
MAC flags (S - static MAC, D - dynamic MAC, L - locally learned)

Ethernet switching table : 1 entries, 1 learned
    Vlan                MAC                 MAC         Age    Logical                NH        RTR
    name                address             flags              interface              Index     ID
    v10                 52:54:00:00:00:01   D             -   xe-0/0/4.0             0         0
"""
ONE = "52:54:00:00:00:01"


@pytest.mark.parametrize(
    ("name", "text", "first"),
    [
        ("cisco_nxos", NXOS_FDB, SeenAddress(mac=ONE, port="Eth1/4", vlan=10, age_s=120)),
        ("cisco_ios", IOS_FDB, SeenAddress(mac=ONE, port="Gi1/0/4", vlan=10)),
        ("arista_eos", EOS_FDB, SeenAddress(mac=ONE, port="Et4", vlan=10, age_s=90)),
        ("dell_os10", OS10_FDB, SeenAddress(mac=ONE, port="ethernet1/1/4", vlan=10)),
        ("dell_sonic", SONIC_FDB, SeenAddress(mac=ONE, port="Ethernet4", vlan=10)),
        ("aruba_aoscx", AOSCX_FDB, SeenAddress(mac=ONE, port="1/1/4", vlan=10)),
        ("hp_comware", COMWARE_FDB, SeenAddress(mac=ONE, port="XGE1/0/4", vlan=10)),
        ("hp_procurve", PROCURVE_FDB, SeenAddress(mac=ONE, port="4", vlan=10)),
        ("juniper_junos", JUNOS_FDB, SeenAddress(mac=ONE, port="xe-0/0/4")),
    ],
)
def test_tables_of_addresses(name: str, text: str, first: SeenAddress) -> None:
    for end in ("\n", "\r\n"):
        found = DIALECTS[name].addresses(text.replace("\n", end))
        assert found[0] == first
        assert all(one.mac.startswith("52:54") for one in found), "the switch's own and group addresses say nothing"


def test_the_bridge_of_linux_and_cumulus() -> None:
    entries = [
        {"mac": ONE, "ifname": "swp4", "vlan": 10, "master": "br_default", "updated": 12, "used": 3, "flags": [], "state": ""},
        {"mac": ONE, "ifname": "swp4", "master": "br_default", "updated": 12, "used": 3, "flags": [], "state": ""},
        {"mac": "44:38:39:00:00:01", "ifname": "swp4", "vlan": 1, "master": "br_default", "state": "permanent"},
        {"mac": "33:33:00:00:00:01", "ifname": "eth0", "flags": ["self"], "state": "permanent"},
        {"mac": 7, "ifname": None},
    ]
    want = [SeenAddress(mac=ONE, port="swp4", vlan=10, age_s=12)]
    assert DIALECTS["linux"].addresses(json.dumps(entries)) == want == DIALECTS["cumulus"].addresses(json.dumps(entries))


def test_a_port_with_many_addresses_says_nothing() -> None:
    uplink = [SeenAddress(mac=f"52:54:00:00:01:{n:02x}", port="Eth1/49") for n in range(BEHIND + 1)]
    one = SeenAddress(mac=ONE, port="Eth1/4", vlan=10, age_s=90)
    assert kept([*uplink, one, SeenAddress(mac=ONE, port="Eth1/4", vlan=20, age_s=5)]) == [
        SeenAddress(mac=ONE, port="Eth1/4", vlan=20, age_s=5)
    ]
    assert kept(uplink[:BEHIND]) == uplink[:BEHIND]


@pytest.mark.parametrize(
    ("text", "vlans"),
    [
        ("10", (10,)),
        ("1-3,7", (1, 2, 3, 7)),
        ("2 to 4 9", (2, 3, 4, 9)),
        ("10, 12", (10, 12)),
        ("none", ()),
        ("", ()),
        ("all", ALL),
        ("1-4094", ALL),
    ],
)
def test_lists_of_vlans(text: str, vlans: tuple[int, ...]) -> None:
    assert vlan_set(text) == vlans


@pytest.mark.parametrize("text", ["0", "4096", "5-3", "x", "1,,y", "99999999999", "1-", "-"])
def test_what_is_no_list_of_vlans(text: str) -> None:
    with pytest.raises(ValueError, match="no VLANs"):
        vlan_set(text)


@given(st.sets(st.integers(1, 4094), max_size=50))
def test_a_list_of_vlans_reads_back(vlans: set[int]) -> None:
    assert vlan_set(vlan_text(vlans)) == tuple(sorted(vlans))
    assert vlan_set(vlan_text(vlans, " to ", " ")) == tuple(sorted(vlans))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("conf t\r\n% Invalid input detected at '^' marker.\r\nsw#", "% Invalid input detected at '^' marker."),
        ("Invalid input: vlann", "Invalid input: vlann"),
        ("error: configuration check-out failed", "error: configuration check-out failed"),
        ('Cannot find device "swp9"', 'Cannot find device "swp9"'),
        ("interface Gi1/0/1\ndescription error: none\n", ""),
        ("", ""),
    ],
)
def test_complaints(text: str, line: str) -> None:
    assert error_in(text) == line


@pytest.mark.parametrize(
    ("text", "age"), [("120", 120), ("0:01:30", 90), ("1:30", 90), ("2 days, 1:00:00 ago", 176_400), ("-", -1), ("", -1), ("Y", -1)]
)
def test_ages(text: str, age: int) -> None:
    assert age_in(text) == age
