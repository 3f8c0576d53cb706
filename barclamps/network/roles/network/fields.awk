# Reads the lines of `layout` for the writers: sets `kind` and `f[KEY]`, and calls `interface()` for each line and `last()` at the end.
# A writer prints files: a line ">MODE PATH", then the content.
#
# Trap: gawk 5.2.1 (Debian 12) may free an element twice that is passed to a function before it was ever set. `f[KEY] ""` passes a text.

function has(key) { return f[key] != "" }
function file(path, mode) { print ">" (mode == "" ? "644" : mode) " " path }
# The parts of a list: sets `item[1..n]`.
function items(list,   k) { k = list == "" ? 0 : split(list, item, ","); return k }
# ROUTER@METRIC: sets `router` and `metric`.
function route(text,   parts) { split(text, parts, "@"); router = parts[1]; metric = parts[2] }
{
    delete f
    kind = $1
    for (i = 2; i <= NF; i++) { at = index($i, "="); f[substr($i, 1, at - 1)] = substr($i, at + 1) }
    interface()
}
END { last() }
