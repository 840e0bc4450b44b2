"""Laws of marking that hold for every sound item and every response, whatever its kind."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lms.assessments import rules
from lms.assessments.rules.items.numbers import written
from lms.assessments.rules.items.units import converted

IDS = "abcdefgh"


def options(ids):
    return [{"id": one, "zh": f"选项{one}"} for one in ids]


def sound(code, body, key):
    """An item that may be used, with its stem."""
    whole = {"stem": {"en": "What is done first?"}, **body}
    assert rules.faults(code, whole, key) == []
    return code, whole, key


counts = st.integers(2, len(IDS)).map(lambda n: IDS[:n])
thirds = st.integers(-6, 6).map(lambda n: str(Fraction(n, 6)))
decimals = st.fractions(-1000, 1000, max_denominator=1).flatmap(
    lambda whole: st.integers(0, 3).map(lambda places: whole / 10**places)
)


@st.composite
def subsets(draw, ids, least=0):
    return draw(st.lists(st.sampled_from(sorted(ids)), min_size=least, unique=True))


@st.composite
def choices(draw):
    ids = draw(counts)
    how = draw(st.sampled_from(["right", "weights", "panel"]))
    if how == "panel":
        panel = dict(
            zip(ids, draw(st.lists(st.integers(0, 9), min_size=len(ids), max_size=len(ids))), strict=True)
        )
        assume(any(panel.values()))
        return sound("SCT", {"options": options(ids)}, {"panel": panel})
    key = {"right": draw(st.sampled_from(ids))}
    if how == "weights":
        key["weights"] = {one: draw(thirds) for one in draw(subsets(ids))}
    return sound("A1", {"options": options(ids)}, key)


@st.composite
def multiples(draw):
    ids = draw(counts)
    scoring = draw(st.sampled_from(["all", "partial", "plus_minus", "key_feature", "weights"]))
    body = {"options": options(ids), "scoring": scoring}
    if scoring == "weights":
        weights = {one: draw(thirds) for one in ids[1:]} | {ids[0]: draw(st.sampled_from(["1", "5/6"]))}
        assume(sum(max(Fraction(0), Fraction(one)) for one in weights.values()) >= 1)
        return sound("X", body, {"weights": weights, "lower": draw(st.sampled_from(["0", "-1", "1/4"]))})
    right = draw(subsets(ids, least=1))
    key = {"right": right}
    if scoring == "key_feature":
        key["must"] = draw(subsets(right))
        key["never"] = [one for one in ids if one not in right and draw(st.booleans())]
        if draw(st.booleans()):
            body["limit"] = len(right)
    return sound("KF" if scoring == "key_feature" else "X", body, key)


@st.composite
def numbers(draw, offers=((), ("mg",), ("mg", "g"), ("mL/h", "mL/min", "L/d"), ("h", "min"))):
    offered = list(draw(st.sampled_from(offers)))
    value = draw(decimals)
    answer = {"value": written(value), "tolerance": draw(st.sampled_from(["0", "0.5", "1/3"]))}
    if draw(st.booleans()) and answer["tolerance"] != "0":
        answer["relative"] = True
    if offered:
        answer["unit"] = offered[0]
    return sound("NUM", {"units": offered}, answer)


@st.composite
def sliders(draw):
    value = draw(st.integers(0, 20))
    return sound("SLIDER", {"low": "0", "high": "10", "step": "0.5"}, {"value": str(value / 2), "tolerance": draw(st.sampled_from(["0", "1"]))})  # fmt: skip


words = st.text(st.sampled_from("abcXYZ 肾上腺素0.1"), min_size=1, max_size=12).filter(
    lambda text: text.strip(" .") != ""
)


@st.composite
def texts(draw):
    shares = ["1", *draw(st.lists(st.sampled_from(["1/2", "0", "1"]), max_size=2))]
    return sound("SHORT", {}, {"accepted": [{"text": draw(words), "share": share} for share in shares]})


@st.composite
def orders(draw):
    ids = draw(counts)
    scoring = draw(st.sampled_from(["all", "pairs", "places"]))
    return sound(
        "ORDER", {"options": options(ids), "scoring": scoring}, {"order": draw(st.permutations(ids))}
    )


@st.composite
def pairs(draw, scorings=("all", "each", "weights")):
    body = {
        "rows": options(["r1", "r2", "r3"]),
        "options": options("abcd"),
        "per_row": 0,
        "scoring": draw(st.sampled_from(scorings)),
    }
    every = [[row, option] for row in ("r1", "r2", "r3") for option in "abcd"]
    if body["scoring"] != "weights":
        return sound(
            "MATCH", body, {"pairs": draw(st.lists(st.sampled_from(every), min_size=1, unique_by=tuple))}
        )
    weights = [[*pair, draw(thirds)] for pair in every[1:]] + [[*every[0], "1"]]
    return sound("MATCH", body, {"weights": weights})


@st.composite
def symmetric_pairs(draw):
    first, second, third, fourth = draw(st.permutations("abcd"))
    body = {"options": options("abcd"), "symmetric": True, "scoring": draw(st.sampled_from(["all", "each"]))}
    return sound("MATCH", body, {"pairs": [[first, second], [third, fourth]]})


EVERY_KIND = st.one_of(
    choices(), multiples(), numbers(), sliders(), texts(), orders(), pairs(), symmetric_pairs()
)


def ask_of(item):
    (ask,) = rules.asks(*item)
    return ask


@st.composite
def responses(draw, ask):
    """A response that the kind allows, right or wrong."""
    ids = [one["id"] for one in ask.body.get("options", [])]
    raw = {
        "choice": lambda: {"choice": draw(st.sampled_from([*ids, None]))},
        "multiple": lambda: {"choices": draw(subsets(ids))[: ask.body.get("limit", len(ids))]},
        "number": lambda: {"number": written(draw(decimals)), "unit": draw(st.sampled_from([*ask.body.get("units", []), ""]))},
        "slider": lambda: {"number": str(draw(st.integers(0, 20)) / 2)},
        "text": lambda: {"text": draw(words)},
        "order": lambda: {"order": draw(st.permutations(ids))},
        "pairs": lambda: {"pairs": draw(_allowed_pairs(ask, ids))},
    }[ask.kind]()  # fmt: skip
    read = rules.read_response(ask, raw)
    assert read is not None
    return read


def _allowed_pairs(ask, ids):
    if ask.body.get("symmetric"):
        return st.permutations(ids).map(lambda order: [order[:2], order[2:]])
    rows = [row["id"] for row in ask.body["rows"]]
    return st.lists(st.tuples(st.sampled_from(rows), st.sampled_from(ids)).map(list), unique_by=tuple)


# ---------------------------------------------------------------- every kind


@given(EVERY_KIND)
def test_the_key_itself_is_a_response_that_earns_everything(item):
    ask = ask_of(item)
    response = rules.read_response(ask, rules.model_response(ask.kind, ask.body, ask.key, {}))
    assert response is not None
    assert rules.is_answered(response)
    assert rules.share(ask, response) == 1


@given(EVERY_KIND, st.data())
def test_a_share_is_an_exact_fraction_between_nothing_and_all(item, data):
    ask = ask_of(item)
    response = data.draw(responses(ask))
    earned = rules.share(ask, response)
    assert type(earned) is Fraction
    assert 0 <= earned <= 1
    assert rules.mark(ask, response, 6) == 6 * earned


@given(EVERY_KIND)
def test_no_answer_earns_nothing(item):
    ask = ask_of(item)
    nothing = {
        "choice": {"choice": None}, "multiple": {"choices": []}, "number": {"number": ""}, "slider": {"number": ""},
        "text": {"text": " "}, "order": {"order": []}, "pairs": {"pairs": []},
    }[ask.kind]  # fmt: skip
    read = rules.read_response(ask, nothing)
    assert read is not None
    assert not rules.is_answered(read)
    assert [rules.share(ask, one) for one in (None, {}, read)] == [0, 0, 0]


@given(EVERY_KIND, st.data())
def test_the_key_and_how_it_is_scored_are_enough_to_mark(item, data):
    ask = ask_of(item)
    response = data.draw(responses(ask))
    terms = {name: ask.body[name] for name in ("scoring", "limit", "symmetric") if name in ask.body}
    assert rules.share(rules.Ask(None, ask.kind, terms, ask.key), response) == rules.share(ask, response)


@given(EVERY_KIND, st.data())
def test_reading_a_response_again_changes_nothing(item, data):
    ask = ask_of(item)
    response = data.draw(responses(ask))
    assert rules.read_response(ask, response) == response


@given(st.one_of(multiples(), pairs(), symmetric_pairs()), st.data())
def test_the_order_of_choices_and_pairs_does_not_count(item, data):
    ask = ask_of(item)
    response = data.draw(responses(ask))
    ((name, given_order),) = response.items()
    other = {name: data.draw(st.permutations(given_order))}
    if ask.body.get("symmetric"):
        other = {name: [data.draw(st.permutations(pair)) for pair in other[name]]}
    assert rules.share(ask, other) == rules.share(ask, response)
    assert rules.read_response(ask, other) == response


# ---------------------------------------------------------------- several of several


@given(counts, st.data())
def test_the_ways_to_score_choices_are_ordered_by_severity(ids, data):
    key = {"right": data.draw(subsets(ids, least=1))}
    response = {"choices": data.draw(subsets(ids))}
    all_or_none, partial, plus_minus = (
        rules.share(rules.Ask(None, "multiple", {"scoring": scoring}, key), response)
        for scoring in ("all", "partial", "plus_minus")
    )
    assert all_or_none <= partial <= plus_minus


@given(st.sampled_from(["all", "partial", "plus_minus"]), counts, st.data())
def test_another_right_choice_never_costs_and_another_wrong_one_never_earns(scoring, ids, data):
    right = data.draw(subsets(ids, least=1))
    chosen = data.draw(subsets(ids))
    ask = rules.Ask(None, "multiple", {"scoring": scoring}, {"right": right})
    before = rules.share(ask, {"choices": chosen})
    for one in set(ids) - set(chosen):
        after = rules.share(ask, {"choices": [*chosen, one]})
        if one not in right:
            assert after <= before
        elif scoring != "all":
            assert after >= before


@given(st.integers(1, 8), st.integers(0, 12), st.integers(0, 12))
def test_a_case_earns_right_less_wrong_and_never_less_than_nothing(right, hits, misses):
    hits = min(hits, right)
    key = {"right": [f"r{n}" for n in range(right)]}
    chosen = [f"r{n}" for n in range(hits)] + [f"w{n}" for n in range(misses)]
    ask = rules.Ask(0, "multiple", {"scoring": "plus_minus"}, key)
    assert ask.marks == right
    assert rules.mark(ask, {"choices": chosen}, ask.marks) == max(0, hits - misses)


@given(pairs(scorings=["each"]), st.data())
def test_another_right_pair_never_costs_where_pairs_are_counted_one_by_one(item, data):
    ask = ask_of(item)
    response = data.draw(responses(ask))
    for pair in ask.key["pairs"]:
        if pair not in response["pairs"]:
            more = {"pairs": [*response["pairs"], pair]}
            assert rules.share(ask, more) >= rules.share(ask, response)


@given(counts, st.data())
def test_only_the_right_order_earns_everything(ids, data):
    right, given_order = data.draw(st.permutations(ids)), data.draw(st.permutations(ids))
    for scoring in ("all", "pairs", "places"):
        ask = rules.Ask(None, "order", {"scoring": scoring}, {"order": right})
        assert (rules.share(ask, {"order": given_order}) == 1) == (given_order == right)


# ---------------------------------------------------------------- numbers, words, places


@given(numbers(offers=(("mg", "g"), ("mL/h", "mL/min", "L/d"), ("h", "min"))), st.data())
def test_the_same_amount_in_another_offered_unit_earns_the_same(item, data):
    ask = ask_of(item)
    units = ask.body["units"]
    response = {"number": written(data.draw(decimals)), "unit": data.draw(st.sampled_from(units))}
    for unit in units:
        same = written(converted(Fraction(response["number"]), response["unit"], unit))
        if "/" not in same:
            assert rules.share(ask, {"number": same, "unit": unit}) == rules.share(ask, response)


@given(numbers(), decimals, decimals)
def test_a_number_nearer_to_the_right_one_never_earns_less(item, one, other):
    ask = ask_of(item)
    right, unit = Fraction(ask.key["value"]), ask.key.get("unit", "")
    near, far = sorted((one, other), key=lambda value: abs(value - right))
    shares = [rules.share(ask, {"number": written(value), "unit": unit}) for value in (near, far)]
    assert shares[0] >= shares[1]


@given(texts(), words)
def test_case_width_white_space_and_a_full_stop_at_the_end_do_not_count_in_words(item, typed):
    ask = ask_of(item)
    other = "  " + typed.upper().replace("a", "A").replace("0", "０").replace(" ", "\u3000") + "。"
    assert rules.share(ask, {"text": other}) == rules.share(ask, {"text": typed})


@given(st.tuples(*[st.integers(0, 100)] * 4), st.tuples(*[st.integers(1, 40)] * 2), st.permutations(range(3)))
def test_the_order_of_places_does_not_count_and_an_area_counts_once(corner, sizes, order):
    x, y, other_x, other_y = corner
    areas = [
        {"shape": "rect", "coords": [x, y, x + sizes[0], y + sizes[1]], "share": "1/2"},
        {"shape": "ellipse", "coords": [other_x, other_y, *sizes], "share": "1/2"},
    ]
    ask = rules.Ask(None, "point", {}, {"areas": areas})
    points = [[x, y], [x + sizes[0], y + sizes[1]], [other_x, other_y]]
    assert rules.share(ask, {"points": [points[place] for place in order]}) == 1
    assert rules.share(ask, {"points": points[:2]}) <= 1


# ---------------------------------------------------------------- doses and certainty

DOSE_BODY = {
    "stem": {"en": "A child of {weight} kg gets {dose} mg/kg. How much?"},
    "units": ["mg", "µg"],
    "parameters": [
        {"name": "weight", "low": "2", "high": "20", "step": "0.5"},
        {"name": "dose", "low": "0.1", "high": "1", "step": "0.1"},
    ],
}
DOSE_KEY = {
    "formula": "weight * dose",
    "tolerance": "0.02",
    "relative": True,
    "unit": "mg",
    "traps": [
        {"name": "tenfold", "formula": "weight * dose * 10"},
        {"name": "micrograms for milligrams", "formula": "weight * dose / 1000"},
    ],
}


@given(st.binary(min_size=16, max_size=32))
def test_a_dangerous_dose_is_named_and_a_right_one_is_not(seed):
    assert rules.faults("DOSE", DOSE_BODY, DOSE_KEY) == []
    (ask,) = rules.asks("DOSE", DOSE_BODY, DOSE_KEY)
    drawn = rules.draw(DOSE_BODY["parameters"], seed)
    right = drawn["weight"] * drawn["dose"]
    answers = {
        None: {"number": written(right), "unit": "mg"},
        "tenfold": {"number": written(right * 10), "unit": "mg"},
        "micrograms for milligrams": {"number": written(right), "unit": "µg"},
    }
    for name, answer in answers.items():
        assert rules.share(ask, answer, drawn) == (0 if name else 1)
        assert rules.trap_of(ask, answer, drawn) == name
    assert rules.trap_of(ask, {"number": written(right * 7), "unit": "mg"}, drawn) is None


def test_what_a_seed_draws_stays_the_same_for_ever():
    """HMAC-SHA256(seed, name), its first eight bytes modulo the number of values: an appeal in two years sees the same dose."""
    drawn = rules.draw(DOSE_BODY["parameters"], b"sitting 42, slot 7")
    assert {name: written(value) for name, value in drawn.items()} == {"weight": "3.5", "dose": "1"}
    assert rules.fill("{weight} kg, {dose} mg/kg, {other}", drawn) == "3.5 kg, 1 mg/kg, {other}"


@pytest.mark.parametrize("certainty", [1, 2, 3])
@given(earned=st.fractions(0, 1))
def test_certainty_pays_more_the_more_is_right_and_costs_when_nothing_is(certainty, earned):
    """Certainty-based marking (Gardner-Medwin): right 1, 2, 3; wrong 0, −2, −6."""
    most, least = rules.confidence(Fraction(1), certainty), rules.confidence(Fraction(0), certainty)
    assert (most, least) == {1: (1, 0), 2: (2, -2), 3: (3, -6)}[certainty]
    assert least <= rules.confidence(earned, certainty) <= most
    if earned:
        assert rules.confidence(earned, certainty) == earned * most
