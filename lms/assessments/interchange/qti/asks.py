"""Asks as interactions: what is shown, what is declared, how it is scored."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.qti import entries, interactions, marking, pictures
from lms.assessments.interchange.qti.entries import Pen, Shown, interaction_of
from lms.assessments.interchange.qti.marking import Marking, base, declaration, variable
from lms.assessments.interchange.qti.parts import (
    Cannot,
    blocks,
    decimal,
    inline,
    names_of,
    number,
    texts_of,
)
from lms.assessments.interchange.safexml import Element, extend, node
from lms.assessments.rules.items import Ask
from lms.assessments.rules.items.numbers import fraction
from lms.assessments.rules.items.shape import as_ids, as_list, as_map
from lms.core.i18n import _

ONE, NONE = Fraction(1), Fraction(0)
Json = Mapping[str, Any]


def shown(ask: Ask, pen: Pen) -> Shown:
    """An ask as an interaction. Raises Cannot."""
    return _WRITERS[ask.kind](ask, pen)


def _option(kind: str, name: str, option: Json, pen: Pen, more: dict[str, str] | None = None) -> Element:
    fixed = {"fixed": "true"} if option.get("fixed") else {}
    made = node(kind, {"identifier": name, **fixed, **(more or {})})
    is_line = kind in {"qti-inline-choice", "qti-gap-text"}
    if is_line and as_list(option.get("media")):
        raise Cannot("media", _("Its options in the text hold pictures, and QTI has only words there."))
    return extend(
        made, *(inline(option) if is_line else [*blocks(option), *pen.shelf.shown(option.get("media"))])
    )


def _ids(rows: Any) -> list[str]:
    return [str(as_map(one).get("id")) for one in as_list(rows)]


# ---------------------------------------------------------------- choosing


def _choices(ask: Ask, pen: Pen, most: int) -> tuple[Element, dict[str, str]]:
    options = [as_map(one) for one in as_list(ask.body.get("options"))]
    names = names_of(_ids(options))
    if pen.is_inline:
        made = interaction_of("inline-choice", pen, {"shuffle": "true"})
        return extend(
            made, *(_option("qti-inline-choice", names[str(one["id"])], one, pen) for one in options)
        ), names
    made = interaction_of("choice", pen, {"shuffle": "true", "max-choices": str(most)})
    return extend(
        made, *(_option("qti-simple-choice", names[str(one["id"])], one, pen) for one in options)
    ), names


def _choice(ask: Ask, pen: Pen) -> Shown:
    interaction, names = _choices(ask, pen, 1)
    marks, panel = Fraction(ask.marks), as_map(ask.key.get("panel"))
    if panel:
        most = Fraction(max(panel.values()))
        values = {names[one]: Fraction(panel.get(one, 0)) for one in names}
        right = [names[one] for one in names if panel.get(one, 0) == most][:1]
        made = declaration(pen.response, "single", "identifier", right, marking.mapping(values, most))
        return Shown(interaction, [made], marking.by_mapping(pen.outcome, pen.response, marks, most))
    right = [names[str(ask.key.get("right"))]]
    weights = {
        one: fraction(share) or NONE
        for one, share in as_map(ask.key.get("weights")).items()
        if one != ask.key.get("right")
    }
    if not any(weights.values()):
        made = declaration(pen.response, "single", "identifier", right)
        return Shown(interaction, [made], marking.matched(pen.outcome, pen.response, marks))
    shares = {right[0]: ONE, **{names[one]: share for one, share in weights.items()}}
    scale = marking.scale_of(shares.values(), marks)
    values = {name: shares.get(name, NONE) * scale for name in names.values()}
    made = declaration(pen.response, "single", "identifier", right, marking.mapping(values, scale))
    return Shown(interaction, [made], marking.by_mapping(pen.outcome, pen.response, marks, scale))


def _multiple(ask: Ask, pen: Pen) -> Shown:
    limit = ask.body.get("limit")
    interaction, names = _choices(ask, pen, limit if isinstance(limit, int) else 0)
    marks, scoring = Fraction(ask.marks), str(ask.body.get("scoring") or "all")
    right = [names[one] for one in as_ids(ask.key.get("right"))]
    if scoring == "all":
        made = declaration(pen.response, "multiple", "identifier", right)
        return Shown(interaction, [made], marking.matched(pen.outcome, pen.response, marks))
    if scoring == "weights":
        weights = {
            names[one]: fraction(share) or NONE for one, share in as_map(ask.key.get("weights")).items()
        }
        lower = fraction(ask.key.get("lower", "0")) or NONE
        if lower > 0:
            raise Cannot("scoring", _("Marks are given there in a way that QTI has no like for."))
        scale = marking.scale_of(weights.values(), marks)
        values = {name: weights.get(name, NONE) * scale for name in names.values()}
        good = [name for name, value in values.items() if value > 0]
        made = declaration(pen.response, "multiple", "identifier", good, marking.mapping(values, scale))
        return Shown(interaction, [made], marking.by_mapping(pen.outcome, pen.response, marks, scale))
    count = Fraction(len(right))
    wrong = {"plus_minus": -ONE, "partial": -count, "key_feature": NONE}[scoring]
    never = {names[one] for one in as_ids(ask.key.get("never"))}
    values = {name: ONE if name in right else (-count if name in never else wrong) for name in names.values()}
    made = declaration(pen.response, "multiple", "identifier", right, marking.mapping(values, count))
    found = marking.by_mapping(pen.outcome, pen.response, marks, count)
    if must := [names[one] for one in as_ids(ask.key.get("must"))]:
        wanted = node("qti-multiple", {}, *(base("identifier", one) for one in must))
        value = marking.scaled(node("qti-map-response", {"identifier": pen.response}), marks / count)
        rule = marking.chain(pen.outcome, [(node("qti-contains", {}, variable(pen.response), wanted), value)])
        found = Marking(marks, "", [rule])
    return Shown(interaction, [made], found)


# ---------------------------------------------------------------- order and pairs


def _order(ask: Ask, pen: Pen) -> Shown:
    options = [as_map(one) for one in as_list(ask.body.get("options"))]
    names = names_of(_ids(options))
    choices = [_option("qti-simple-choice", names[str(one["id"])], one, pen) for one in options]
    interaction = interaction_of("order", pen, {"shuffle": "true"}, *choices)
    right = [names[one] for one in as_ids(ask.key.get("order"))]
    made = declaration(pen.response, "ordered", "identifier", right)
    marks, scoring = Fraction(ask.marks), ask.body.get("scoring", "all")
    if scoring == "all":
        return Shown(interaction, [made], marking.matched(pen.outcome, pen.response, marks))
    if scoring != "places":
        raise Cannot("scoring", _("Marks are given there in a way that QTI has no like for."))
    rules = [
        node(
            "qti-response-condition",
            {},
            node("qti-response-if", {}, _placed(pen, n), marking.put(pen.outcome, _one_more(pen))),
        )
        for n in range(1, len(right) + 1)
    ]
    if marks != len(right):
        rules.append(marking.put(pen.outcome, marking.scaled(variable(pen.outcome), marks / len(right))))
    return Shown(interaction, [made], Marking(marks, "", rules))


def _placed(pen: Pen, n: int) -> Element:
    return node(
        "qti-match",
        {},
        *(node("qti-index", {"n": str(n)}, of(pen.response)) for of in (variable, marking.correct)),
    )


def _one_more(pen: Pen) -> Element:
    return node("qti-sum", {}, variable(pen.outcome), base("float", "1"))


def pair_marking(
    ask: Ask, pen: Pen, names: Callable[[str, str], str], most_given: int | None, kind: str
) -> tuple[Element, Marking]:
    """Declaration and marking of an association. ``names``: row, option → the pair as the file says it."""
    marks, scoring = Fraction(ask.marks), str(ask.body.get("scoring") or "all")
    pairs = [names(str(one[0]), str(one[1])) for one in map(as_list, as_list(ask.key.get("pairs")))]
    if scoring == "all":
        made = declaration(pen.response, "multiple", kind, pairs)
        return made, marking.matched(pen.outcome, pen.response, marks)
    if scoring == "weights":
        shares = {
            names(str(one[0]), str(one[1])): fraction(one[2]) or NONE
            for one in map(as_list, as_list(ask.key.get("weights")))
        }
        scale = marking.scale_of(shares.values(), marks)
        values = {pair: share * scale for pair, share in shares.items()}
        good = [pair for pair, value in values.items() if value > 0]
        made = declaration(pen.response, "multiple", kind, good, marking.mapping(values, scale))
        return made, marking.by_mapping(pen.outcome, pen.response, marks, scale)
    count = Fraction(len(pairs))
    made = declaration(
        pen.response, "multiple", kind, pairs, marking.mapping(dict.fromkeys(pairs, ONE), count)
    )
    if most_given is not None and most_given <= count:
        return made, marking.by_mapping(pen.outcome, pen.response, marks, count)
    size = node("qti-subtract", {}, node("qti-container-size", {}, variable(pen.response)), number(count))
    surplus = node("qti-max", {}, base("float", "0"), size)
    hits = node("qti-subtract", {}, node("qti-map-response", {"identifier": pen.response}), surplus)
    value = marking.scaled(node("qti-max", {}, base("float", "0"), hits), marks / count)
    return made, Marking(marks, "", [marking.put(pen.outcome, value)])


def limits(body: Json) -> tuple[int, int]:
    """How often a row and an option may be used; 0: any number of times."""
    return int(body.get("per_row", 1)), int(body.get("per_option", 0))


def most_given(body: Json) -> int | None:
    """How many pairs can be made at most."""
    per_row, per_option = limits(body)
    rows, options = len(as_list(body.get("rows"))), len(as_list(body.get("options")))
    counts = [rows * per_row] if per_row else []
    counts += [options * per_option] if per_option else []
    return min(counts, default=None)


def _pairs(ask: Ask, pen: Pen) -> Shown:
    options = [as_map(one) for one in as_list(ask.body.get("options"))]
    per_row, per_option = limits(ask.body)
    if ask.body.get("symmetric"):
        names = names_of(_ids(options))
        choices = [
            _option(
                "qti-simple-associable-choice", names[str(one["id"])], one, pen, {"match-max": str(per_row)}
            )
            for one in options
        ]
        interaction = interaction_of("associate", pen, {"shuffle": "true", "max-associations": "0"}, *choices)
        most = len(options) * per_row // 2 if per_row else None
        made, found = pair_marking(ask, pen, lambda a, b: f"{names[a]} {names[b]}", most, "pair")
        return Shown(interaction, [made], found)
    rows = [as_map(one) for one in as_list(ask.body.get("rows"))]
    first = names_of(_ids(rows))
    second = names_of(_ids(options))
    if set(first.values()) & set(second.values()):
        first = {one: f"row-{name}" for one, name in first.items()}
    sets = [
        node("qti-simple-match-set", {}, *(_option("qti-simple-associable-choice", names[str(one["id"])], one, pen, {"match-max": str(most)}) for one in group))
        for group, names, most in ((rows, first, per_row), (options, second, per_option))
    ]  # fmt: skip
    interaction = interaction_of("match", pen, {"shuffle": "true", "max-associations": "0"}, *sets)
    made, found = pair_marking(
        ask, pen, lambda a, b: f"{first[a]} {second[b]}", most_given(ask.body), "directedPair"
    )
    return Shown(interaction, [made], found)


# ---------------------------------------------------------------- places and people


def _point(ask: Ask, pen: Pen) -> Shown:
    body = ask.body
    alts = {f"data-alt-{tongue}": words for tongue, words in texts_of(body.get("alt"))}
    picture = {
        "src": pen.shelf.address(body.get("image")), "alt": next(iter(alts.values()), ""), **alts,
        "width": str(body.get("width")), "height": str(body.get("height")),
    }  # fmt: skip
    points = int(body.get("points", 1))
    interaction = interaction_of("select-point", pen, {"max-choices": str(points)}, node("img", picture))
    areas = [as_map(one) for one in as_list(ask.key.get("areas"))]
    shares = {n: fraction(one.get("share", "1")) or NONE for n, one in enumerate(areas)}
    marks = Fraction(ask.marks)
    scale = marking.scale_of(shares.values(), marks)
    mapped = node(
        "qti-area-mapping", {"default-value": "0", "lower-bound": "0", "upper-bound": decimal(scale)}
    )
    for n, one in enumerate(areas):
        coords = [int(value) for value in one["coords"]]
        if one["shape"] == "rect":
            coords = [max(0, value) for value in coords]
        if any(value < 0 for value in coords):
            raise Cannot("areas", _("One of its areas reaches beyond the picture."))
        attributes = {
            "shape": str(one["shape"]),
            "coords": ",".join(map(str, coords)),
            "mapped-value": decimal(shares[n] * scale),
        }
        extend(mapped, node("qti-area-map-entry", attributes))
    is_single = points == 1 and not pictures.do_overlap(
        [{"shape": one["shape"], "coords": one["coords"]} for one in areas]
    )
    made = declaration(pen.response, "single" if is_single else "multiple", "point", (), mapped)
    return Shown(
        interaction, [made], marking.by_mapping(pen.outcome, pen.response, marks, scale, is_point=True)
    )


def _essay(ask: Ask, pen: Pen) -> Shown:
    most = str(ask.body.get("max_chars", 20_000))
    interaction = interaction_of(
        "extended-text", pen, {"expected-length": most, "pattern-mask": rf"[\s\S]{{0,{most}}}"}
    )
    return Shown(interaction, [declaration(pen.response, "single", "string")])


_MIMES = {ending: mime for mime, endings in interactions.MIMES.items() for ending in endings}


def _file(ask: Ask, pen: Pen) -> Shown:
    formats = as_ids(ask.body.get("formats"))
    attributes = {"data-formats": " ".join(formats), "data-max-bytes": str(ask.body.get("max_bytes"))}
    if len(formats) == 1 and formats[0] in _MIMES:
        attributes["type"] = _MIMES[formats[0]]
    return Shown(interaction_of("upload", pen, attributes), [declaration(pen.response, "single", "file")])


_WRITERS: Mapping[str, Callable[[Ask, Pen], Shown]] = {
    "choice": _choice,
    "multiple": _multiple,
    "text": entries.text,
    "number": entries.number_of,
    "slider": entries.slider,
    "order": _order,
    "pairs": _pairs,
    "point": _point,
    "essay": _essay,
    "file": _file,
}
