"""The types of questions that Chinese hospitals and international exams use, and what each is made of."""

from collections.abc import Mapping
from dataclasses import dataclass

from lms.core.i18n import lazy


@dataclass(frozen=True)
class Type:
    """One type of question."""

    code: str
    words: str
    """Lazy: in the reader's language when shown."""
    kind: str
    """Of its asks; a cloze names the kind at each ask."""
    is_group: bool = False
    shares_options: bool = False
    """B1, extended matching: the options stand before the stems and serve every ask."""
    is_serial: bool = False
    """The next ask is shown only after the one before is locked."""
    scoring: str = ""
    """Where the type fixes it."""
    asks: tuple[int, int] = (1, 1)
    """Fewest and most."""
    options: tuple[int, int] | None = None
    """Fewest and most of each ask, where the type is stricter than its kind."""

    @property
    def reveal(self) -> str:
        """What a body says of it: ``all`` asks at once, or one by one (``serial``)."""
        return "serial" if self.is_serial else "all"

    @property
    def is_marked_by_people(self) -> bool:
        """Whether no rule can mark it."""
        return self.kind in {"file", "essay", "checklist"}


TYPES: Mapping[str, Type] = {
    one.code: one
    for one in (
        Type("A1", lazy("A1: single best answer"), "choice"),
        Type("A2", lazy("A2: single best answer on a case"), "choice"),
        Type("A3", lazy("A3: shared case, answers locked in turn"), "choice", is_group=True, is_serial=True, asks=(2, 6)),
        Type("A4", lazy("A4: case with new information, answers locked in turn"), "choice", is_group=True, is_serial=True, asks=(2, 6)),
        Type("B1", lazy("B1: shared options"), "choice", is_group=True, shares_options=True, asks=(2, 6)),
        Type("EMQ", lazy("Extended matching"), "multiple", is_group=True, shares_options=True, asks=(2, 12)),
        Type("X", lazy("X: multiple answer"), "multiple"),
        Type(
            "CASE", lazy("Case analysis (+1, −1 for each option)"), "multiple",
            is_group=True, is_serial=True, scoring="plus_minus", asks=(2, 12),
        ),
        Type("TF", lazy("True or false"), "choice", options=(2, 2)),
        Type("SCT", lazy("Script concordance"), "choice"),
        Type("KF", lazy("Key feature"), "multiple", scoring="key_feature"),
        Type("NUM", lazy("Numeric answer"), "number"),
        Type("DOSE", lazy("Dose calculation with drawn values"), "number"),
        Type("SHORT", lazy("Short answer"), "text"),
        Type("CLOZE", lazy("Gaps in a text"), "", is_group=True, asks=(1, 30)),
        Type("ORDER", lazy("Ordering"), "order"),
        Type("MATCH", lazy("Association"), "pairs"),
        Type("GAP", lazy("Gap match"), "pairs"),
        Type("HOTSPOT", lazy("Place on a picture"), "point"),
        Type("SLIDER", lazy("Value on a scale"), "slider"),
        Type("UPLOAD", lazy("File"), "file"),
        Type("ESSAY", lazy("Essay"), "essay"),
        Type("OSCE", lazy("Station with a checklist"), "checklist"),
    )
}  # fmt: skip

CLOZE_KINDS = ("choice", "number", "text")
