"""Answers that were kept and not counted: which of them two people may still accept, and what speaks for them."""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from lms.assessments.rules.items import read_response
from lms.assessments.rules.sealed import Paper

LATE_REASONS = frozenset({"late", "submitted", "stale_epoch"})
"""What may be accepted: it came too late or from a device that was no longer writing. The rest was never an answer."""
MARKED_BY_PEOPLE = frozenset({"essay", "file", "checklist"})
"""What markers may have read already as it stood; it cannot become another answer under their marks."""


class Kept(Protocol):
    """What is known of one operation."""

    @property
    def client_seq(self) -> int:
        """Its number on its device."""

    @property
    def slot(self) -> int | None:
        """Which question it belongs to."""

    @property
    def kind(self) -> str:
        """See Op."""

    @property
    def body(self) -> Mapping[str, Any]:
        """As the device sent it."""

    @property
    def mono_ms(self) -> int | None:
        """The device's monotonic clock; begins anew when the page is loaded again."""

    @property
    def at(self) -> datetime:
        """When it reached the server."""

    @property
    def applied(self) -> bool:
        """Whether it counts."""

    @property
    def reason(self) -> str | None:
        """Why it does not."""


def acceptable(event: Kept, paper: Paper, locked: Container[int]) -> dict[str, Any] | None:
    """The canonical answer that accepting an operation would let stand; None where it cannot be accepted.

    ``locked``: everything that was closed. An answer there would change after what it leads to was seen; a question that
    was not chosen was never the candidate's.
    """
    slot = event.slot
    if event.applied or event.kind != "answer" or event.reason not in LATE_REASONS:
        return None
    if slot is None or slot not in paper.asks or paper.asks[slot].kind in MARKED_BY_PEOPLE:
        return None
    if paper.closed(slot, locked):
        return None
    return read_response(paper.asks[slot], event.body)


def made_by(event: Kept, same_device: Iterable[Kept]) -> datetime | None:
    """The latest moment at which an operation was made, as its device's own clock says; None: that clock says nothing.

    An earlier operation of the device reached the server at t; this one was made m milliseconds of the device's clock after
    that one was made, so at t + m at the latest, whatever time the device shows. Holds for one loading of the page: where
    the clock began anew in between, what came before says nothing. Evidence and no proof: the numbers come from the device.
    """
    found = event.at
    has_evidence = False
    upper = event.mono_ms
    for one in sorted(same_device, key=lambda other: other.client_seq, reverse=True):
        if one.client_seq >= event.client_seq:
            continue
        if upper is None or one.mono_ms is None or one.mono_ms > upper:
            break
        assert event.mono_ms is not None
        upper, has_evidence = one.mono_ms, True
        found = min(found, one.at + timedelta(milliseconds=event.mono_ms - one.mono_ms))
    return found if has_evidence else None
