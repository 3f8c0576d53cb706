# Debian's ifupdown: interfaces(5). Bonds, VLANs and bridges are made with ip(8) in the file, so the packages ifenslave, vlan and bridge-utils
# are not needed. One file, because `ifup -a` goes by its order, and what is below must be there first.

BEGIN { file("etc/network/interfaces.d/crowbar") }
function last() {}
function before(text) { print "    pre-up " text }
function made(text) { before("[ -e /sys/class/net/" f["name"] " ] || ip link add " text) }
function interface(   n, k, j, first) {
    n = f["name"]
    print "auto " n
    k = items(f["addresses"] "")
    print "iface " n " inet " (k ? "static" : "manual")
    if (kind == "bond") {
        made(n " address " f["mac"] " type bond mode " f["mode"] " miimon " f["miimon"] \
            (has("hash") && f["mode"] ~ /^(802.3ad|balance-xor|balance-tlb)$/ ? " xmit_hash_policy " f["hash"] : "") \
            (has("rate") && f["mode"] == "802.3ad" ? " lacp_rate " f["rate"] : ""))
        for (j = 1; j in ports; j++) if (bonds[j] == n) {
            before("[ -e /sys/class/net/" ports[j] "/master ] || ip link set dev " ports[j] " down")
            before("ip link set dev " ports[j] " master " n)
            before("ip link set dev " ports[j] " up")
        }
    }
    if (kind == "vlan") made("link " f["under"] " name " n " type vlan id " f["id"])
    if (kind == "bridge") {
        made(n " address " f["mac"] " type bridge")
        before("ip link set dev " f["under"] " master " n)
    }
    if (kind == "port" && has("bond")) { ports[++many] = n; bonds[many] = f["bond"] }
    if (has("mtu")) before("ip link set dev " n " mtu " f["mtu"])
    if (!k) print "    up ip link set dev " n " up"
    for (j = 1; j <= k; j++) {
        if (j > 1) print "iface " n " inet static"
        print "    address " item[j]
        if (j == 1) gateways(f["routes"] "", "inet")
        items(f["addresses"] "")
    }
    k = items(f["addresses6"] "")
    for (j = 1; j <= k; j++) {
        print "iface " n " inet6 static\n    address " item[j] "\n    accept_ra 0"
        if (j == 1) gateways(f["routes6"] "", "inet6")
        items(f["addresses6"] "")
    }
}
# interfaces(5) allows one gateway; another one is a route with its metric.
function gateways(list, family,   k, j) {
    k = items(list)
    for (j = 1; j <= k; j++) {
        route(item[j])
        if (j == 1) print "    gateway " router (metric == "" ? "" : "\n    metric " metric)
        else print "    up ip " (family == "inet6" ? "-6 " : "") "route replace default via " router " dev " f["name"] (metric == "" ? "" : " metric " metric)
    }
}
