# netplan: one YAML file. A port is matched by its MAC. netplan makes the files of its renderer (networkd or NetworkManager) from it.

function last() {
    split("port bond vlan bridge", order, " ")
    split("ethernets bonds vlans bridges", words, " ")
    file("etc/netplan/50-crowbar.yaml", "600")
    print "network:\n  version: 2"
    for (o = 1; o <= 4; o++) if (texts[order[o]] != "") printf "  %s:\n%s", words[o], texts[order[o]]
}
function say(text) { texts[kind] = texts[kind] "      " text "\n" }
function quoted(list,   k, j, out) {
    k = items(list)
    for (j = 1; j <= k; j++) out = out (j > 1 ? ", " : "") "\"" item[j] "\""
    return "[" out "]"
}
function interface(   n, k, j, out) {
    n = f["name"]
    texts[kind] = texts[kind] "    " n ":\n"
    if (kind == "port") say("match: {macaddress: \"" f["mac"] "\"}")
    if (kind == "port" && has("bond")) members[f["bond"]] = members[f["bond"]] (members[f["bond"]] == "" ? "" : ", ") n
    if (kind == "bond") {
        say("interfaces: [" members[n] "]")
        say("macaddress: \"" f["mac"] "\"")
        out = "mode: " f["mode"] ", mii-monitor-interval: " f["miimon"]
        if (has("hash") && f["mode"] ~ /^(802.3ad|balance-xor|balance-tlb)$/) out = out ", transmit-hash-policy: " f["hash"]
        if (has("rate") && f["mode"] == "802.3ad") out = out ", lacp-rate: " f["rate"]
        say("parameters: {" out "}")
    }
    if (kind == "vlan") { say("id: " f["id"]); say("link: " f["under"]) }
    if (kind == "bridge") { say("interfaces: [" f["under"] "]"); say("macaddress: \"" f["mac"] "\""); say("parameters: {stp: false, forward-delay: 0}") }
    if (has("mtu")) say("mtu: " f["mtu"])
    k = f["addresses"] (has("addresses") && has("addresses6") ? "," : "") f["addresses6"]
    if (k != "") say("addresses: " quoted(k))
    else say("link-local: []")
    if (k == "" || has("addresses6")) say("accept-ra: false")
    out = routes(f["routes"] "", "0.0.0.0/0", "")
    out = routes(f["routes6"] "", "::/0", out)
    if (out != "") say("routes: [" out "]")
}
function routes(list, all, out,   k, j) {
    k = items(list)
    for (j = 1; j <= k; j++) {
        route(item[j])
        out = out (out == "" ? "" : ", ") "{to: \"" all "\", via: \"" router "\"" (metric == "" ? "" : ", metric: " metric) "}"
    }
    return out
}
