"""Scenarios: made-up people on real ground, as streams of events, deterministic by seed.

sambas(seed)            one regency with 43,336 active people at the end
nation(people, seed)    every regency, any size, memory flat
encoded(planned)        topic, key, value
"""

from __future__ import annotations

from cakupan.scenario.encoding import encoded
from cakupan.scenario.nation import nation
from cakupan.scenario.sambas import sambas
from cakupan.scenario.world import Planned

__all__ = ["Planned", "encoded", "nation", "sambas"]
