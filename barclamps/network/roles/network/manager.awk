# NetworkManager: keyfiles, nm-settings-keyfile(5). It takes no file that others can read.

function last() {}
function interface(   n, types, k, j, m, i) {
    n = f["name"]
    types["port"] = "ethernet"; types["bond"] = "bond"; types["vlan"] = "vlan"; types["bridge"] = "bridge"
    file("etc/NetworkManager/system-connections/crowbar-" n ".nmconnection", "600")
    print "[connection]\nid=crowbar-" n "\ntype=" types[kind]
    if (kind != "port") print "interface-name=" n
    print "autoconnect=true"
    if (has("bond")) print "master=" f["bond"] "\nslave-type=bond"
    if (has("bridge")) print "master=" f["bridge"] "\nslave-type=bridge"
    if (kind == "bond" || kind == "bridge") print "autoconnect-slaves=1"
    if (has("mtu") || kind == "port" || has("mac")) print "[ethernet]"
    if (has("mac")) print (kind == "port" ? "mac-address=" : "cloned-mac-address=") f["mac"]
    if (has("mtu")) print "mtu=" f["mtu"]
    if (kind == "bond") {
        print "[bond]\nmode=" f["mode"] "\nmiimon=" f["miimon"]
        if (has("hash") && f["mode"] ~ /^(802.3ad|balance-xor|balance-tlb)$/) print "xmit_hash_policy=" f["hash"]
        if (has("rate") && f["mode"] == "802.3ad") print "lacp_rate=" f["rate"]
    }
    if (kind == "vlan") print "[vlan]\nid=" f["id"] "\nparent=" f["under"]
    if (kind == "bridge") print "[bridge]\nstp=false"
    if (has("bond") || has("bridge")) return
    family("[ipv4]", f["addresses"] "", f["routes"] "", "disabled", "0.0.0.0/0")
    family("[ipv6]", f["addresses6"] "", f["routes6"] "", has("addresses") ? "auto" : "disabled", "::/0")
}
function family(head, list, via, none, all,   k, j) {
    print head
    k = items(list)
    print "method=" (k ? "manual" : none)
    for (j = 1; j <= k; j++) print "address" j "=" item[j]
    k = items(via)
    for (j = 1; j <= k; j++) { route(item[j]); print "route" j "=" all "," router (metric == "" ? "" : "," metric) }
}
