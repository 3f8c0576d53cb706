"""Large racks with faults: minutes each, so in the slow suite."""

from __future__ import annotations

from pathlib import Path

import pytest
from faulty_rack import faulty

pytestmark = pytest.mark.slow

LOSSY = "drop_dhcp: 20, drop_tftp: 20, drop_http: 20, drop_bmc: 20, drop_ssh: 20"


def test_with_every_fifth_packet_lost_on_every_protocol_fifty_nodes_become_ready(tmp_path: Path) -> None:
    with faulty(tmp_path, f"faults: {{all: {{{LOSSY}}}}}", nodes=50, patience=1.0) as rack:
        rack.until(lambda: len(rack.ready()) == 50, timeout_s=900)


EVERYTHING = """\
faults:
  m1: {bmc: lies}
  m2: {bmc: locked}
  m3: {bmc: dead}
  m4: {bmc: "slow:0.1"}
  m5: {drop_dhcp: 5, drop_tftp: 5, drop_http: 5, drop_bmc: 5, drop_ssh: 5}
  m6: {drop_dhcp: 20, drop_tftp: 20, drop_http: 20, drop_bmc: 20, drop_ssh: 20}
  m7: {double_dhcp: 50, double_tftp: 50}
  m8: {late_dhcp: 30, late_tftp: 30}
  m9: {repeat_http: 20}
  m10: {never_calls_back: true}
  m12: {boot_nic: 1}
  m14: {serial_of: m13}
  m16: {uuid_of: m15}
  m18: {cables: {1g1: "tor2:swp19"}}
  m19: {cables: {1g1: "tor2:swp18"}}
  m20: {cables: {1g1: ""}}
  m21: {cables: {1g0: ""}}
  m22: {bios_lies: true}
  m23: {raid_lies: true}
  m33: {work_s: 1}
then:
  - {when: {machine: m11, reaches: hardware}, do: {fault: {never_calls_back: true}}}
  - {when: {machine: m17, reaches: install}, do: {fault: {disk_fails: true}}}
  - {when: {machine: m24, reaches: hardware}, do: [{power: off}, {swap: board-without-nics}]}
  - {when: {machine: m24, reaches: hardware}, after: 1s, do: {power: on}}
  - {when: {machine: m25, reaches: hardware}, do: {fault: {stall_s: 3600}}}
  - {when: {machine: m26, reaches: hardware}, do: {fault: {stall_s: 3}}}
  - {when: {machine: m27, reaches: pxe}, do: {power: cycle}}
  - {when: {machine: m28, reaches: discovery}, do: {power: cycle}}
  - {when: {machine: m29, reaches: hardware}, do: {power: cycle}}
  - {when: {machine: m30, reaches: os-install, percent: 90}, do: {power: cycle}}
  - {when: {machine: m31, reaches: system}, do: {power: cycle}}
  - {when: {machine: m32, reaches: hardware}, do: {power: off}}
  - {when: {machine: m33, reaches: ntp-client, percent: 1}, after: 0.5s, do: {ssh: drop}}
"""


def test_all_faults_in_one_rack_of_forty(tmp_path: Path) -> None:
    """Exactly these are not ready, each for this reason; the second DHCP server is there all the time and names no boot file, but a kernel
    may take its address, which is then what is told of one that is not heard of again."""
    expected = {
        "m1": "power_failed",
        "m2": "power_failed",
        "m3": "power_failed",
        "m10": "sighting_waits other_server",
        "m11": "boot_timeout other_server",
        "m17": "failed",
        "m21": "-",
        "m22": "failed",
        "m23": "failed",
        "m24": "-",
        "m25": "boot_timeout",
    }
    with faulty(tmp_path, EVERYTHING + "dhcp_server: {}\n", nodes=40, patience=0.3) as rack:
        everyone = {f"m{i}" for i in range(1, 41)}

        def so() -> bool:
            ready = rack.ready()
            odd = everyone - ready
            return odd == expected.keys() and all(rack.why(m) in codes.split() for m, codes in expected.items()) and bool(conflicts())

        def conflicts() -> list[str]:
            return [node for node, why in rack.summary().waiting.items() if why.code == "identity_conflict"]

        try:
            # A machine is given up after three boots of 126 s each, and only then is it said that it does not come.
            rack.until(so, timeout_s=1500)
        except AssertionError:
            found = {m: rack.why(m) for m in sorted(everyone - rack.ready())}
            raise AssertionError(f"not ready: {found}\n{rack.told()}") from None
        assert len(conflicts()) == 1, "the one with another board; twins are told apart"
        rack.nothing_twice(2)
