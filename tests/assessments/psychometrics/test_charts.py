"""Charts are sound SVG, their points lie where the numbers say, and the table beside them holds the same numbers."""

from fractions import Fraction
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from lms.assessments.psychometrics import charts
from lms.assessments.psychometrics.charts import ItemPoint, OptionCurve

HALF = Fraction(1, 2)
SMALLEST_TEXT = 11
TELEPHONE = 340
"""CSS pixels that a chart has on the narrowest screens."""

ITEMS = [
    ItemPoint("N1", 0.25, 0.6),
    ItemPoint("N2", HALF, 0.1),
    ItemPoint("N3", 1, -0.1),
    ItemPoint("N4", 0.9, None),
]
OPTIONS = [
    OptionCurve("A", is_key=False, shares=(0.6, 0.3, 0.1)),
    OptionCurve("B", is_key=True, shares=(Fraction(1, 4), HALF, Fraction(7, 8))),
]
FAIL_RATES = [(0, 0), (1, 0.003), (2, 0.023), (3, 0.108), (4, 0.345), (5, 0.702)]
RATED = list(
    zip([1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5], [8, 10, 11, 12, 13, 14, 15, 16, 18, 19, 21, 22], strict=True)
)


def hofstee(found=(3.137931034, 0.140689655)):
    return charts.hofstee("h", FAIL_RATES, cuts=(2, 4), rates=(0.02, 0.30), found=found)


def regression():
    return charts.borderline_regression("r", RATED, slope=3.15139, intercept=5.7251, borderline=2)


ALL = {
    "scatter": charts.item_scatter("s", ITEMS),
    "options": charts.option_curves("o", "N1", OPTIONS, (20, 21, 20)),
    "scores": charts.score_histogram("b", [0, 3, 5, 5, Fraction(11, 2), 10], 10, cut=5),
    "information": charts.information_curve("i", [(-2, 0.5), (0, 4), (2, 1)], cut=0.5),
    "hofstee": hofstee(),
    "regression": regression(),
}

every_chart = pytest.mark.parametrize("chart", ALL.values(), ids=ALL)


def parsed(chart):
    """The drawing, read by an XML parser; names of elements without a name space."""
    return ET.fromstring(chart.svg)


def numbers(element, *names):
    return tuple(float(element.get(name)) for name in names)


def dots(chart):
    return [numbers(circle, "cx", "cy") for circle in parsed(chart).iter("circle")]


def line(chart, css="line"):
    (found,) = [one for one in parsed(chart).iter("polyline") if one.get("class") == css]
    return [tuple(map(float, point.split(","))) for point in found.get("points").split()]


def axes(chart):
    """What the numbers at the axes say of places: two functions, from x and y of the drawing to the numbers."""
    found = {}
    for text in parsed(chart).iter("text"):
        try:
            value = float(text.text)
        except ValueError:
            continue
        if text.get("class") is None:
            found.setdefault(text.get("text-anchor"), []).append((*numbers(text, "x", "y"), value))
    across = [(x, value) for x, _y, value in found["middle"]]
    up = [(y - 4.5, value) for _x, y, value in found["end"]]
    return straight(across), straight(up)


def straight(marks):
    (first, low), (last, high) = min(marks), max(marks)
    return lambda place: low + (place - first) / (last - first) * (high - low)


def read(chart, points):
    across, up = axes(chart)
    return [(across(x), up(y)) for x, y in points]


def near(points):
    return [pytest.approx((float(x), float(y)), abs=0.01, rel=0.005) for x, y in points]


# ---------------------------------------------------------------- all of them


@every_chart
def test_a_chart_is_an_image_with_a_name_and_a_description(chart):
    root = parsed(chart)
    assert isinstance(chart.svg, Markup)
    assert (root.tag, root.get("role")) == ("svg", "img")
    named = {element.get("id"): element for element in root if element.get("id")}
    assert named[root.get("aria-labelledby")].tag == "title"
    assert named[root.get("aria-labelledby")].text == chart.title
    assert named[root.get("aria-describedby")].tag == "desc"
    assert named[root.get("aria-describedby")].text
    assert root[0].tag == "title"


@every_chart
def test_a_chart_keeps_to_the_content_security_policy(chart):
    for element in parsed(chart).iter():
        assert element.tag in {"svg", "title", "desc", "path", "text", "circle", "rect", "polyline"}
        assert not [
            name for name in element.attrib if name == "style" or name.startswith("on") or "href" in name
        ]


@every_chart
def test_a_chart_takes_its_colours_from_the_page(chart):
    for element in parsed(chart).iter():
        assert {element.get(name) for name in ("fill", "stroke")} <= {None, "none", "currentColor"}


@every_chart
def test_text_can_be_read_on_a_telephone(chart):
    root = parsed(chart)
    width = float(root.get("viewBox").split()[2])
    assert float(root.get("font-size")) * TELEPHONE / width >= SMALLEST_TEXT
    assert not [one for one in root.iter() if one is not root and one.get("font-size")]


@every_chart
def test_nothing_is_drawn_outside_the_picture(chart):
    root = parsed(chart)
    _x, _y, width, height = map(float, root.get("viewBox").split())
    for element in root.iter():
        for x, y in (("x", "y"), ("cx", "cy")):
            if element.get(x):
                across, up = numbers(element, x, y)
                assert 0 <= across <= width
                assert 0 <= up <= height


@every_chart
def test_a_table_has_a_head_for_each_column_and_says_its_numbers_for_people(chart):
    assert all(len(row) == len(chart.columns) for row in chart.rows)
    assert all(isinstance(text, str) for row in chart.texts for text in row)
    for row, texts in zip(chart.rows, chart.texts, strict=True):
        for value, text in zip(row, texts, strict=True):
            if isinstance(value, float | int):
                assert float(text) == pytest.approx(value, abs=0.0005)


def test_a_number_that_is_not_defined_is_a_dash():
    assert ALL["scatter"].texts[3] == ("N4", "0.9", "–")


@given(st.text(), st.text())
def test_whatever_a_question_is_called_the_drawing_stays_sound_and_the_table_keeps_the_name(code, label):
    scatter = charts.item_scatter("s", [ItemPoint(code, 0.5, 0.1), ItemPoint(code, 0.5, 0.5)])
    curves = charts.option_curves("o", code, [OptionCurve(label, is_key=True, shares=(0, 1))], (1, 1))
    for chart in (scatter, curves):
        assert {element.tag for element in parsed(chart).iter()} <= {
            "svg", "title", "desc", "path", "text", "circle", "polyline"
        }  # fmt: skip
    assert [row[0] for row in scatter.rows] == [code, code]
    assert curves.rows[0][0] == label


def test_markup_in_a_name_is_shown_and_not_obeyed():
    chart = charts.option_curves("o", "<script>x</script> & %s", OPTIONS, (1, 1, 1))
    assert "<script" not in chart.svg
    assert "<script>x</script> & %s" in parsed(chart)[0].text


# ---------------------------------------------------------------- items


def test_each_question_lies_at_its_facility_and_discrimination():
    assert read(ALL["scatter"], dots(ALL["scatter"])) == near([(0.25, 0.6)])
    diamonds = [one for one in parsed(ALL["scatter"]).iter("path") if one.get("class") == "bar low"]
    starts = [tuple(map(float, one.get("d")[1:].split("m")[0].split())) for one in diamonds]
    assert read(ALL["scatter"], starts) == near([(0.5, 0.1), (1, -0.1)])


def test_the_table_of_questions_holds_every_question_also_those_that_cannot_be_drawn():
    assert ALL["scatter"].rows == (
        ("N1", 0.25, 0.6),
        ("N2", 0.5, 0.1),
        ("N3", 1.0, -0.1),
        ("N4", 0.9, None),
    )


def test_weak_questions_have_their_code_beside_them_and_others_do_not():
    texts = [text.text for text in parsed(ALL["scatter"]).iter("text")]
    assert {"N2", "N3"} <= set(texts)
    assert not {"N1", "N4"} & set(texts)


def test_codes_do_not_lie_on_one_another():
    chart = charts.item_scatter("s", [ItemPoint(f"N{n}", 0.3 + n / 1000, 0.05) for n in range(8)])
    assert len([text for text in parsed(chart).iter("text") if text.text.startswith("N")]) == 1


def test_a_number_that_is_none_at_all_is_left_out():
    chart = charts.item_scatter("s", [ItemPoint("N1", float("nan"), 0.5)])
    assert chart.rows == (("N1", None, 0.5),)
    assert dots(chart) == []


def test_each_option_has_a_line_through_its_shares():
    key, other = OPTIONS[1], OPTIONS[0]
    assert read(ALL["options"], line(ALL["options"])) == near(enumerate(key.shares, 1))
    assert read(ALL["options"], line(ALL["options"], css=None)) == near(enumerate(other.shares, 1))
    assert [(row[0], *row[2:]) for row in ALL["options"].rows] == [
        ("A", 0.6, 0.3, 0.1),
        ("B", 0.25, 0.5, 0.875),
    ]
    assert ALL["options"].rows[0][1] != ALL["options"].rows[1][1]


def test_names_at_the_ends_of_lines_do_not_lie_on_one_another():
    options = [OptionCurve(letter, is_key=False, shares=(0.2, 0.01)) for letter in "ABCDE"]
    texts = parsed(charts.option_curves("o", "N1", options, (9, 9))).iter("text")
    heights = sorted(float(text.get("y")) for text in texts if text.text in set("ABCDE"))
    assert len(heights) == 5
    assert all(below - above >= 12.9 for above, below in pairwise(heights))


# ---------------------------------------------------------------- the test


def bars(chart):
    return [one for one in parsed(chart).iter("rect") if one.get("class", "").startswith("bar")]


def test_bars_are_as_high_as_there_are_candidates_and_stand_over_their_scores():
    chart = ALL["scores"]
    assert chart.rows == tuple((n, n + 1, {0: 1, 3: 1, 5: 3, 10: 1}.get(n, 0)) for n in range(11))
    tops = read(chart, [numbers(bar, "x", "y") for bar in bars(chart)])
    assert tops == [pytest.approx((left, count), abs=0.06) for left, _right, count in chart.rows]


