"""Charts of a test's numbers as SVG, each with the same numbers as a table.

A title says what is to be seen, a description how to read it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from lms.assessments.psychometrics.plane import DASHED, Number, Plane, percent, scale, shown
from lms.core.i18n import _

Cell = str | float | int | None

MOST_BINS = 20
MOST_LABELS = 8
LONGEST_LABEL = 5
WEAK_DISCRIMINATION = 0.2
"""Below it a question hardly tells strong candidates from weak ones (Ebel and Frisbie, 1991)."""


@dataclass(frozen=True)
class Chart:
    """A drawing and its numbers."""

    title: str
    svg: Markup
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    """As they were computed, for a file; None where a number is not defined."""

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        """The rows as people read them, with at most three decimals."""
        return tuple(tuple(_text(value) for value in row) for row in self.rows)


def _text(value: Cell) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else shown(value)


# ---------------------------------------------------------------- items


@dataclass(frozen=True)
class ItemPoint:
    """Two numbers about an item; None where one is not defined, then it stands in the table only."""

    code: str
    facility: Number | None
    """0 to 1."""
    discrimination: Number | None
    """-1 to 1."""


def item_scatter(name: str, items: Sequence[ItemPoint], *, weak: float = WEAK_DISCRIMINATION) -> Chart:
    """Facility against discrimination; items that discriminate less than ``weak`` stand out, the weakest with their code."""
    rows = tuple((item.code, _number(item.facility), _number(item.discrimination)) for item in items)
    points = [(code, x, y) for code, x, y in rows if x is not None and y is not None]
    facility, discrimination = _("Facility"), _("Discrimination")
    plane = Plane(
        (facility, (0.0, 1.0)), (discrimination, scale([*(y for _code, _x, y in points), 0.0, weak, 0.6]))
    )
    plane.mark_up(weak, shown(weak))
    low = sorted(((y, x, code) for code, x, y in points if y < weak), key=lambda point: point[:2])
    for code, x, y in points:
        tip = f"{code}: {shown(x)}, {shown(y)}"
        plane.diamond(x, y, tip) if y < weak else plane.dot(x, y, tip)
    for y, x, code in low[:MOST_LABELS]:
        plane.label(x, y, _cut_off(code, 12))
    title = _(
        "%(low)s of %(all)s questions discriminate less than %(weak)s.",
        low=len(low),
        all=len(points),
        weak=shown(weak),
    )
    description = _(
        "Each point is a question: to the right the easier ones, above those that tell candidates apart."
    )
    return Chart(title, plane.svg(name, title, description), (_("Question"), facility, discrimination), rows)


def _number(value: Number | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _cut_off(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


@dataclass(frozen=True)
class OptionCurve:
    """How often the groups choose an option."""

    label: str
    is_key: bool
    shares: tuple[Number, ...]
    """0 to 1, from the weakest group to the strongest."""


def option_curves(name: str, code: str, options: Sequence[OptionCurve], sizes: Sequence[int]) -> Chart:
    """Who chooses what: one line for each option over groups of candidates, the weakest first.

    ``sizes``: how many candidates are in each group; at least two groups. The key is drawn bold, the others dashed.
    """
    heads = tuple(_("Group %(number)s (%(n)s)", number=at, n=n) for at, n in enumerate(sizes, 1))
    plane = Plane(
        (_("Group of candidates, the strongest last"), (1.0, float(max(2, len(sizes))))),
        (_("Share"), (0.0, 1.0)),
        margin=56,
        least_step=1.0,
    )
    for option in sorted(options, key=lambda one: one.is_key):
        points = list(enumerate(option.shares, 1))
        plane.line(points, **({"class_": "line"} if option.is_key else DASHED))
        for at, share in points:
            tip = f"{option.label}: {percent(share)} %"
            plane.dot(at, share, tip, look="dot" if option.is_key else "value")
    plane.ends([(_cut_off(option.label, LONGEST_LABEL), option.shares[-1]) for option in options])
    keys = [option for option in options if option.is_key]
    if len(keys) == 1:
        title = _(
            "%(code)s: the right answer is chosen by %(low)s %% of the weakest and %(high)s %% of the strongest group.",
            code=code,
            low=percent(keys[0].shares[0]),
            high=percent(keys[0].shares[-1]),
        )
    else:
        title = _("%(code)s: which group of candidates chooses what.", code=code)
    description = _("One line for each option, the right ones bold. A good wrong option falls to the right.")
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (one.label, _("Yes") if one.is_key else _("No"), *(float(share) for share in one.shares))
        for one in options
    )
    return Chart(title, plane.svg(name, title, description), (_("Option"), _("Right answer"), *heads), rows)


# ---------------------------------------------------------------- the test


def score_histogram(name: str, scores: Sequence[Number], maximum: int, *, cut: Number | None = None) -> Chart:
    """How many candidates have which score. A bar holds the scores from its left end up to, and without, its right end."""
    width = _bin_width(maximum)
    counts = [0] * (maximum // width + 1)
    for score in scores:
        counts[min(max(0, int(score // width)), len(counts) - 1)] += 1
    rows = tuple((at * width, (at + 1) * width, count) for at, count in enumerate(counts))
    candidates = _("Candidates")
    plane = Plane(
        (_("Score"), (0.0, float(len(counts) * width))),
        (candidates, scale([*counts, 5], least=0.0)),
        least_step=1.0,
    )
    for left, right, count in rows:
        is_low = cut is not None and right <= cut
        tip = f"{left}–{right}: {count}"
        plane.bar(left, right, count, tip, look="bar low" if is_low else "bar")
    if cut is None:
        title = _("Scores of %(n)s candidates.", n=len(scores))
    else:
        plane.mark_across(cut, _("Cut score %(cut)s", cut=shown(cut)))
        title = _(
            "%(passed)s of %(n)s candidates reach the cut score of %(cut)s.",
            passed=sum(score >= cut for score in scores),
            n=len(scores),
            cut=shown(cut),
        )
    description = _("Each bar is a range of scores, its height the number of candidates in it.")
    return Chart(
        title, plane.svg(name, title, description), (_("Scores from"), _("to below"), candidates), rows
    )


def _bin_width(maximum: int) -> int:
    """A width of 1, 2 or 5 times a power of ten, so that there are not too many bars."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if maximum // (power * factor) < MOST_BINS:
                return power * factor
        power *= 10


