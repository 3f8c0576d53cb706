"""Volumes on a node: logical volumes of LVM on its blank disks, which tgt hands out as iSCSI targets."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cloud import PORTS, Check, File, Service, Site, Step
from cloud_api import Fault, Keystone
from cloud_disks import VOLUMES, Disk, find, share, wish

CONF = "/etc/cinder/cinder-volume.conf.d/crowbar.conf"
GROUP = "cinder-volumes"


def service(site: Site) -> Service:
    return Service(
        files={CONF: File(_configuration(site), group="cinder"), **site.daemon("cinder-volume", "cinder")},
        steps=_disks(site),
        units=["tgt", "cinder-volume"],
        checks=[
            Check("the volume group", lambda: _group(site)),
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


def disks(devices: Iterable[Mapping[str, Any]]) -> list[Disk]:
    """What `lsblk --json` says, as `disks list` would say it. What has partitions or is mounted is not blank."""
    out: list[Disk] = []
    for one in devices:
        if one["type"] != "disk":
            continue
        holds = [str(one.get(key) or "") for key in ("fstype", "pttype")]
        holds += ["partitions"] if one.get("children") else []
        holds += ["mounted"] if any(one.get("mountpoints") or ()) else []
        transport = str(one.get("tran") or "")
        known = {key: str(one.get(key) or "") for key in ("wwn", "serial")}
        out.append(
            {
                "name": str(one["path"]).removeprefix("/dev/").replace("/", "!"),
                "size": int(one["size"]),
                "signature": next(filter(None, holds), ""),
                "transport": transport,
                "remote": transport in ("iscsi", "fc", "fcoe", "nbd"),
                "read_only": bool(one["ro"]),
                **known,
            }
        )
    return out


def due(found: Sequence[Disk], wanted: Sequence[str], objects: Sequence[str] | None, members: Sequence[str]) -> list[str]:
    """Names of the disks that the group lacks. `wanted`: `cinder-disks`. `objects`: `swift-disks`, or None on a node without Swift.
    `members`: names of disks in the group. Raises Fault for a disk that holds something."""
    mine = [name for name, role in share(found, wanted, objects, members).items() if role == VOLUMES]
    if not wanted:
        if not members and not mine:
            raise Fault("the node has no blank disk for volumes: add one, or clear one with wipefs --all DISK")
        return mine
    out = []
    for name in wanted:
        disk = find(found, name)
        if disk is not None and disk["name"] in members:
            continue
        if disk is None or disk["signature"] or disk["read_only"]:
            raise Fault(f"{name} is not a blank disk: clear it with wipefs --all, or take it out of cinder-disks")
        out.append(str(disk["name"]))
    return out


def _lacks(site: Site) -> tuple[list[str], list[str]]:
    """Paths of the group's disks, and of those that it lacks."""
    members = _members()
    short = [one.removeprefix("/dev/").replace("/", "!") for one in members]
    lacks = due(_found(), site("cinder-disks"), wish(site, "disks/objects"), short)
    return members, ["/dev/" + name.replace("!", "/") for name in lacks]


def _disks(site: Site) -> list[Step]:
    members, lacks = _lacks(site)
    words = ["vgextend" if members else "vgcreate", "--yes", GROUP]
    return [Step(f"{', '.join(lacks)} for volumes", [*words, *lacks])] if lacks else []


def _said(*words: str) -> Any:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Fault(f"{words[0]}: {done.stderr.strip()[:300]}")
    return json.loads(done.stdout)


def _found() -> list[Disk]:
    columns = "PATH,TYPE,SIZE,RO,FSTYPE,PTTYPE,MOUNTPOINTS,WWN,SERIAL,TRAN"
    return disks(_said("lsblk", "--json", "--bytes", "--output", columns)["blockdevices"])


def _members() -> list[str]:
    report = _said("pvs", "--reportformat", "json", "-o", "pv_name,vg_name")["report"][0]["pv"]
    return sorted(one["pv_name"] for one in report if one["vg_name"] == GROUP)


def _group(site: Site) -> None:
    lacks = _lacks(site)[1]
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