def test_bars_below_the_cut_score_look_different():
    low = [bar.get("class") == "bar low" for bar in bars(ALL["scores"])]
    assert low == [True] * 5 + [False] * 6


def test_the_cut_score_is_drawn_where_it_is():
    across, _up = axes(ALL["scores"])
    (mark,) = [one for one in parsed(ALL["scores"]).iter("path") if one.get("stroke-dasharray")]
    assert across(float(mark.get("d")[1:].split()[0])) == pytest.approx(5, abs=0.01)


def test_without_a_cut_score_nobody_is_below_it():
    chart = charts.score_histogram("b", [1, 2], 10)
    assert {bar.get("class") for bar in bars(chart)} == {"bar"}
    assert chart.title != charts.score_histogram("b", [1, 2], 10, cut=1).title


@given(
    st.integers(1, 3000).flatmap(
        lambda most: st.tuples(st.just(most), st.lists(st.fractions(0, most), max_size=40))
    )
)
def test_every_candidate_is_in_exactly_the_bar_that_holds_the_score(given_scores):
    most, scores = given_scores
    rows = charts.score_histogram("b", scores, most).rows
    assert len(rows) <= charts.MOST_BINS
    assert [count for _left, _right, count in rows] == [
        sum(left <= score < right for score in scores) for left, right, _count in rows
    ]
    assert sum(count for *_ends, count in rows) == len(scores)


def test_a_candidate_at_the_cut_score_reaches_it_however_little_is_missing_to_another():
    scores = [Fraction(6), Fraction(6) - Fraction(1, 10**20)]
    reached = charts.score_histogram("b", scores, 10, cut=Fraction(6)).title
    assert reached == charts.score_histogram("b", [6, 5], 10, cut=6).title


def test_the_information_curve_goes_through_its_points_and_the_table_knows_the_error():
    chart = ALL["information"]
    assert read(chart, line(chart)) == near([(-2, 0.5), (0, 4), (2, 1)])
    assert chart.rows == ((-2.0, 0.5, pytest.approx(2**0.5)), (0.0, 4.0, 0.5), (2.0, 1.0, 1.0))


def test_where_there_is_no_information_there_is_no_error_of_measurement():
    assert charts.information_curve("i", [(0, 0), (1, 1)]).rows[0] == (0.0, 0.0, None)


# ---------------------------------------------------------------- the cut score


def test_hofstee_draws_the_fail_rates_the_judges_field_its_diagonal_and_where_they_meet():
    chart = hofstee()
    assert read(chart, line(chart)) == near(FAIL_RATES)
    assert read(chart, line(chart, css=None)) == near([(2, 0.30), (4, 0.02)])
    assert read(chart, dots(chart)) == near([(3.137931034, 0.140689655)])
    (field,) = parsed(chart).iter("rect")
    x, y, width, height = numbers(field, "x", "y", "width", "height")
    assert read(chart, [(x, y), (x + width, y + height)]) == near([(2, 0.30), (4, 0.02)])
    assert chart.rows == tuple((float(cut), float(rate)) for cut, rate in FAIL_RATES)


def test_hofstee_without_a_meeting_point_says_so_and_draws_none():
    chart = hofstee(found=None)
    assert dots(chart) == []
    assert chart.title != hofstee().title


def test_borderline_regression_draws_candidates_line_and_cut():
    chart = regression()
    assert read(chart, dots(chart)) == near(RATED)
    assert read(chart, line(chart)) == near([(1, 8.87649), (5, 21.48205)])
    across, up = axes(chart)
    level, upright = sorted(
        (one.get("d") for one in parsed(chart).iter("path") if one.get("stroke-dasharray")),
        key=lambda drawn: "V" in drawn,
    )
    assert across(float(upright[1:].split()[0])) == pytest.approx(2, abs=0.01)
    assert up(float(level.split()[1].split("H")[0])) == pytest.approx(12.0279, abs=0.05)
    assert chart.rows == tuple((float(rating), float(score)) for rating, score in RATED)


# ---------------------------------------------------------------- odd numbers


@given(
    st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=12),
    st.floats(-100, 100),
    st.floats(-1e6, 1e6),
    st.floats(-1e6, 1e6),
)
def test_any_regression_can_be_drawn_inside_the_picture(points, slope, intercept, borderline):
    chart = charts.borderline_regression("r", points, slope=slope, intercept=intercept, borderline=borderline)
    assert len(dots(chart)) == len(points)
    assert all(0 <= x <= 400 and 0 <= y <= 300 for x, y in [*dots(chart), *line(chart)])


@given(st.lists(st.tuples(st.floats(-6, 6), st.floats(0, 1e4)), min_size=1, max_size=12))
def test_any_information_can_be_drawn_inside_the_picture(points):
    chart = charts.information_curve("i", points)
    assert all(0 <= x <= 400 and 0 <= y <= 300 for x, y in line(chart))


def test_charts_of_nobody_can_be_drawn():
    for chart in (charts.item_scatter("s", []), charts.score_histogram("b", [], 10, cut=6)):
        assert dots(chart) == []
