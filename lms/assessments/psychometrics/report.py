"""Everything that is told of a test, from the answers of its candidates: plain values that JSON can hold.

The pages, the file for a spreadsheet and the command line show these values and compute nothing of their own.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lms.assessments.psychometrics import irt
from lms.assessments.psychometrics.answers import ENGINE_VERSION, Answers
from lms.assessments.psychometrics.arrays import TINY, Floats, marks
from lms.assessments.psychometrics.chosen import Chosen, chosen_of
from lms.assessments.psychometrics.classical import Classical, classical
from lms.assessments.psychometrics.decisions import decisions
from lms.assessments.psychometrics.dif import SMALLEST_GROUP, Dif, dif
from lms.assessments.psychometrics.flags import Flag, item_flags, whole_flags
from lms.assessments.psychometrics.moodle import moodle, uncounted
from lms.assessments.psychometrics.options import OptionTable, option_table
from lms.assessments.psychometrics.similarity import coded, similarity
from lms.assessments.psychometrics.terms import Definition, Reason

LEAST_COMPARED = 30
"""People that a group needs before it is compared with another at all; a class needs more."""
_THETAS = [step / 4 for step in range(-16, 17)]


def report(answers: Answers) -> dict[str, Any]:
    """All numbers of a test. Ids of options are in it, so not everybody may read all of it."""
    maxima = [one.maximum for one in answers.asked]
    rows = np.array(
        [[np.nan if mark is None else mark for mark in row] for row in answers.marks], dtype=np.float64
    ).reshape(len(answers.candidates), len(maxima))
    chosen = _chosen_of(answers)
    whole = classical(rows, maxima, chosen=chosen)
    total = marks(rows).sum(axis=1)
    best = float(sum(maxima)) if answers.maximum is None else answers.maximum
    models = (irt.Model.RASCH, irt.Model.TWO_PL)
    if chosen is None:
        fits = {model: irt.fit(rows, model, maxima) for model in models}
        like_moodle = moodle(rows, maxima)
    else:
        fits = {model: irt.unfitted(len(rows), len(maxima), model, Reason.CHOSEN) for model in models}
        like_moodle = uncounted(len(rows), len(maxima), Reason.CHOSEN)
    compared = _compared(rows, maxima, answers.groups, is_chosen=chosen is not None)
    tables = _tables(answers, rows, total)
    sizes, fifths = _fifths(total)
    decided = decisions(
        n=whole.n, mean=whole.totals.mean, sd=whole.totals.sd, reliability=whole.alpha, cut=answers.cut
    )
    found = {
        "engine": ENGINE_VERSION,
        "n": whole.n,
        "maximum": best,
        "cut": answers.cut,
        "test": _plain(whole, without={"items", "totals"}),
        "totals": _plain(whole.totals),
        "scores": [
            [float(score), int(count)]
            for score, count in sorted(Counter(np.round(total, 9).tolist()).items())
        ],
        "decisions": _plain(decided),
        "near_cut": int((np.abs(total - answers.cut) <= whole.sem + TINY).sum())
        if whole.sem is not None
        else None,
        "flags": whole_flags(alpha=whole.alpha, wrong=decided.wrong, mean=whole.totals.mean, maximum=best),
        "moodle": _plain(like_moodle, without={"items"}),
        "groups": sizes,
        "models": {model.value: _model(fitted, answers.cut, maxima) for model, fitted in fits.items()},
        "dif": [one.told() for one in compared],
        "similarity": _similar(answers, rows, maxima, total),
        "definitions": _definitions(whole, tables, [*fits.values()], compared),
    }
    if chosen is not None:
        found["chosen"] = True
    found["asked"] = [
        _question(
            place,
            answers,
            whole,
            tables[place],
            {
                "moodle": _plain(like_moodle.items[place], without={"index", "n"}),
                **{
                    model.value: _plain(fitted.items[place], without={"index"})
                    for model, fitted in fits.items()
                },
                "dif": [said for one in compared if (said := one.of_item(place))],
                "shares": _shares(place, answers, fifths),
            },
        )
        for place in range(whole.k)
    ]
    plain: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return plain


def _chosen_of(answers: Answers) -> Chosen | None:
    """What candidates chose; None where everybody had everything."""
    asked = answers.asked
    return chosen_of(answers.had or [], [one.choice for one in asked], [one.case for one in asked])


def _having(answers: Answers, place: int) -> list[int]:
    """The candidates who had a question."""
    return [who for who in range(len(answers.candidates)) if answers.had is None or answers.had[who][place]]


def _plain(result: Any, without: frozenset[str] | set[str] = frozenset()) -> dict[str, Any]:
    """A result as plain values; its definitions are told once for all."""
    found: dict[str, Any] = asdict(result)
    return {name: value for name, value in found.items() if name not in {*without, "definitions"}}


def _definitions(
    whole: Classical,
    tables: Sequence[OptionTable | None],
    fits: Sequence[irt.Fit],
    compared: "Sequence[_Compared]",
) -> list[str]:
    used: dict[Definition, None] = dict.fromkeys([Definition.FIRST_ATTEMPT, *whole.definitions])
    used.update(dict.fromkeys([Definition.NORMAL_ERROR, Definition.MOODLE]))
    results: list[OptionTable | irt.Fit | Dif | None] = [*tables, *(one for one in fits if one.is_fitted)]
    for result in (*results, *(one.found for one in compared)):
        used.update(dict.fromkeys(result.definitions if result else ()))
    used.update(dict.fromkeys([Definition.IDENTICAL_WRONG, Definition.BENJAMINI_HOCHBERG]))
    return [one.value for one in used]


# ---------------------------------------------------------------- questions


def _question(
    place: int, answers: Answers, whole: Classical, table: OptionTable | None, more: dict[str, Any]
) -> dict[str, Any]:
    item = whole.items[place]
    unfair = [Flag.UNEQUAL for one in more["dif"] if one["ets"] == "C"]
    return {
        "slot": answers.asked[place].slot,
        "code": answers.asked[place].code,
        **_plain(item, without={"index"}),
        "flags": [flag.value for flag in dict.fromkeys([*item_flags(item), *unfair])],
        "options": [_plain(option) for option in table.options] if table else None,
        "working_distractors": table.working_distractors if table else None,
        **more,
    }


def _tables(answers: Answers, rows: Floats, total: Floats) -> list[OptionTable | None]:
    earned = marks(rows)
    found: list[OptionTable | None] = []
    for place, one in enumerate(answers.asked):
        had = _having(answers, place)
        found.append(
            option_table(
                [_chosen(answers.said[who][place]) for who in had],
                earned[had, place],
                total[had],
                options=one.options,
                right=one.right,
            )
            if one.options
            else None
        )
    return found


def _chosen(said: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if said is None else (said,) if isinstance(said, str) else said


def _fifths(total: Floats) -> tuple[list[int], list[list[int]]]:
    """Groups of about equal size by total, the weakest first: their sizes, and who is in each; none of fewer than 20."""
    count = min(5, len(total) // 10)
    if count < 2:
        return [], []
    order = np.argsort(np.round(total / TINY), kind="stable")
    groups = [part.tolist() for part in np.array_split(order, count)]
    return [len(group) for group in groups], groups


def _shares(place: int, answers: Answers, groups: list[list[int]]) -> list[list[float]]:
    """Of each option, the share that chose it in each group."""
    had = set(_having(answers, place))
    groups = [[who for who in group if who in had] for group in groups]
    if not all(groups):  # of a choice, and nobody of some group chose it
        groups = []
    return [
        [sum(option in _chosen(answers.said[who][place]) for who in group) / len(group) for group in groups]
        for option in answers.asked[place].options
    ]


# ---------------------------------------------------------------- models


def _model(fitted: irt.Fit, cut: float, maxima: Sequence[float]) -> dict[str, Any]:
    """A fitted model as told; abilities of people stay out of it."""
    found = _plain(fitted, without={"items", "abilities"})
    found.update(curve=[], at_cut=None, sem_at_cut=None, marks_sem_at_cut=None)
    if fitted.is_fitted:
        found["curve"] = [[theta, irt.information(fitted.items, theta)] for theta in _THETAS]
        is_whole = len(set(maxima)) == 1 and all(item.a is not None for item in fitted.items)
        at = irt.ability_at(fitted.items, cut / maxima[0]) if is_whole else None
        if at is not None:
            found["at_cut"], found["sem_at_cut"] = at, irt.conditional_sem(fitted.items, at)
            found["marks_sem_at_cut"] = maxima[0] * irt.score_sem(fitted.items, at)
    return found


# ---------------------------------------------------------------- groups


@dataclass(frozen=True)
class _Compared:
    """The largest group of a kind against another one."""

    kind: str
    reference: str
    focal: str
    n_reference: int
    n_focal: int
    found: Dif | None
    """None: the other group is too small for any comparison, or candidates chose their questions."""
    is_chosen: bool = False

    def told(self) -> dict[str, Any]:
        """The comparison as a whole."""
        items = self.found.items if self.found else ()
        why = None
        if self.is_chosen:
            why = Reason.CHOSEN
        elif self.found is None:
            why = Reason.FEWER_THAN_30
        elif min(self.n_reference, self.n_focal) < SMALLEST_GROUP:
            why = Reason.FEW_IN_A_GROUP
        return {
            "kind": self.kind,
            "reference": self.reference,
            "focal": self.focal,
            "n_reference": self.n_reference,
            "n_focal": self.n_focal,
            "is_made": self.found is not None,
            "classes": {name: sum(item.ets == name for item in items) for name in "ABC"},
            "why": why,
        }

    def of_item(self, place: int) -> dict[str, Any] | None:
        """What it says of one question."""
        if self.found is None:
            return None
        item = self.found.items[place]
        return {
            "kind": self.kind,
            "reference": self.reference,
            "focal": self.focal,
            "delta": item.delta,
            "delta_se": item.delta_se,
            "odds_ratio": item.association.odds_ratio,
            "chi_square": item.association.chi_square,
            "p": item.association.p,
            "ets": item.ets,
            "favours": item.favours and getattr(self, item.favours),
            "why": {**item.association.why, **item.why},
        }


def _compared(
    rows: Floats, maxima: Sequence[float], groups: Mapping[str, Sequence[str]], *, is_chosen: bool
) -> list[_Compared]:
    made = []
    for kind, names in groups.items():
        counts = Counter(name for name in names if name)
        ranked = sorted(counts, key=lambda name: (-counts[name], name))
        for focal in ranked[1:]:
            found = (
                dif(rows, names, reference=ranked[0], focal=focal, maxima=maxima, purify=True)
                if counts[focal] >= LEAST_COMPARED and not is_chosen
                else None
            )
            made.append(_Compared(kind, ranked[0], focal, counts[ranked[0]], counts[focal], found, is_chosen))
    return made


# ---------------------------------------------------------------- equal wrong answers


def _similar(answers: Answers, rows: Floats, maxima: Sequence[float], total: Floats) -> dict[str, Any]:
    """Pairs to review, by the public ids of their sittings, among the questions whose answers are chosen from a list."""
    closed = [place for place, one in enumerate(answers.asked) if one.is_closed]
    right = marks(rows)[:, closed] >= np.array(maxima)[closed] - TINY
    codes = coded([[row[place] for place in closed] for row in answers.said])
    found = similarity(codes.reshape(len(answers.candidates), len(closed)), right, totals=total)
    pairs = [
        {
            **_plain(pair, without={"first", "second", "items"}),
            "sittings": [answers.candidates[pair.first], answers.candidates[pair.second]],
            "slots": [answers.asked[closed[at]].slot for at in pair.items],
        }
        for pair in found.suggested
    ]
    return {**_plain(found, without={"tested", "suggested"}), "suggested": pairs}
