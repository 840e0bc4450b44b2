"""The numbers of a test for its staff: the test on one page, each question on a page of its own, all of it as a file."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Response, jsonify, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from lms.assessments import queries, services
from lms.assessments.models import ExamForm, Test, TestStatistics
from lms.assessments.psychometrics import charts
from lms.assessments.psychometrics.flags import FLAGS, Flag
from lms.assessments.psychometrics.listing import HEADS, lines, question_table
from lms.assessments.psychometrics.terms import DEFINITIONS, REASONS, Definition, Reason
from lms.assessments.queries.shown import LETTERS
from lms.assessments.views.blueprint import bp
from lms.core import clock
from lms.core.db import transaction
from lms.core.errors import NotFound
from lms.core.i18n import _, lazy
from lms.policy import Permission, Role
from lms.programmes import queries as programmes
from lms.web.guard import actor, staff, wants_json

statistics_staff = staff(Role.EXAMINER, Role.EDUCATOR, Role.DIRECTOR)

REGIONS = {
    "east": lazy("East"),
    "central": lazy("Central"),
    "west": lazy("West"),
    "northeast": lazy("North-east"),
}
MOST_PAIRS = 20
"""Pairs on the page; the file holds all."""
MODELS = {"rasch": lazy("Rasch model"), "two_pl": lazy("Two-parameter model")}


@bp.app_template_filter()
def figure(value: float | None, digits: int = 2) -> str:
    """A number of a report as people read it; a dash where there is none."""
    return "–" if value is None else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


@bp.app_template_filter()
def reason_words(code: str | None) -> str:
    """Why a number is missing; empty where it is not."""
    return str(REASONS[Reason(code)]) if code else ""


@dataclass(frozen=True)
class _Seen:
    """The numbers of a test as one person may see them."""

    test: Test
    form: ExamForm
    row: TestStatistics | None
    sight: queries.Sight
    asked: TestStatistics | None
    """The newest request."""
    is_current: bool
    has_results: bool

    @property
    def is_hidden(self) -> bool:
        """Whether so few people were counted that the numbers would tell whose they are."""
        return self.row is not None and not self.sight.names and self.row.n < queries.LEAST_ANONYMOUS

    @property
    def report(self) -> Mapping[str, Any] | None:
        """What was computed, where there is anything to show."""
        return None if self.row is None or self.is_hidden or not self.row.n else self.row.report


def _seen(public_id: str) -> _Seen:
    by = actor()
    test = queries.test(public_id, by, permission=Permission.STATISTICS_READ)
    form, now = queries.form_of(test.id), queries.stand(test.id)
    asked = queries.newest_request(test.id)
    row = asked if asked is None or asked.state == "done" else queries.statistics(test.id)
    return _Seen(
        test=test,
        form=form,
        row=row,
        sight=queries.sight(test, form, by),
        asked=asked,
        is_current=queries.is_current(row, now),
        has_results=now.count > 0,
    )


@bp.get("/tests/<public_id>/statistics")
@statistics_staff
def statistics(public_id: str) -> ResponseReturnValue:
    """What to look at first, then the test, its questions, models, groups, and pairs to review."""
    seen = _seen(public_id)
    is_waiting = seen.asked is not None and seen.asked.state == "waiting"
    text = _("The numbers are being computed.")
    if wants_json():
        return jsonify(done=int(not is_waiting), total=1, text=text)
    report = seen.report
    pairs = report["similarity"]["suggested"] if report and seen.sight.names else ()
    return render_template(
        "assessments/statistics.html",
        seen=seen,
        test=seen.test,
        report=report,
        is_waiting=is_waiting,
        text=text,
        whole_advice=[str(FLAGS[Flag(flag)]) for flag in report["flags"]] if report else (),
        advice=_advice(report, seen.sight) if report else (),
        pictures=_pictures(report) if report else {},
        groups=_groups(),
        models=MODELS,
        unequal=_unequal(report) if report else (),
        definitions=_definitions(report) if report else (),
        people=queries.people_of([one for pair in pairs[:MOST_PAIRS] for one in pair["sittings"]]),
        most_pairs=MOST_PAIRS,
        pairs=pairs,
        tab="tests",
    )


@bp.post("/tests/<public_id>/statistics")
@statistics_staff
def request_statistics(public_id: str) -> ResponseReturnValue:
    """Have the numbers computed over the results there are now."""
    by, at = actor(), clock.now()
    found = queries.test(public_id, by, permission=Permission.STATISTICS_READ)
    with transaction():
        services.request_statistics(found, by=by, at=at)
    return redirect(url_for("assessments.statistics", public_id=public_id), 303)


@bp.get("/tests/<public_id>/statistics/<int:slot>")
@statistics_staff
def question_statistics(public_id: str, slot: int) -> ResponseReturnValue:
    """One question: its numbers, and who chose which option for those who may see the key."""
    seen = _seen(public_id)
    report = seen.report
    asked = next((one for one in report["asked"] if one["slot"] == slot), None) if report else None
    if report is None or asked is None:
        raise NotFound
    item = None
    if seen.sight.keys:
        item = next((one for one in queries.paper(seen.form, None) if one.slot == slot), None)
    letters = _letters(asked)
    texts = {option.id: option.text for option in item.options} if item else {}
    slots = [one["slot"] for one in report["asked"]]
    place = slots.index(slot)
    return render_template(
        "assessments/question_statistics.html",
        seen=seen,
        test=seen.test,
        report=report,
        asked=asked,
        item=item,
        letters=letters,
        texts=texts,
        flags=[(str(FLAGS[Flag(flag)]), options) for flag, options in _flags_of(asked, seen.sight).items()],
        picture=_option_picture(asked, report, letters) if item else None,
        groups=_groups(),
        models=MODELS,
        definitions=_definitions(report),
        before=slots[place - 1] if place else None,
        after=slots[place + 1] if place + 1 < len(slots) else None,
        tab="tests",
    )


@bp.get("/tests/<public_id>/statistics.csv")
@statistics_staff
def statistics_file(public_id: str) -> ResponseReturnValue:
    """Every number in one table, for a spreadsheet; as much of it as the reader may see."""
    seen = _seen(public_id)
    if seen.report is None or seen.row is None:
        raise NotFound
    rows = lines(seen.report, facts(seen.row), keys=seen.sight.keys, pairs=seen.sight.names)
    return _file(f"statistics-{public_id}.csv", [HEADS, *rows])


@bp.get("/tests/<public_id>/statistics/questions.csv")
@statistics_staff
def questions_file(public_id: str) -> ResponseReturnValue:
    """One line for each question, as a spreadsheet is read."""
    seen = _seen(public_id)
    if seen.report is None:
        raise NotFound
    return _file(f"questions-{public_id}.csv", question_table(seen.report, keys=seen.sight.keys))


def _file(name: str, rows: Iterable[Sequence[Any]]) -> Response:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    # The mark at the beginning tells Excel and WPS that this is UTF-8.
    response = Response("\ufeff" + out.getvalue(), mimetype="text/csv")
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response


def facts(row: TestStatistics) -> dict[str, Any]:
    """What the numbers rest on."""
    return {
        "n": row.n,
        "left_out": row.left_out,
        "data_sha256": row.data_sha256,
        "engine_version": row.engine_version,
        "computed_at": row.computed_at.isoformat(timespec="seconds") if row.computed_at else "",
    }


# ---------------------------------------------------------------- words


def _groups() -> dict[str, dict[str, str]]:
    return {"track": dict(programmes.tracks()), "region": {code: str(name) for code, name in REGIONS.items()}}


def _letters(asked: Mapping[str, Any]) -> dict[str, str]:
    return {option["id"]: letter for option, letter in zip(asked["options"] or (), LETTERS, strict=False)}


def _flags_of(asked: Mapping[str, Any], sight: queries.Sight) -> dict[str, str]:
    """Flag of a question → letters of the options it is about, empty where it is about the whole."""
    found = dict.fromkeys(asked["flags"], "")
    letters = _letters(asked)
    for option in (asked["options"] or ()) if sight.keys else ():
        for flag in option["flags"]:
            found[flag] = (
                f"{found[flag]}, {letters[option['id']]}" if found.get(flag) else letters[option["id"]]
            )
    return found


_FIRST = (
    Flag.BETTER_THAN_THE_KEY, Flag.KEY_CHOSEN_BY_THE_WEAK, Flag.NEGATIVE, Flag.UNEQUAL, Flag.CHOSEN_BY_THE_STRONG,
    Flag.VERY_HARD, Flag.WEAK, Flag.OFTEN_OMITTED, Flag.VERY_EASY, Flag.RARELY_CHOSEN,
)  # fmt: skip
"""What may have cost candidates marks comes first."""


def _advice(report: Mapping[str, Any], sight: queries.Sight) -> list[tuple[str, list[tuple[int, str]]]]:
    """What to look at: each flag in words with its questions (slot, options)."""
    found: dict[str, list[tuple[int, str]]] = {flag: [] for flag in _FIRST}
    for asked in report["asked"]:
        for flag, options in _flags_of(asked, sight).items():
            found[flag].append((asked["slot"], options))
    return [(str(FLAGS[Flag(flag)]), questions) for flag, questions in found.items() if questions]


def _unequal(report: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    """Questions that do not meet two groups on equal terms, the largest differences first."""
    found = [
        (asked["slot"], one) for asked in report["asked"] for one in asked["dif"] if one["ets"] in {"B", "C"}
    ]
    return sorted(found, key=lambda pair: -abs(pair[1]["delta"]))


def _definitions(report: Mapping[str, Any]) -> list[str]:
    return [str(DEFINITIONS[Definition(code)]) for code in report["definitions"]]


# ---------------------------------------------------------------- pictures


def _pictures(report: Mapping[str, Any]) -> dict[str, charts.Chart]:
    scores = [score for score, count in report["scores"] for _time in range(count)]
    points = [
        charts.ItemPoint(str(asked["slot"]), asked["facility"], asked["discrimination"])
        for asked in report["asked"]
    ]
    found = {
        "scores": charts.score_histogram(
            "score-chart", scores, max(1, round(report["maximum"])), cut=report["cut"]
        ),
        "items": charts.item_scatter("item-chart", points),
    }
    for name in ("two_pl", "rasch"):
        model = report["models"][name]
        if model["curve"]:
            found["information"] = charts.information_curve(
                "information-chart", model["curve"], cut=model["at_cut"]
            )
            break
    return found


def _option_picture(
    asked: Mapping[str, Any], report: Mapping[str, Any], letters: Mapping[str, str]
) -> charts.Chart | None:
    if not asked["options"] or not report["groups"]:
        return None
    curves = [
        charts.OptionCurve(letters[option["id"]], option["is_right"], tuple(shares))
        for option, shares in zip(asked["options"], asked["shares"], strict=True)
    ]
    return charts.option_curves("option-chart", str(asked["slot"]), curves, report["groups"])
