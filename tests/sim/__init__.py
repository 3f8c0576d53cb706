"""The whole engine, simulated: one random seed drives time, network, scheduling, store, machines and operators over the pure core.

    python -m tests.sim.run --seed 17 -v        one simulation, step by step
    python -m tests.sim.run --count 1000        the seeds 0 to 999, on all processors

What is real: `step` and all of the core, `Loop` with its inbox, batches and wakes, `Runner`, the agents' mailbox, what an exit code means, the
views. What is simulated: the clock, the store (what is synced survives), the network, BMCs, firmware, agents, SSH, and people.

| file | its one subject |
|---|---|
| clock | virtual time, and the scopes of processes and boots: timers end with their scope |
| net | datagrams and requests, lost, doubled and late |
| store | what a commit leaves behind when the engine is killed in it |
| machine, disks, work | a machine: power, disks, attempts; what a task does to it |
| boots, agent | a machine's way from power to a hello, and the calls of its agent |
| bmc | a BMC: what it does, and what it reports |
| admin, adapters | the engine's process: loop and runner; jigs and power orders in virtual time |
| people | operators: one acts at random, one follows the advice of the reasons |
| faults | the list of faults, made at the start, so that a failing list can be shortened |
| invariants, promises | what holds after each step; what was durable before it left |
| counters | which rare branches were reached |
| racks | catalogue, plan and number of machines of a seed |
| simulation, run | one simulation; many, the command line and the shrinking |

Each subject has its own random stream, so that the rest changes little when a fault is left out.
"""
