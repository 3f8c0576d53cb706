"""Broken barclamps, each with its message: a golden table. The barclamp is the folder `a`, and has no scripts unless they are named."""

from __future__ import annotations

HEAD = "barclamp: {name: a, version: 1}\n"


def _role(more: str, stage: str = "system", jig: str = "noop") -> str:
    return f"{HEAD}roles:\n  - name: x\n    stage: {stage}\n    jig: {jig}\n    {more}\n"


def _attribute(more: str) -> str:
    return f"{HEAD}attributes:\n  - name: q\n    {more}\n"


BROKEN: tuple[tuple[str, tuple[str, ...], str], ...] = (
    # -- the head
    ("", (), "a/barclamp.yml:1: expected a document; the file is empty"),
    ("barclamp: [\n", (), "a/barclamp.yml:2: this is not YAML: did not find expected node content while parsing a flow node"),
    ("roles: []\n", (), "a/barclamp.yml:1: expected the key 'barclamp', which is missing"),
    ("barclamp: {name: a}\n", (), "a/barclamp.yml:1: barclamp: expected the key 'version', which is missing"),
    ("barclamp: {nam: a, version: 1}\n", (), "a/barclamp.yml:1: barclamp.nam: unknown key; did you mean 'name'?"),
    ("barclamp: {name: b, version: 1}\n", (), "a/barclamp.yml:1: barclamp.name: expected the name of its folder, 'a', not 'b'"),
    (
        "barclamp:\n  name: a\n  version: 1-beta\n",
        (),
        "a/barclamp.yml:3: barclamp.version: expected a version like 1 or 2.0.1, not '1-beta'",
    ),
    (
        "barclamp:\n  name: a\n  version: 1\n  requires: [netwrk]\n",
        (),
        "a/barclamp.yml:4: barclamp.requires.0: unknown barclamp 'netwrk'; did you mean 'network'?",
    ),
    ("barclamp: {name: a, version: 1}\nbarclamp: {}\n", (), "a/barclamp.yml:2: barclamp: the key already exists, on line 1"),
    (
        "barclamp: &x {name: a, version: 1}\n",
        (),
        "a/barclamp.yml:1: anchors and aliases (& and *) are not allowed; repeat the text instead",
    ),
    (
        "barclamp: !!python/object:os.system {name: a}\n",
        (),
        "a/barclamp.yml:1: tags (tag:yaml.org,2002:python/object:os.syste) are not allowed",
    ),
    (f"{HEAD}rolls: []\n", (), "a/barclamp.yml:2: rolls: unknown key; did you mean 'roles'?"),
    # -- checks
    (_role("checks: [{kind: tpc}]"), (), "a/barclamp.yml:6: roles.0.checks.0.kind: unknown kind of check 'tpc'; did you mean 'tcp'?"),
    (_role("checks: [{kind: tcp}]"), (), "a/barclamp.yml:6: roles.0.checks.0: a check of kind tcp needs the key 'port'"),
    (
        _role("checks: [{kind: ntp, port: 1}]"),
        (),
        "a/barclamp.yml:6: roles.0.checks.0.port: a check of kind ntp has no key 'port'; it has kind, name, when",
    ),
    (
        _role("checks: [{kind: process, process: 'a;reboot'}]"),
        (),
        "a/barclamp.yml:6: roles.0.checks.0.process: expected a process's name of at most 15 characters, not 'a;reboot'",
    ),
    (
        _role("checks: [{kind: script, program: /bin/sh -c x}]"),
        (),
        "a/barclamp.yml:6: roles.0.checks.0.program: expected a program's absolute path: letters, digits and . _ + / -, not '/bin/sh -c x'",
    ),
    (
        _role("checks: [{kind: ntp, when: {clock: true}}]"),
        (),
        "a/barclamp.yml:6: roles.0.checks.0.when.clock: the role does not want the attribute 'clock', so the check cannot depend on it",
    ),
    (
        _role("checks: [{kind: ntp}, {kind: ntp}]"),
        (),
        "a/barclamp.yml:6: roles.0.checks.1: the role already has a check 'ntp': give this one another name",
    ),
    # -- roles
    (f"{HEAD}roles:\n  x: {{}}\n", (), "a/barclamp.yml:2: roles: expected a list, not a map"),
    (_role("flag: []"), (), "a/barclamp.yml:6: roles.0.flag: unknown key; did you mean 'flags'?"),
    (_role("timeout: 1m", stage="sytem"), (), "a/barclamp.yml:4: roles.0.stage: unknown stage 'sytem'; did you mean 'system'?"),
    (_role("timeout: 1m", jig="scirpt"), (), "a/barclamp.yml:5: roles.0.jig: unknown jig 'scirpt'; did you mean 'script'?"),
    (
        _role("timeout: 1m", jig="chef"),
        (),
        "a/barclamp.yml:5: roles.0.jig: jig 'chef' does not exist: use jig chef-solo",
    ),
    (
        _role("timeout: 1m", jig="ansible"),
        ("x/run", "x/playbook.yml"),
        "a/barclamp.yml:3: roles.0.name: jig ansible runs playbook.yml or roles, so roles/x/run would do nothing",
    ),
    (
        _role("timeout: 1m", jig="ansible"),
        ("x/playbook.yaml",),
        "a/barclamp.yml:3: roles.0.name: expected roles/x/playbook.yml or roles/x/roles, which is missing",
    ),
    (
        _role("verify: true", jig="puppet"),
        ("x/site.pp", "x/verify"),
        "a/barclamp.yml:3: roles.0.name: jig puppet finds out by itself whether a role is applied, so roles/x/verify would do nothing",
    ),
    (
        _role("batch: 5", jig="script"),
        ("x/run",),
        "a/barclamp.yml:6: roles.0.batch: jig script runs once for each node, so batch would do nothing",
    ),
    (
        _role("batch: 51", jig="ansible"),
        ("x/playbook.yml",),
        "a/barclamp.yml:6: roles.0.batch: expected a whole number from 1 to 50, not 51",
    ),
    (
        _role("flags: [service]"),
        (),
        "a/barclamp.yml:6: roles.0.flags.0: flag 'service' does not exist: use a role with the jig local that fails until the service answers, with retry",
    ),
    (
        _role("flags: [powersave]"),
        (),
        "a/barclamp.yml:6: roles.0.flags.0: flag 'powersave' does not exist: use crowbar node NODE power off",
    ),
    (_role("flags: [library]"), (), "a/barclamp.yml:6: roles.0.flags.0: flag 'library' does not exist: use files in the role's own folder"),
    (_role("flags: [destruktive]"), (), "a/barclamp.yml:6: roles.0.flags.0: unknown flag 'destruktive'; did you mean 'destructive'?"),
    (
        _role("flags: [milestone]", jig="local"),
        ("x/run",),
        "a/barclamp.yml:6: roles.0.flags: a milestone runs nothing: it needs the jig noop",
    ),
    (
        _role("flags: [destructive]", jig="local"),
        ("x/run",),
        "a/barclamp.yml:5: roles.0.jig: a destructive role needs a jig that keeps attempts apart: agent or script or device or bmc or puppet or chef-solo",
    ),
    (_role("flags: [discovery]"), (), "a/barclamp.yml:4: roles.0.stage: a discovery role belongs in the first stage, 'discovery'"),
    (
        _role("timeout: 1m", jig="agent"),
        ("x/run",),
        "a/barclamp.yml:5: roles.0.jig: stage 'system' runs in the installed system: use jig script, or another stage",
    ),
    (
        _role("timeout: 1m", jig="script", stage="hardware"),
        ("x/run",),
        "a/barclamp.yml:5: roles.0.jig: stage 'hardware' runs in sledgehammer: use jig agent, or another stage",
    ),
    (_role("timeout: 1m", jig="script"), (), "a/barclamp.yml:3: roles.0.name: expected the script roles/x/run, which is missing"),
    (
        _role("timeout: 1m", jig="script"),
        ("x/run", "x/verify"),
        "a/barclamp.yml:3: roles.0.name: the script roles/x/verify exists, but the role lacks verify: true",
    ),
    (
        _role("verify: true", jig="script"),
        ("x/run",),
        "a/barclamp.yml:6: roles.0.verify: expected the script roles/x/verify, which is missing",
    ),
    (_role("verify: true"), (), "a/barclamp.yml:6: roles.0.verify: jig noop runs no script, so verify would do nothing"),
    (
        _role("packages: {debian: [chrony], suse: [chrony]}", jig="script"),
        ("x/run",),
        "a/barclamp.yml:6: roles.0.packages.suse: unknown key; known: debian, redhat",
    ),
    (
        _role("packages: {debian: [../chrony]}", jig="script"),
        ("x/run",),
        "a/barclamp.yml:6: roles.0.packages.debian.0: expected the name of a package, not '../chrony'",
    ),
    (
        _role("packages: {debian: []}", jig="script"),
        ("x/run",),
        "a/barclamp.yml:6: roles.0.packages: expected a list of packages for debian or redhat",
    ),
    (_role("tools: [disks]"), (), "a/barclamp.yml:6: roles.0.tools: jig noop runs no script, so tools would do nothing"),
    (
        _role("requires: [{role: ntp-clint, on: same}]"),
        (),
        "a/barclamp.yml:6: roles.0.requires.0.role: unknown role 'ntp-clint'; did you mean 'ntp-client'?",
    ),
    (
        _role("requires: [{role: ready, on: sme}]"),
        (),
        "a/barclamp.yml:6: roles.0.requires.0.on: expected one of same, peers, deployment, admin, delegate, linked:switch, linked:san, not 'sme'; did you mean 'same'?",
    ),
    (
        _role("requires: [ready]", stage="hardware"),
        (),
        "a/barclamp.yml:6: roles.0.requires: role 'x' of stage 'hardware' would wait for 'ready' of later stage 'system'",
    ),
    (
        _role("gives: [q]").replace("roles:", "attributes: [{name: q, schema: {}}]\nroles:"),
        (),
        "a/barclamp.yml:7: roles.0.gives: jig noop runs no script, so gives would do nothing",
    ),
    (_role("retry: {attempts: 2}"), (), "a/barclamp.yml:6: roles.0.retry: jig noop runs no script, so retry would do nothing"),
    (_role("timeout: 1m"), (), "a/barclamp.yml:6: roles.0.timeout: jig noop runs no script, so timeout would do nothing"),
    (_role("takes: 1m"), (), "a/barclamp.yml:6: roles.0.takes: jig noop runs no script, so takes would do nothing"),
    (_role("holds: [admin]"), (), "a/barclamp.yml:6: roles.0.holds: jig noop runs no script, so holds would do nothing"),
    (_role("flags: [once]"), (), "a/barclamp.yml:6: roles.0.flags: jig noop runs no script, so once would do nothing"),
    (
        _role("collects: [{attribute: disks, into: a}]"),
        (),
        "a/barclamp.yml:6: roles.0.collects: jig noop runs no script, so collects would do nothing",
    ),
    (_role("wants: []"), ("x/run",), "a/barclamp.yml:3: roles.0.name: jig noop runs no script, so the folder roles/x would do nothing"),
    (
        _role("flags: [abstract]\n    requires: [ready]"),
        (),
        "a/barclamp.yml:7: roles.0.requires: an abstract role is never bound, so requires would do nothing",
    ),
    (
        _role("retry: {delay: 5s}", jig="local"),
        ("x/run",),
        "a/barclamp.yml:6: roles.0.retry: expected attempts of 2 or more: a role with one attempt is not tried again",
    ),
    (
        _role("flags: [once, destructive]", jig="script"),
        ("x/run",),
        "a/barclamp.yml:6: roles.0.flags: a destructive role is never repeated by itself, so once would do nothing",
    ),
    (
        _role("flags: [bootstrap]", jig="script"),
        ("x/run",),
        "a/barclamp.yml:5: roles.0.jig: a role with the flag bootstrap is bound to the admin node, where jig script cannot run: use local or noop",
    ),
    (
        _role("flags: [discovery]", jig="device", stage="discovery"),
        ("x/run",),
        "a/barclamp.yml:5: roles.0.jig: a role with the flag discovery is bound to each server, where jig device cannot run: use agent or local or noop or bmc",
    ),
    (_role("requires: [x]"), (), "a/barclamp.yml:3: roles.0: these roles would wait for each other: x -> x"),
    (_role("wants: [disk]"), (), "a/barclamp.yml:6: roles.0.wants.0: unknown attribute 'disk'; did you mean 'disks'?"),
    (
        _role("gives: [disks]", jig="local"),
        ("x/run",),
        "a/barclamp.yml:6: roles.0.gives.0: role 'inventory' already gives attribute 'disks'",
    ),
    (_role("collects: [{attribute: disks}]"), (), "a/barclamp.yml:6: roles.0.collects.0: expected the key 'into', which is missing"),
    (
        _role("collects: [{attribute: disks, into: a, of: nodes}]"),
        (),
        "a/barclamp.yml:6: roles.0.collects.0.attribute: only these can be collected of nodes: dns-hosts",
    ),
    (
        _role("collects: [{attribute: dns-hosts, into: a, of: nodes, role: ready}]"),
        (),
        "a/barclamp.yml:6: roles.0.collects.0.role: values of nodes are not of a role: leave out role, or of: nodes",
    ),
    (_role("retry: {attempts: 0}"), (), "a/barclamp.yml:6: roles.0.retry.attempts: expected a whole number from 1 to 20, not 0"),
    (_role("timeout: 5 min"), (), "a/barclamp.yml:6: roles.0.timeout: expected a duration above 0s like 30s, 15m, 1h or 2d, not '5 min'"),
    (_role("validate: yes"), (), "a/barclamp.yml:6: roles.0.validate: expected true or false, not 'yes'"),
    (
        f"{HEAD}roles:\n  - {{name: ready, stage: system, jig: noop}}\n",
        (),
        "a/barclamp.yml:3: roles.0.name: role 'ready' already exists, in barclamp ready",
    ),
    (
        f"{HEAD}roles:\n  - {{name: network-x, stage: system, jig: noop}}\n",
        (),
        "a/barclamp.yml:3: roles.0.name: names that begin with network- are reserved for the networks of a plan",
    ),
    # -- attributes
    (
        f"{HEAD}attributes:\n  - {{name: disks, schema: {{}}}}\n",
        (),
        "a/barclamp.yml:3: attributes.0.name: attribute 'disks' already exists, in barclamp discovery",
    ),
    (
        _attribute("schema: {type: intger}"),
        (),
        "a/barclamp.yml:4: attributes.0.schema.type: this is not a JSON Schema: 'intger' is not valid under any of the given schemas; did you mean 'integer'?",
    ),
    (
        _attribute("schema: {$ref: 'http://x/y'}"),
        (),
        "a/barclamp.yml:4: attributes.0.schema: a schema may refer to parts of itself only ($ref: '#/...')",
    ),
    (_attribute("schema: {type: integer}\n    default: x"), (), "a/barclamp.yml:5: attributes.0.default: expected a whole number, not 'x'"),
    (
        _attribute("schema: {}\n    path: disks/count"),
        (),
        "a/barclamp.yml:5: attributes.0.path: path 'disks/count' overlaps the path of attribute 'disks', 'disks'",
    ),
    (
        _attribute("schema: {}\n    secret: true\n    default: x"),
        (),
        "a/barclamp.yml:6: attributes.0.default: a secret has no default: its value comes from the plan's secrets, or from crowbar set",
    ),
    (
        _attribute("schema: {type: integer}\n    secret: true"),
        (),
        "a/barclamp.yml:4: attributes.0.schema: a secret is text: its schema needs type: string",
    ),
    # -- places in values
    (
        _role("wants: [{name: raid-wanted, pointer: level}]"),
        (),
        "a/barclamp.yml:6: roles.0.wants.0.pointer: expected a JSON pointer like /a/0/b, not 'level': a pointer begins with /",
    ),
    (
        _role("wants: [{name: raid-wanted, pointer: /lvel}]"),
        (),
        "a/barclamp.yml:6: roles.0.wants.0.pointer: attribute 'raid-wanted' has no place '/lvel': the value has no key lvel; did you mean 'level'?",
    ),
    (
        _role("wants: [{name: target-os, pointer: /a}]"),
        (),
        "a/barclamp.yml:6: roles.0.wants.0.pointer: attribute 'target-os' has no place '/a': the value is neither a map nor a list",
    ),
    (
        _role("wants: [{name: credential, pointer: /a}]"),
        (),
        "a/barclamp.yml:6: roles.0.wants.0.pointer: attribute 'credential' is a secret, which is one text",
    ),
    (
        _role("wants: [{name: disks, pointer: /0/Name}]"),
        (),
        "a/barclamp.yml:6: roles.0.wants.0.pointer: expected the key 'at' too: this place has no name that a path in attributes.json can have",
    ),
    (
        _role("wants: [raid-wanted, {name: raid-wanted, pointer: /level}]"),
        (),
        "a/barclamp.yml:6: roles.0.wants.1: 'raid-wanted#/level' and 'raid-wanted' would overlap in attributes.json, at 'raid-wanted/level': give one of them `at`",
    ),
    (
        _role("wants: [target-os, {name: hostname, at: os/target}, {name: domain, at: os}]"),
        (),
        "a/barclamp.yml:6: roles.0.wants.2: 'domain' and 'hostname' would overlap in attributes.json, at 'os': give one of them `at`",
    ),
    (
        _attribute("schema: {}\n    pointer: /a"),
        (),
        "a/barclamp.yml:5: attributes.0.pointer: a pointer needs the key 'from' too: the attribute in whose value it points",
    ),
    (_attribute("schema: {}\n    from: disk"), (), "a/barclamp.yml:5: attributes.0.from: unknown attribute 'disk'; did you mean 'disks'?"),
    (
        _attribute("schema: {}\n    from: target-os"),
        (),
        "a/barclamp.yml:5: attributes.0.from: no discovery role gives attribute 'target-os'",
    ),
    (
        _attribute("schema: {}\n    from: product\n    pointer: /0"),
        (),
        "a/barclamp.yml:5: attributes.0.from: attribute 'product' has no place '/0': the value is neither a map nor a list",
    ),
    (
        _attribute("schema: {}\n    secret: true\n    from: product"),
        (),
        "a/barclamp.yml:6: attributes.0.from: a secret is not taken from what nodes report",
    ),
)
"""Text of barclamp.yml, the scripts below `roles/`, and the only line that `crowbar barclamp check` prints."""
