"""The outcome of a benchmark: a table for people, `benchmarks/results/NAME.json` for programs."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

FOLDER = Path(__file__).parent / "results"
PACKAGES = ("polars", "fastavro", "confluent-kafka", "faust-streaming", "aiokafka", "clickhouse-driver", "chdb-core")


@dataclass(frozen=True)
class Figure:
    """A number with its unit."""

    value: float
    unit: str


@dataclass(frozen=True)
class Goal:
    """What should be reached, and whether it was."""

    reach: float
    met: bool


@dataclass
class Result:
    """Figures by name, ratios between them, goals; notes say why a figure is not there.

    `speed`: of the machine, before and after, see `benchmarks.speed`.
    """

    name: str
    command: str
    figures: dict[str, Figure] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    goals: dict[str, Goal] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    speed: dict[str, list[float]] = field(default_factory=dict)

    def show(self) -> None:
        table = Table("what", "value", "unit", title=self.name)
        for name, figure in self.figures.items():
            table.add_row(name, _shown(figure.value), figure.unit)
        for name, ratio in self.ratios.items():
            table.add_row(name, f"{ratio:.2f}", "times")
        for name, goal in self.goals.items():
            table.add_row(f"goal: {name}", _shown(goal.reach), "met" if goal.met else "not met")
        for name, note in self.notes.items():
            table.add_row(name, "", note)
        for name, times in self.speed.items():
            table.add_row(f"machine: {name}", " to ".join(map(_shown, times)), "before and after")
        Console().print(table)

    def write(self) -> Path:
        FOLDER.mkdir(exist_ok=True)
        path = FOLDER / f"{self.name}.json"
        path.write_text(json.dumps({**asdict(self), **machine()}, indent=2) + "\n")
        return path


def _shown(value: float) -> str:
    return f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def machine() -> dict[str, Any]:
    """What it was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "machine": {"cores": os.cpu_count(), "memory_gib": round(memory / 2**30, 1), "system": platform.platform()},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }
