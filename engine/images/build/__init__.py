"""Builds images from a distribution's packages.

Recipe -> mmdebstrap's tree as a tar stream -> trimmed, with our own files over it -> compressed, summed, in place. The command calls
`shipped`; `recipe` and `build` come next. The rest consists of small parts: `sources` (mirrors), `kept` (packages of earlier builds),
`locked` (package lists), `tree` (what stays), `cpio` and `pack`, `place` (never half an image). No part knows the engine's loop or
store.
"""