def information_curve(
    name: str, points: Sequence[tuple[Number, Number]], *, cut: Number | None = None
) -> Chart:
    """Test information over ability (logits, in order); the table adds the standard error, one by its square root.

    ``points``: ability and information, at least one of it above 0. ``cut``: the cut score as an ability.
    """
    ability, information = _("Ability"), _("Information")
    rows = tuple(
        (float(at), float(value), 1 / math.sqrt(value) if value > 0 else None) for at, value in points
    )
    across = scale([at for at, _value in points] + ([] if cut is None else [cut]))
    plane = Plane((ability, across), (information, scale([value for _at, value in points], least=0.0)))
    plane.line(points, class_="line")
    if cut is not None:
        plane.mark_across(cut, _("Cut score %(cut)s", cut=shown(cut)))
    best = max(points, key=lambda point: point[1])[0]
    title = _("The test measures most exactly at an ability of %(best)s.", best=shown(best))
    description = _(
        "The higher the line, the smaller the error of measurement of candidates of that ability."
    )
    heads = (ability, information, _("Standard error"))
    return Chart(title, plane.svg(name, title, description), heads, rows)


# ---------------------------------------------------------------- the cut score


def judges_cuts(name: str, cuts: Sequence[Number], *, cut: Number) -> Chart:
    """The pass mark of each judge, from the lowest to the highest, and their mean."""
    judge_word, cut_word = _("Judge"), _("Cut score")
    ordered = sorted(float(one) for one in cuts)
    plane = Plane((judge_word, (0.0, len(ordered) + 1.0)), (cut_word, (0.0, 100.0)), least_step=1.0)
    for place, one in enumerate(ordered, 1):
        plane.dot(place, one, shown(one))
    plane.mark_up(cut, _("Cut score %(cut)s", cut=shown(cut)))
    title = _(
        "Ebel: a cut score of %(cut)s; the judges lie between %(low)s and %(high)s.",
        cut=shown(cut),
        low=shown(ordered[0]),
        high=shown(ordered[-1]),
    )
    description = _("Each point is the cut score of one judge; the dashed line is their mean.")
    return Chart(
        title, plane.svg(name, title, description), (judge_word, cut_word), tuple(enumerate(ordered, 1))
    )


