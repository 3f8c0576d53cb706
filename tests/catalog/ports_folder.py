"""Ports of a machine that is a folder: a stand-in for ip(8) that keeps links, addresses and routes in files, and what a plan gives a network role.

The kernel of a test machine may lack bonds and VLANs. tests/net has the same scripts on real interfaces.
"""

from __future__ import annotations

from typing import Any

IP = r"""
# Addresses: lines of INTERFACE ADDRESS/BITS in $CROWBAR_ROOT/ip. Routes: lines of FAMILY ROUTE in $CROWBAR_ROOT/routes.
have=$CROWBAR_ROOT/ip routes=$CROWBAR_ROOT/routes net=$CROWBAR_ROOT/sys/class/net
touch "$have" "$routes"
family=-4
all="$*"
lines() { awk -v f="$1" -v d="$2" '{ v6 = index($2, ":") > 0 } (d == "" || $1 == d) && (f == "" || (f == "-6") == v6) {
    print "2: " $1 (v6 ? "    inet6 " : "    inet ") $2 " scope global" }' "$have"; }
drop() { grep -vxF -e "$2" "$1" >"$1.new"; mv "$1.new" "$1"; }
made() {
    mkdir -p "$net/$1"
    echo 1500 >"$net/$1/mtu"; echo 0x1002 >"$net/$1/flags"; echo "${2:-00:00:00:00:00:00}" >"$net/$1/address"; echo 1 >"$net/$1/carrier"
}
bonding() { # BOND KEY VALUE..
    bond=$1; shift; mkdir -p "$net/$bond/bonding"; [ -e "$net/$bond/bonding/slaves" ] || : >"$net/$bond/bonding/slaves"
    for pair in "mode balance-rr" "xmit_hash_policy layer2" "miimon 0" "lacp_rate slow"; do
        [ -e "$net/$bond/bonding/${pair% *}" ] || echo "${pair#* } 0" >"$net/$bond/bonding/${pair% *}"
    done
    while [ $# -gt 1 ]; do
        case $1 in miimon) echo "$2" ;; *) echo "$2 4" ;; esac >"$net/$bond/bonding/$1"; shift 2
    done
}
word=$*
case " $*" in *" -4"*) only=-4 ;; *" -6"*) only=-6 family=-6 ;; *) only= ;; esac
case "$*" in
*"addr show to "*) want=${*##*to }; want=${want%% *}
    case $want in
    */32 | */128) awk -v a="${want%/*}" '{ split($2, p, "/"); if (p[1] == a) print "2: " $1 " inet " $2 " scope global" }' "$have" ;;
    *) awk -v net="${NEAR:-}" 'net != "" && index($2, net) == 1 { print "2: " $1 "    inet " $2 " scope global" }' "$have" ;;
    esac ;;
*"addr show dev "*) want=${*##*dev }; lines "$only" "${want%% *}" ;;
*"addr show"*) lines "$only" "" ;;
*"route show default dev "*) grep "^$family default .*dev ${*##*dev }\( \|\$\)" "$routes" | sed "s/^$family //" ;;
*"route show default"*) grep "^$family default" "$routes" | sed "s/^$family //" ;;
*"route show"*) grep "^$family " "$routes" | sed "s/^$family //" ;;
*"route append "*) route=${all#*append }; echo "$family $route" >>"$routes" ;;
*"route del "*) drop "$routes" "$family ${all#*del }" ;;
*"addr replace "*) want=${all#*replace }; line="${want##* } ${want%% *}"; grep -qxF "$line" "$have" || echo "$line" >>"$have" ;;
*"addr del "*) want=${all#*del }; drop "$have" "${want##* } ${want%% *}" ;;
*"link show dev"*) ;;
*"link add link "*) made "$6"; mkdir -p "$CROWBAR_ROOT/proc/net/vlan"
    printf '%s  VID: %s\nDevice: %s\n' "$6" "${10}" "$4" >"$CROWBAR_ROOT/proc/net/vlan/$6" ;;
*"link add name "*) made "$4" "$6"
    case $8 in
    bridge) mkdir -p "$net/$4/bridge" ;;
    bond) bond=$4; shift 8; bonding "$bond" "$@" ;;
    esac ;;
*"link del dev "*) gone=${*##*dev }
    for one in "$net"/*/master; do [ ! -L "$one" ] || [ "$(readlink "$one")" != "../$gone" ] || rm "$one"; done
    sed -i "/^$gone /d" "$have"; sed -i "/ dev $gone\b/d" "$routes"; rm -rf "${net:?}/${*##*dev }" "$CROWBAR_ROOT/proc/net/vlan/${*##*dev }" ;;
*"link set dev "*" type bond "*) bond=$4; shift 6; bonding "$bond" "$@" ;;
*"link set dev "*" master "*) ln -sfn "../$6" "$net/$4/master"; [ ! -e "$net/$6/bonding" ] || echo "$(cat "$net/$6/bonding/slaves") $4" >"$net/$6/bonding/slaves" ;;
*"link set dev "*" nomaster") for b in "$net"/*/bonding/slaves; do [ ! -e "$b" ] || sed -i "s/$4//" "$b"; done; rm -f "$net/$4/master" ;;
*"link set dev "*" mtu "*) [ "$6" -le "${MOST_MTU:-9000}" ] || { echo "Error: mtu greater than device maximum." >&2; exit 2; }; echo "$6" >"$net/$4/mtu" ;;
*"link set dev "*" up") echo 0x1003 >"$net/$4/flags" ;;
*"link set dev "*" down") echo 0x1002 >"$net/$4/flags" ;;
esac
:
"""

MACS = {f"eno{n}": f"f4:02:70:aa:bb:0{n}" for n in (1, 2, 3)}


def ports(machine: Any) -> None:
    machine.tool("ip", IP)
    for name, carrier in (("eno1", "1"), ("eno2", "0"), ("eno3", "1")):
        machine.write(f"sys/class/net/{name}/address", MACS[name] + "\n")
        machine.write(f"sys/class/net/{name}/carrier", carrier + "\n")
        machine.write(f"sys/class/net/{name}/mtu", "1500\n")
        machine.write(f"sys/class/net/{name}/flags", "0x1003\n" if name == "eno1" else "0x1002\n")
        machine.write(f"sys/class/net/{name}/device/x")
    # systemd's timer, which never comes: tests/net has the real way back.
    (machine.root / "run/systemd/system").mkdir(parents=True)
    machine.tool("systemd-run", "")
    machine.tool("systemctl", 'case "$1" in is-active) exit 3 ;; esac')


def network(**more: Any) -> dict[str, Any]:
    """The attribute `network`, with links not resolved."""
    return {"network": {"name": "storage", "address": "10.1.0.81", "mask": "255.255.240.0", "router": "", "vlan": 0, **more}}


def on(*names: str) -> list[dict[str, str]]:
    """Resolved links: ports of the machine, each in a port of a switch."""
    return [
        {"link": f"10g{n}", "name": name, "mac": MACS[name], "why": "", "switch": "tor1", "port": f"swp{name[-1]}"}
        for n, name in enumerate(names)
    ]


def bond(mode: str = "802.3ad", **more: Any) -> dict[str, Any]:
    return {"name": "bond0", "mode": mode, "hash": "layer2+3", "miimon": 100, **more}
