"""Lives of rings, with Swift's own builder: devices come, go, move and change their weight. Runs on a node that has Swift, with the tool's folder on
the path. Argument: how many lives. It prints what it saw, or fails."""

import copy
import random
import sys
import time

from cloud_rings import SERVERS, Device, devices_of, follow, from_ring, pack, raw_ring, unpack
from swift.common.ring import RingBuilder

POWER, COPIES = 6, 3


def homes(builder):
    """For each part the names of the devices that keep it."""
    names = {one["id"]: one["device"] for one in builder.devs if one is not None}
    return [[names[row[part]] for row in builder._replica2part2dev if part < len(row)] for part in range(builder.parts)]


def step(chance, devices):
    out = list(devices)
    verb = chance.choice(["add", "add", "remove", "weigh", "move", "swap", "nothing"])
    fresh = Device(f"d{chance.randrange(10**9)}", f"10.0.0.{chance.randrange(1, 20)}", float(chance.choice([1, 2, 2, 4])))
    if verb in ("add", "swap"):
        out.append(fresh)
    if verb in ("remove", "swap") and len(devices) > 1:
        out.remove(chance.choice(devices))
    one = chance.choice(out)
    if verb == "weigh":
        out[out.index(one)] = Device(one.name, one.address, one.weight + 1)
    if verb == "move":
        out[out.index(one)] = Device(one.name, fresh.address, one.weight)
    return verb, sorted(out)


def live(seed):
    chance = random.Random(seed)
    devices = [Device(f"d{number}", f"10.0.0.{number + 1}", 2.0) for number in range(chance.choice([1, 1, 3, 5]))]
    builder = RingBuilder(POWER, min(COPIES, len(devices)), 1)
    twin = RingBuilder(POWER, min(COPIES, len(devices)), 1)
    follow(builder, "object", devices, COPIES, 1)
    follow(twin, "account", devices, COPIES, 1)
    for number in range(12):
        verb, after = step(chance, devices)
        before, kept = homes(builder), {one.name for one in after}
        if chance.random() < 0.3:
            builder.pretend_min_part_hours_passed()
            twin.pretend_min_part_hours_passed()
        if chance.random() < 0.1:
            builder, twin = from_ring(raw_ring(builder), 1), from_ring(raw_ring(twin), 1)
        said = follow(builder, "object", after, COPIES, 1)
        follow(twin, "account", after, COPIES, 1)
        why = f"life {seed}, step {number}, {verb}: {said}"
        builder.validate()
        assert devices_of(builder) == after, why
        now = homes(builder)
        assert now == homes(twin), f"{why}: rings of two kinds differ"
        for part, (old, new) in enumerate(zip(before, now, strict=True)):
            assert len(set(new)) == len(new) == min(COPIES, len(after)), f"{why}: part {part} has the copies {new}"
            stayed = set(old) & kept
            # One copy moves at most, besides those whose device is gone; and one fewer where there are fewer copies now.
            assert not stayed or set(new) & stayed, f"{why}: part {part} went from {old} to {new} at once"
            assert len(stayed - set(new)) <= 1 + max(0, len(old) - len(new)), f"{why}: part {part} went from {old} to {new}"
        raw = raw_ring(builder)
        again = copy.deepcopy(builder)
        assert follow(again, "object", after, COPIES, 1) == [], f"{why}: not done at once"
        assert raw_ring(again) == raw
        devices = after


def main(lives):
    for seed in range(lives):
        live(seed)
    begun = time.monotonic()
    devices = sorted(Device(f"d{number:04}", f"10.0.{number // 24}.1", 8000.0) for number in range(20 * 24))
    rings = {}
    for kind in SERVERS:
        builder = RingBuilder(14, COPIES, 1)
        follow(builder, kind, devices, COPIES, 1)
        rings[kind] = raw_ring(builder)
    text = pack(rings)
    assert unpack(text) == rings
    print(f"{lives} lives of rings; 480 disks and 2^14 parts: {len(text)} characters, {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]))
