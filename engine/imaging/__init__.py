"""Builds images from a distribution's packages.

Recipe -> mmdebstrap's tree as a tar stream -> trimmed, with our own files over it -> compressed, summed, in place. `shipped` is what the
command calls; `recipe` and `build` begin; the rest is made of small parts: `sources` (mirrors), `kept` (packages of earlier builds),
`locked` (package lists), `tree` (what stays), `cpio` and `pack`, `place` (never half an image). No part knows the engine's loop or store.
"""
