# Makes the interfaces of a machine from its networks. Reads "port MAC NAME" for each port, then one line "network KEY=VALUE ..." for each
# network: name, address, router, preference, address6, router6, vlan, mtu, bridge, bond, mode, hash, miimon, rate, macs, adopted.
# Prints one line per interface, those below first:
#   port|bond|vlan|bridge name=.. mac=.. macs=.. mode=.. hash=.. miimon=.. rate=.. id=.. under=.. mtu=.. bond=MASTER bridge=MASTER vlans=.. nets=..
#   addresses=.. routes=ROUTER@METRIC,.. addresses6=.. routes6=..
# Several networks may share a port or a bond. The result does not depend on their order, nor on which of them came first.
# Networks that contradict each other: exit 3, with a line that says how.
# Trap: see fields.awk for the `""` behind elements that are passed on.

function bad(why) {
    print "network: " why >"/dev/stderr"
    failed = 3
    exit 3
}
function more(list, item) { return list == "" ? item : index("," list ",", "," item ",") ? list : list "," item }
function put(key, value) { if (value != "") line = line " " key "=" value }
function begin(kind, name) {
    if (name in kinds) {
        if (kinds[name] != kind) bad(name " would be a " kind " and a " kinds[name])
        return
    }
    kinds[name] = kind
    names[kind, ++count[kind]] = name
}
function larger(name, mtu) { if (mtu + 0 > mtus[name] + 0) mtus[name] = mtu + 0 }

$1 == "port" { port[$2] = $3 }
$1 == "network" {
    n++
    for (i = 2; i <= NF; i++) {
        at = index($i, "=")
        net[n, substr($i, 1, at - 1)] = substr($i, at + 1)
    }
    if (!net[n, "adopted"]) split(net[n, "address"], parts, "/")
    if (!net[n, "adopted"]) owned[parts[1]] = 1
}

END {
    if (failed) exit failed
    for (r = 1; r <= n; r++) if (net[r, "bond"] != "") {
        b = net[r, "bond"]
        said = net[r, "macs"] " " net[r, "mode"] " " net[r, "hash"] " " net[r, "miimon"] " " net[r, "rate"]
        if (b in bonds && bonds[b] != said) bad("networks " first[b] " and " net[r, "name"] " want " b " in different ways")
        bonds[b] = said
        if (!(b in first)) first[b] = net[r, "name"]
        k = split(net[r, "macs"], list, ",")
        for (i = 1; i <= k; i++) {
            if (list[i] in member && member[list[i]] != b) bad("port " port[list[i]] " would be in " member[list[i]] " and in " b)
            member[list[i]] = b
        }
    }
    for (r = 1; r <= n; r++) {
        split(net[r, "address"], parts, "/")
        if (net[r, "adopted"] && parts[1] in owned) continue
        b = net[r, "bond"]
        k = split(net[r, "macs"], list, ",")
        if (b == "" && list[1] in member) b = member[list[1]]
        if (b != "") {
            begin("bond", b)
            for (i = 1; i <= k; i++) if (list[i] in port) {
                begin("port", port[list[i]])
                macof[port[list[i]]] = list[i]
                masters[port[list[i]]] = b
                members[b] = more(members[b] "", list[i])
            }
            if (net[r, "bond"] != "") {
                macof[b] = list[1]
                modes[b] = net[r, "mode"]; hashes[b] = net[r, "hash"]; monitors[b] = net[r, "miimon"]; rates[b] = net[r, "rate"]
            }
            base = b
        } else {
            if (!(list[1] in port)) { if (net[r, "adopted"]) continue; bad("network " net[r, "name"] ": no port of this machine has the MAC " list[1]) }
            base = port[list[1]]
            begin("port", base)
            macof[base] = list[1]
        }
        larger(base, net[r, "mtu"])
        top = base
        if (net[r, "vlan"] + 0) {
            top = base "." net[r, "vlan"]
            if (length(top) > 15) top = "vlan" net[r, "vlan"]
            if (top in ids && unders[top] != base) bad(top " would be on " unders[top] " and on " base)
            begin("vlan", top)
            ids[top] = net[r, "vlan"]
            unders[top] = base
            vlans[base] = more(vlans[base] "", top)
            larger(top, net[r, "mtu"])
        }
        if (net[r, "bridge"] != "") {
            b = net[r, "bridge"]
            begin("bridge", b)
            if (b in unders && unders[b] != top) bad(b " would be on " unders[b] " and on " top)
            if (top in masters && masters[top] != b) bad(top " would be in " masters[top] " and in " b)
            unders[b] = top
            masters[top] = b
            macof[b] = list[1]
            larger(b, net[r, "mtu"])
        }
        tops[r] = top
    }
    for (r = 1; r <= n; r++) if (r in tops) {
        top = tops[r]
        if (top in masters) top = masters[top]
        on[top] = more(on[top] "", net[r, "name"])
        addresses[top] = more(addresses[top] "", net[r, "address"])
        metric = net[r, "preference"] + 0 ? "@" net[r, "preference"] : "@"
        if (net[r, "router"] != "") routes[top] = more(routes[top] "", net[r, "router"] metric)
        if (net[r, "address6"] != "") addresses6[top] = more(addresses6[top] "", net[r, "address6"])
        if (net[r, "router6"] != "") routes6[top] = more(routes6[top] "", net[r, "router6"] metric)
    }
    split("port bond vlan bridge", order, " ")
    for (o = 1; o <= 4; o++) for (i = 1; i <= count[order[o]]; i++) {
        x = names[order[o], i]
        line = order[o]
        # What is below carries what is above: a member has the MTU of its bond, and a VLAN's port at least that of the VLAN.
        m = mtus[x]
        if (order[o] == "port" && x in masters && mtus[masters[x]] + 0 > m + 0) m = mtus[masters[x]]
        put("name", x); put("mac", macof[x]); put("macs", members[x])
        put("mode", modes[x]); put("hash", hashes[x]); put("miimon", monitors[x]); put("rate", rates[x])
        put("id", ids[x]); put("under", unders[x]); put("mtu", m ? m : "")
        if (x in masters) put(kinds[masters[x]], masters[x])
        put("vlans", vlans[x]); put("nets", on[x])
        put("addresses", addresses[x]); put("routes", routes[x]); put("addresses6", addresses6[x]); put("routes6", routes6[x])
        print line
    }
}
