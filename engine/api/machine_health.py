"""The health of machines, for the command line and the console: the last look, the kept events and the earlier values."""

from __future__ import annotations

from ..core.hardware.ailments import present
from ..reasons import advice, sentence
from ..store.vitals import Reading, VitalRecord, VitalsShelf
from ..vitals import Ailment, HealthMemory, LogEntry, SeenEntry, Sensor, VitalSigns

__all__ = [
    "Ailment",
    "HealthMemory",
    "LogEntry",
    "Reading",
    "SeenEntry",
    "Sensor",
    "VitalRecord",
    "VitalSigns",
    "VitalsShelf",
    "advice",
    "present",
    "sentence",
]
