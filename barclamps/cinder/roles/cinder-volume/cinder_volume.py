"""Volumes on a node: logical volumes of LVM on its blank disks, which tgt hands out as iSCSI targets."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloud import PORTS, Check, File, Service, Site, Step
from cloud_api import Fault, Keystone

CONF = "/etc/cinder/cinder-volume.conf.d/crowbar.conf"
GROUP = "cinder-volumes"
LEAST = 1 << 30
"""Bytes of the smallest disk that is taken."""


def service(site: Site) -> Service:
    return Service(
        files={CONF: File(_configuration(site), group="cinder"), **site.daemon("cinder-volume", "cinder")},
        steps=_disks(site("cinder-disks")),
        units=["tgt", "cinder-volume"],
        checks=[
            Check("the volume group", lambda: _group(site("cinder-disks"))),
            Check("Cinder knows the node's volumes", lambda: _proof(site)),
        ],
    )


def _configuration(site: Site) -> dict[str, dict[str, object]]:
    account = site.account("cinder", site("cinder-password"))
    return {
        "DEFAULT": {
            "transport_url": site.messages(),
            "host": site.name,
            "my_ip": site.address,
            "enabled_backends": "lvm",
            "glance_api_servers": f"http://{site.one('cloud/glance')}:{PORTS['glance']}",
        },
        "database": {"connection": site.sql("cinder", "cinder", site("cinder-database-password"))},
        "service_user": {**account, "send_service_user_token": True},
        "nova": {**account, "interface": "internal"},
        "lvm": {
            "volume_driver": "cinder.volume.drivers.lvm.LVMVolumeDriver",
            "volume_backend_name": "lvm",
            "volume_group": GROUP,
            "lvm_type": "default",
            "target_protocol": "iscsi",
            "target_helper": "tgtadm",
            "target_ip_address": site.address,
            "volumes_dir": "/var/lib/cinder/volumes",
        },
    }


def blank(devices: Iterable[Mapping[str, Any]]) -> list[str]:
    """Paths of the disks that hold nothing, by what `lsblk --json` says: no partition, no file system, no member of anything."""
    return sorted(
        str(one["path"])
        for one in devices
        if one["type"] == "disk" and not one["ro"] and int(one["size"]) >= LEAST
        if not any(one.get(key) for key in ("children", "fstype", "pttype")) and not any(one.get("mountpoints") or ())
    )


def due(wanted: Sequence[str], members: Sequence[str], free: Sequence[str]) -> list[str]:
    """Disks that the group lacks. Without a wish it has the first blank one. Raises Fault for a disk that holds something."""
    names = [name if name.startswith("/") else f"/dev/{name}" for name in wanted]
    if not names:
        if not members and not free:
            raise Fault("the node has no blank disk for volumes: add one, or clear one with wipefs --all DISK")
        return [] if members else list(free[:1])
    lacks = [name for name in names if name not in members]
    for name in lacks:
        if name not in free:
            raise Fault(f"{name} is not a blank disk: clear it with wipefs --all {name}, or take it out of cinder-disks")
    return lacks


def _disks(wanted: Sequence[str]) -> list[Step]:
    members = _members()
    lacks = due(wanted, members, _blank())
    words = ["vgextend" if members else "vgcreate", "--yes", GROUP]
    return [Step(f"{', '.join(lacks)} for volumes", [*words, *lacks])] if lacks else []


def _said(*words: str) -> Any:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Fault(f"{words[0]}: {done.stderr.strip()[:300]}")
    return json.loads(done.stdout)


def _blank() -> list[str]:
    columns = "PATH,TYPE,SIZE,RO,FSTYPE,PTTYPE,MOUNTPOINTS"
    return blank(_said("lsblk", "--json", "--bytes", "--output", columns)["blockdevices"])


def _members() -> list[str]:
    report = _said("pvs", "--reportformat", "json", "-o", "pv_name,vg_name")["report"][0]["pv"]
    return sorted(one["pv_name"] for one in report if one["vg_name"] == GROUP)


def _group(wanted: Sequence[str]) -> None:
    lacks = due(wanted, _members(), _blank())
    if lacks:
        raise Fault(f"the volume group {GROUP} lacks {', '.join(lacks)}")


def _proof(site: Site) -> None:
    """The scheduler has heard from this node how much fits on it."""
    keystone = Keystone(site.keystone_url(), site("cinder-password"), "cinder", "service")
    url = keystone.endpoint("volumev3")
    place = f"{site.name}@lvm"
    found = keystone.call("GET", f"{url}/os-services?binary=cinder-volume")["services"]
    if "up" not in [one["state"] for one in found if one["host"] == place]:
        raise Fault(f"cinder-volume of {place} does not report")
    pools = keystone.call("GET", f"{url}/scheduler-stats/get_pools?detail=true")["pools"]
    if not [one for one in pools if one["name"].startswith(f"{place}#") and float(one["capabilities"]["total_capacity_gb"]) > 0]:
        raise Fault(f"Cinder's scheduler knows no room on {place}")