def hofstee(
    name: str,
    fail_rates: Sequence[tuple[Number, Number]],
    *,
    cuts: tuple[Number, Number],
    rates: tuple[Number, Number],
    found: tuple[Number, Number] | None,
) -> Chart:
    """The share that would fail at each cut score, in order, and what the judges would accept.

    ``cuts``, ``rates``: lowest and highest acceptable cut score and fail rate (0 to 1); the judges' line falls from the
    lowest cut with the highest rate to the highest cut with the lowest. ``found``: where it meets the curve, if it does.
    """
    cut_word, rate_word = _("Cut score"), _("Share that fails")
    plane = Plane((cut_word, scale([*(cut for cut, _rate in fail_rates), *cuts])), (rate_word, (0.0, 1.0)))
    plane.rectangle(cuts, rates)
    plane.line([(cuts[0], rates[1]), (cuts[1], rates[0])], **DASHED)
    plane.line(fail_rates, class_="line")
    if found is None:
        title = _("Hofstee: the judges' line does not meet the fail rates, so there is no cut score.")
    else:
        cut, rate = shown(found[0]), percent(found[1])
        plane.dot(*found, f"{cut}: {rate} %")
        plane.label(*found, cut)
        title = _("Hofstee: a cut score of %(cut)s; %(rate)s %% would fail.", cut=cut, rate=rate)
    description = _(
        "The rising line is the share that would fail. The judges accept cut scores from %(low)s to %(high)s and fail "
        "rates from %(least)s to %(most)s %%: the field. The cut score is where its falling diagonal meets the line.",
        low=shown(cuts[0]),
        high=shown(cuts[1]),
        least=percent(rates[0]),
        most=percent(rates[1]),
    )
    rows = tuple((float(cut), float(rate)) for cut, rate in fail_rates)
    return Chart(title, plane.svg(name, title, description), (cut_word, rate_word), rows)


def borderline_regression(
    name: str,
    points: Sequence[tuple[Number, Number]],
    *,
    slope: Number,
    intercept: Number,
    borderline: Number,
) -> Chart:
    """Examiners' global ratings against checklist scores, and the score that the line gives to a borderline rating."""
    rating_word, score_word = _("Global rating"), _("Checklist score")
    ratings = [float(rating) for rating, _score in points] + [float(borderline)]
    low, high = min(ratings), max(ratings)
    ends = [(at, float(intercept) + float(slope) * at) for at in (low, high)]
    cut = float(intercept) + float(slope) * float(borderline)
    heights = [*(score for _rating, score in points), *(height for _at, height in ends)]
    plane = Plane((rating_word, (low - 0.5, high + 0.5)), (score_word, scale(heights)))
    for rating, score in points:
        plane.dot(rating, score, f"{shown(rating)}: {shown(score)}")
    plane.line(ends, class_="line")
    plane.mark_across(borderline, _("Borderline"))
    plane.mark_up(cut, _("Cut score %(cut)s", cut=shown(cut)))
    title = _(
        "Borderline regression: a cut score of %(cut)s at a rating of %(rating)s.",
        cut=shown(cut),
        rating=shown(borderline),
    )
    description = _(
        "Each point is a candidate at the station; the line is the score to be expected at a rating."
    )
    rows = tuple((float(rating), float(score)) for rating, score in points)
    return Chart(title, plane.svg(name, title, description), (rating_word, score_word), rows)
