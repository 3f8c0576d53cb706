"""Readers of hardware reports: the text that a tool, a BMC or a controller gave -> `engine.parts.Parts`. Pure.

`formats.py` has the one table of formats. A reader takes the text of one report and returns what it says, or raises `Refused` with the
reason. A report comes from a machine that is not believed: readers never fail in another way, whatever the text, and take time linear in
its length.
"""
