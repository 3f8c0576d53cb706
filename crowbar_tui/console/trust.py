"""What the console and the command line say of machines that prove nothing."""

NETWORK_TRUST = "the plan says site.trust: network: machines get secrets without a proof of what they are"
