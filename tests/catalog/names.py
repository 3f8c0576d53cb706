"""Stand-ins of the tools of BIND, for machines that are folders: named's zones are a file with lines `ZONE NAME TYPE DATA`.

`tests/dns` runs the same scripts with the real tools.
"""

from __future__ import annotations

from typing import Any

import daemons
from node_folder import Machine

ZONES = ["r07.example.net", "124.168.192.in-addr.arpa"]
ADMIN = ["admin.r07.example.net. A 192.168.124.10", "10.124.168.192.in-addr.arpa. PTR admin.r07.example.net."]

DIG = r"""
[ -e "$CROWBAR_STATE/dns.runs" ] || exit 9
for word in "$@"; do
    case $word in
    SOA) printf ';; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 1\n;; flags: qr aa; QUERY: 1\n' ;;
    AXFR)
        echo "$zone 60 IN SOA admin. hostmaster. 1 2 3 4 5"
        if [ -e "$CROWBAR_STATE/dns/db" ]; then
            awk -v zone="${zone%.}." '$1 == zone { print $2, 60, "IN", $3, $4 }' "$CROWBAR_STATE/dns/db"
        fi
        ;;
    *) zone=${word%.}. ;;
    esac
done
"""
COMPILE = """
for zone in "$@"; do :; done
zone=${zone##*/}
echo "${zone%.db}. 60 IN SOA admin. hostmaster. 1 2 3 4 5"
"""
NSUPDATE = r"""
for file in "$@"; do :; done
db=$CROWBAR_STATE/dns/db
touch "$db" || exit 1
awk '
    FNR == NR { have[$0] = 1; next }
    $1 == "zone" { zone = $2 }
    $2 == "add" { have[zone " " $3 " " $5 " " $6] = 1 }
    $2 == "delete" { delete have[zone " " $3 " " $4 " " $5] }
    END { for (one in have) print one }' "$db" "$file" | sort >"$db.new" && mv "$db.new" "$db"
"""


def server(machine: Machine) -> dict[str, Any]:
    machine.tool("service", daemons.SERVICE)
    machine.tool("dig", DIG)
    machine.tool("named-compilezone", COMPILE)
    machine.tool("tsig-keygen", 'echo \'key "crowbar" { algorithm hmac-sha256; secret "AAAA"; };\'')
    return {
        "dns-serve": True,
        "dns-nameservers": [],
        "dns-forwarders": [],
        "dns-zones": ZONES,
        "dns-admin": ADMIN,
        "hostname": "admin",
        "domain": ZONES[0],
        "admin-address": "192.168.124.10",
        "admin-subnets": ["192.168.124.0/24"],
    }


def host(number: int, name: str = "") -> dict[str, Any]:
    name = f"{name or f'node-{number}'}.{ZONES[0]}"
    return {"node": name, "value": [f"{name}. A 192.168.124.{number}", f"{number}.124.168.192.in-addr.arpa. PTR {name}."]}


def records(machine: Machine) -> dict[str, Any]:
    machine.tool("service", daemons.SERVICE)
    machine.tool("dig", DIG)
    machine.tool("nsupdate", NSUPDATE)
    (machine.folder / "state/dns").mkdir(parents=True)
    (machine.folder / "state/dns.runs").touch()
    (machine.folder / "state/dns/db").write_text(f"{ZONES[0]}. gone.{ZONES[0]}. A 192.168.124.99\n")
    return {
        "dns-address": "192.168.124.10",
        "dns-name": f"admin.{ZONES[0]}",
        "dns-zones": ZONES,
        "dns-admin": ADMIN,
        "dns-aliases": {"ntp": "admin", "node-81": "admin", "git": "git.example.org"},
        "domain": ZONES[0],
        "dns/hosts": [host(81), host(82)],
    }


def client(machine: Machine) -> dict[str, Any]:
    machine.write("etc/resolv.conf", "nameserver 10.9.9.9\n")
    machine.tool("systemctl", 'case "$*" in *is-enabled*) [ -e "$CROWBAR_ROOT/enabled" ] ;; esac')
    machine.tool("getent", 'echo "192.168.124.81 STREAM $4"')
    return {
        "dns-servers": ["192.168.124.10"],
        "dns-address": "192.168.124.10",
        "dns-name": f"admin.{ZONES[0]}",
        "hostname": "node-81",
        "domain": ZONES[0],
    }
