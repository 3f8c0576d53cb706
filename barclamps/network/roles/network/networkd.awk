# systemd-networkd: systemd.netdev(5) and systemd.network(5). A port is matched by its MAC; as the member of a bond it shows the bond's, so
# there its permanent one counts.

function last() {}
function interface(   n, k, j) {
    n = f["name"]
    if (kind != "port") {
        file("etc/systemd/network/50-crowbar-" n ".netdev")
        print "[NetDev]\nName=" n "\nKind=" kind
        if (has("mac")) print "MACAddress=" f["mac"]
        if (has("mtu")) print "MTUBytes=" f["mtu"]
        if (kind == "vlan") print "[VLAN]\nId=" f["id"]
        if (kind == "bridge") print "[Bridge]\nSTP=no"
        if (kind == "bond") {
            print "[Bond]\nMode=" f["mode"] "\nMIIMonitorSec=" f["miimon"] "ms"
            if (has("hash") && f["mode"] ~ /^(802.3ad|balance-xor|balance-tlb)$/) print "TransmitHashPolicy=" f["hash"]
            if (has("rate") && f["mode"] == "802.3ad") print "LACPTransmitRate=" f["rate"]
        }
    }
    file("etc/systemd/network/50-crowbar-" n ".network")
    if (kind != "port") print "[Match]\nName=" n
    else print "[Match]\n" (has("bond") ? "Permanent" : "") "MACAddress=" f["mac"] "\nType=ether"
    if (has("mtu")) print "[Link]\nMTUBytes=" f["mtu"]
    print "[Network]"
    if (has("bond")) print "Bond=" f["bond"]
    if (has("bridge")) print "Bridge=" f["bridge"]
    k = items(f["vlans"] "")
    for (j = 1; j <= k; j++) print "VLAN=" item[j]
    k = items(f["addresses"] "")
    for (j = 1; j <= k; j++) print "Address=" item[j]
    k = items(f["addresses6"] "")
    for (j = 1; j <= k; j++) print "Address=" item[j]
    if (!has("addresses") && !k) print "LinkLocalAddressing=no"
    if (!has("addresses") || k) print "IPv6AcceptRA=no"
    k = items(f["routes"] (has("routes") && has("routes6") ? "," : "") f["routes6"])
    for (j = 1; j <= k; j++) { route(item[j]); if (metric == "") print "Gateway=" router }
    for (j = 1; j <= k; j++) { route(item[j]); if (metric != "") print "[Route]\nGateway=" router "\nMetric=" metric }
}
