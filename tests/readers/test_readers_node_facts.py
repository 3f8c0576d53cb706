"""What the kernel says of a machine, in the words of the role `inventory`."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.parts import NetPort, Parts, Piece
from engine.readers import formats, node_facts
from engine.readers.report import Refused

WHOLE = """crowbar-node-facts 1
boot-mode efi
secure-boot on
tpm 2
port eno1 mac=F4:02:70:aa:bb:01 pci=0000:3b:00.0 driver=bnxt_en functions=64
port ib0 mac=80:00:02:08:fe:80 pci= driver= functions=
left-out smartctl-json@sda too large
"""


def test_all_of_it() -> None:
    assert formats.recognise(WHOLE) == "node-facts"
    assert node_facts.read(WHOLE) == Parts(
        ports=(
            NetPort(name="eno1", mac="f4:02:70:aa:bb:01", pci="0000:3b:00.0", driver="bnxt_en", functions=64),
            NetPort(name="ib0", mac="80:00:02:08:fe:80"),
        ),
        boot_mode="efi",
        secure_boot=True,
        tpm=Piece(),
        tpm_version="2.0",
        odd=("left out: smartctl-json@sda too large",),
    )


def test_another_version_is_refused() -> None:
    with pytest.raises(Refused, match="crowbar-node-facts 1"):
        node_facts.read("crowbar-node-facts 2\n")


@given(st.text(alphabet=st.sampled_from("port eno1=mac:0 \n\t\x00é-"), max_size=200))
def test_nothing_but_refused(text: str) -> None:
    with suppress(Refused):
        node_facts.read("crowbar-node-facts 1\n" + text)
