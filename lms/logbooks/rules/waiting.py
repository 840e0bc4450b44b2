"""What happens by the clock while an entry waits, and how a signer's ledger is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import median


@dataclass(frozen=True)
class Stage:
    """One step of the escalation of an entry that waits."""

    after: timedelta
    who: tuple[str, ...]
    """``signer``, ``paired`` (all who supervised on that day), ``unit_lead``, ``director``."""


STAGES: tuple[Stage, ...] = (
    Stage(timedelta(days=3), ("signer",)),
    Stage(timedelta(days=7), ("signer", "paired")),
    Stage(timedelta(days=14), ("signer", "unit_lead")),
    Stage(timedelta(days=31), ("signer", "director")),
)
"""Day 3, 7, 14, and more than 30; what was told before is not told again."""

RECALL_STAGE = 2
"""From this stage the author may take the entry back although it was opened, and ask somebody else."""

OPEN_MAX = 25
"""More open entries with one signer are told to the director."""


def stage_of(age: timedelta) -> int:
    """How many stages an entry of this age has reached; 0 while it is young."""
    return sum(age >= stage.after for stage in STAGES)


def is_crowded(open_entries: int) -> bool:
    """Whether one signer has too much before them."""
    return open_entries > OPEN_MAX


def is_overdue(*, open_entries: int, oldest: timedelta) -> bool:
    """Whether the director hears of a signer: more than 25 open, or one for more than 30 days."""
    return is_crowded(open_entries) or oldest >= STAGES[-1].after


@dataclass(frozen=True)
class Ledger:
    """How one signer signs, against their peers."""

    signed: int
    returned: int
    open: int
    median_hours: float | None
    """From submission to signature."""
    p90_hours: float | None
    median_read_s: float | None
    """From opening to signature."""
    mean_level: float | None
    peers_level: float | None
    """Mean level that the other signers of the same programme give."""
    level_five_percent: int
    bulk_percent: int

    @property
    def return_percent(self) -> int:
        """Share of decisions that were returns."""
        return percent(self.returned, self.signed + self.returned)


def percent(part: int, whole: int) -> int:
    """A share in whole percent, half up."""
    return (200 * part + whole) // (2 * whole) if whole else 0


def middle(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return median(values) if values else None


def ninetieth(values: Sequence[float]) -> float | None:
    """The smallest value that at least nine of ten do not exceed; None of nothing."""
    if not values:
        return None
    return sorted(values)[-(-9 * len(values) // 10) - 1]
