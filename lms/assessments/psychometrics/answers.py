"""What a report is computed from. No NumPy here: pages and queries read this without it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ENGINE_VERSION = 1
"""Grows when a number changes its meaning; kept with each report."""


@dataclass(frozen=True)
class Asked:
    """One question of the paper."""

    slot: int
    code: str
    maximum: float
    options: tuple[str, ...] = ()
    """Ids of what is chosen from; empty where nothing is."""
    right: frozenset[str] = frozenset()
    """Options that earn something."""
    choice: int | None = None
    """Of which questions to choose from it is one; None: everybody had it."""
    case: int = 0
    """Which of those: the first slot of its question."""
    is_closed: bool = False
    """Whether answers are chosen from a list, so that equal wrong ones can be counted."""


@dataclass(frozen=True)
class Answers:
    """What candidates answered and earned."""

    asked: Sequence[Asked]
    candidates: Sequence[str]
    """Public ids of their sittings."""
    marks: Sequence[Sequence[float | None]]
    """Candidates × questions; None: no answer."""
    said: Sequence[Sequence[str | tuple[str, ...] | None]]
    """Candidates × questions: the option, the options, or the answer as text; None: no answer."""
    had: Sequence[Sequence[bool]] | None = None
    """Candidates × questions: whether the candidate had the question; None: everybody had all."""
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Kind of group (``track``) → each candidate's group; empty text: not known."""
    cut: float = 0.0
    """In marks."""
    maximum: float | None = None
    """Marks that each candidate can earn, where it is not the sum over all questions."""
