"""What an item means, without what a file may change: names of ids and of media, defaults that are written or not."""

import json
from dataclasses import replace
from fractions import Fraction

from lms.assessments import rules
from lms.assessments.interchange.drafts import Draft, Place
from lms.assessments.interchange.qti.pictures import blank
from lms.assessments.rules.items.numbers import fraction, written
from tests.assessments.test_items import ITEMS, STEM, options, text

FILM = blank(400, 300)
SOUND = b"ID3 a heart murmur"
PICTURE = [{"kind": "image", "key": "film", "alt": text("a chest film")}]
SHORT_TEXT = {"stem": text("Name the drug.")}
RIGHT_SHARES = {"scoring": "weights"}
IDS = {"right", "order", "must", "never"}

VARIANTS = {
    **{code: (code, body, key) for code, (body, key) in ITEMS.items()},
    "A1 with weights": ("A1", {**STEM, "options": options("abc")}, {"right": "a", "weights": {"b": "1/3"}}),
    "A1 worth three": ("A1", {**STEM, "options": options("abc"), "marks": 3}, {"right": "c"}),
    "A1 with pictures": (
        "A1",
        {**STEM, "media": PICTURE, "options": [{**options("a")[0], "media": PICTURE}, *options("bc")]},
        {"right": "b"},
    ),
    "A1 with sound": (
        "A1",
        {**STEM, "media": [{"kind": "audio", "key": "sound", "alt": {}}], "options": options("ab")},
        {"right": "b"},
    ),
    "A1 with a fixed option": (
        "A1",
        {**STEM, "options": [*options("abc"), {"id": "d", "zh": "以上都不是", "fixed": True}]},
        {"right": "d"},
    ),
    "A1 in lines": (
        "A1",
        {"stem": {"zh": "第一段\n第二行\n\n第二段 <b> & 5 < 6"}, "options": [{"id": "a", "zh": "28"}, {"id": "b", "zh": "32 & 5"}]},
        {"right": "a"},
    ),
    "A1 in English": (
        "A1",
        {"stem": {"en": "Which unit?"}, "options": [{"id": "a", "en": "28"}, {"id": "b", "en": "mg"}]},
        {"right": "a"},
    ),
    "A4 with a picture in an ask": (
        "A4",
        {
            "stem": text("A girl of 5"),
            "media": PICTURE,
            "asks": [{**STEM, "options": options("abc")}, {**STEM, "media": PICTURE, "options": options("ab"), "marks": 2}],
        },
        {"asks": [{"right": "a"}, {"right": "b"}]},
    ),
    "X in part": ("X", {**STEM, "options": options("abcd"), "scoring": "partial"}, {"right": ["a", "b"]}),
    "X plus minus": ("X", {**STEM, "options": options("abcd"), "scoring": "plus_minus"}, {"right": ["a", "b", "c"]}),
    "X by weights": (
        "X",
        {**STEM, "options": options("abcd"), "scoring": "weights"},
        {"weights": {"a": "1/2", "b": "1/3", "c": "1/6", "d": "-1/2"}, "lower": "0"},
    ),
    "X with a limit": ("X", {**STEM, "options": options("abcd"), "limit": 2}, {"right": ["a", "b"]}),
    "KF without must": ("KF", {**STEM, "options": options("abcd")}, {"right": ["a", "b"], "never": ["d"]}),
    "EMQ with partial marks": (
        "EMQ",
        {"options": options("abcde"), "asks": [{**STEM, "scoring": "partial"}, STEM]},
        {"asks": [{"right": ["a", "c"]}, {"right": ["b"]}]},
    ),
    "NUM with one unit": ("NUM", {**STEM, "units": ["mL/h"]}, {"value": "7.5", "tolerance": "0", "unit": "mL/h"}),
    "NUM without unit": ("NUM", {**STEM, "units": []}, {"value": "-3", "tolerance": "0.5"}),
    "NUM with a relative tolerance": ("NUM", {**STEM, "units": []}, {"value": "40", "tolerance": "0.05", "relative": True}),
    "NUM with several answers": (
        "NUM",
        {**STEM, "units": []},
        {"answers": [{"value": "10", "tolerance": "0"}, {"value": "10", "tolerance": "1", "share": "1/2"}]},
    ),
    "NUM in hours or minutes": ("NUM", {**STEM, "units": ["min", "h"]}, {"value": "10", "tolerance": "1", "unit": "min"}),
    "SHORT with stars": ("SHORT", SHORT_TEXT, {"accepted": [{"text": "adren*"}, {"text": "*5*mg (1.5)", "share": "1/2"}]}),
    "SHORT with a star itself": ("SHORT", SHORT_TEXT, {"accepted": [{"text": r"5 \* 3"}]}),
    "SHORT with capitals": ("SHORT", SHORT_TEXT, {"accepted": [{"text": "pH"}, {"text": "Ph", "share": "1/3"}], "case": True}),
    "SHORT in Chinese": ("SHORT", {"stem": {"zh": "首选药物？"}}, {"accepted": [{"text": "肾上腺素"}]}),
    "CLOZE in two languages": (
        "CLOZE",
        {
            "stem": {"zh": "用[[2]]，剂量[[1]]", "en": "Give [[1]] of\n[[2]]"},
            "asks": [{"kind": "number", "units": []}, {"kind": "text", "marks": 2}],
        },
        {"asks": [{"value": "5", "tolerance": "0.1"}, {"accepted": [{"text": "adrenaline"}, {"text": "肾上腺素"}]}]},
    ),
    "ORDER by places": ("ORDER", {**STEM, "options": options("abcd"), "scoring": "places"}, {"order": ["d", "a", "c", "b"]}),
    "MATCH all": ("MATCH", {**STEM, "rows": options("xy"), "options": options("abc")}, {"pairs": [["x", "a"], ["y", "a"]]}),
    "MATCH where ids are the same": (
        "MATCH",
        {**STEM, "rows": options("ab"), "options": options("ab"), "scoring": "each"},
        {"pairs": [["a", "b"], ["b", "a"]]},
    ),
    "GAP each, in two languages": (
        "GAP",
        {
            "stem": {"zh": "[[g1]]和[[g2]]", "en": "[[g2]] after [[g1]]"},
            "rows": options(["g1", "g2"]),
            "options": options("abc"),
            "per_option": 1,
            "scoring": "each",
        },
        {"pairs": [["g1", "a"], ["g2", "c"]]},
    ),
    "HOTSPOT with two places": (
        "HOTSPOT",
        {**STEM, "image": "film", "alt": text("a film"), "width": 400, "height": 300, "points": 2},
        {
            "areas": [
                {"shape": "rect", "coords": [10, 10, 40, 60], "share": "1/2"},
                {"shape": "poly", "coords": [100, 100, 150, 100, 120, 160], "share": "1/2"},
            ]
        },
    ),
    "SLIDER without tolerance": ("SLIDER", {**STEM, "low": "-5", "high": "5", "step": "1", "unit": "points"}, {"value": "2", "tolerance": "0"}),
    "DOSE with a step": (
        "DOSE",
        {
            "stem": {"zh": "{w} kg，{d} mg/kg"},
            "units": ["mg"],
            "parameters": [{"name": "w", "low": "2", "high": "4", "step": "1"}, {"name": "d", "low": "5", "high": "10", "step": "2.5"}],
        },
        {"formula": "min(w * d, 30) / 2", "round": "0.5", "unit": "mg", "tolerance": "0.1", "traps": [{"name": "ten", "formula": "w * d * 10"}]},
    ),
}  # fmt: skip

QTI_ONLY = {
    "MATCH by weights": (
        "MATCH",
        {**STEM, "rows": options("xy"), "options": options("abc"), "scoring": "weights"},
        {"weights": [["x", "a", "1/2"], ["y", "b", "1/2"], ["y", "c", "-1/4"]], "lower": "0"},
    ),
    "MATCH with many to a row": (
        "MATCH",
        {**STEM, "rows": options("xy"), "options": options("abc"), "per_row": 0, "scoring": "each"},
        {"pairs": [["x", "a"], ["x", "b"], ["y", "c"]]},
    ),
    "MATCH of one list": (
        "MATCH",
        {**STEM, "options": options("abcd"), "symmetric": True, "scoring": "each"},
        {"pairs": [["a", "b"], ["c", "d"]]},
    ),
    "HOTSPOT with an ellipse": (
        "HOTSPOT",
        {**STEM, "image": "film", "alt": text("a film"), "width": 400, "height": 300},
        {
            "areas": [
                {"shape": "ellipse", "coords": [50, 50, 20, 10]},
                {"shape": "circle", "coords": [60, 50, 9], "share": "1/3"},
            ]
        },
    ),
}


def draft(name, variants=None):
    """A sample as a draft."""
    code, body, key = (variants or {**VARIANTS, **QTI_ONLY})[name]
    assert rules.faults(code, body, key) == [], name
    media = {"items/ab/abc": FILM, "film": FILM, "sound": SOUND}
    reasons = {
        **text("because"),
        **({"asks": [text("first"), text("second")]} if rules.TYPES[code].is_group else {}),
    }
    return Draft(
        Place("row", name), code, body, key, reasons, code=f"儿科-{name}"[:40], topic="新生儿/复苏", tags=("a", "急救"), source="NRP 8",
        media=media,
    )  # fmt: skip


def meaning(one: Draft):
    """An item in a form that is equal for what means the same."""
    names: dict[str, str] = {}
    body = _body(one.body, names, one.media)
    return json.loads(
        json.dumps(
            {"type": one.type, "body": body, "key": _key(one.key, names), "why": _texts(one.rationale)}
        )
    )


def facts(one: Draft):
    """What else is known of an item."""
    return one.code, one.topic, one.tags, one.source


def same_marks(before: Draft, after: Draft, limit: int = 200) -> None:
    """Both give the same marks for many responses, told apart by what is chosen, not by its id."""
    for own, other in zip(
        rules.asks(before.type, before.body, before.key),
        rules.asks(after.type, after.body, after.key),
        strict=True,
    ):
        assert own.kind == other.kind
        assert own.marks == other.marks
        ids = dict(zip(_ids(own.body), _ids(other.body), strict=True))
        for response in list(_responses(own))[:limit]:
            told = _renamed(response, ids)
            assert rules.share(own, response) == rules.share(other, told), (response, told)


def _ids(body):
    return [f"row {one['id']}" for one in body.get("rows", [])] + [
        one["id"] for one in body.get("options", [])
    ]


def _renamed(response, ids):
    made = dict(response)
    for name in ("choices", "order"):
        if name in made:
            made[name] = [ids[one] for one in made[name]]
    if made.get("choice"):
        made["choice"] = ids[made["choice"]]
    if "pairs" in made:
        made["pairs"] = [
            [ids.get(f"row {row}", ids.get(row, row)).removeprefix("row "), ids[option]]
            for row, option in made["pairs"]
        ]
    return made


def _responses(ask):
    from itertools import combinations, permutations

    names = [one["id"] for one in ask.body.get("options", [])]
    if ask.kind == "choice":
        return [{"choice": one} for one in names]
    if ask.kind == "multiple":
        limit = ask.body.get("limit") or len(names)
        return [{"choices": list(some)} for n in range(limit + 1) for some in combinations(names, n)]
    if ask.kind == "order":
        return [{"order": list(some)} for some in permutations(names)]
    if ask.kind == "pairs":
        rows = [one["id"] for one in ask.body.get("rows", ask.body["options"])]
        every = [[row, option] for row in rows for option in names]
        return [{"pairs": list(some)} for n in range(4) for some in combinations(every, n)]
    if ask.kind == "number" and "formula" not in ask.key:
        units = ask.body.get("units") or [""]
        numbers = [
            "-3",
            "-2.5",
            "0.2",
            "0.0125",
            "5",
            "5.1",
            "7.5",
            "9",
            "10",
            "11",
            "12",
            "12.5",
            "13",
            "38",
            "40",
            "42",
            "42.1",
        ]
        return [{"number": one, **({"unit": unit} if unit else {})} for one in numbers for unit in units]
    if ask.kind == "slider":
        return [{"number": str(one)} for one in range(-5, 11)]
    if ask.kind == "text":
        return [
            {"text": one}
            for one in (
                "adrenaline",
                "Adrenalin",
                "ph",
                "pH",
                "Ph",
                "5 * 3",
                "x 5 y mg (1.5)",
                "肾上腺素",
                "no",
            )
        ]
    if ask.kind == "point":
        points = [[x, y] for x in range(0, 200, 13) for y in range(0, 200, 13)]
        return [{"points": points[n : n + ask.body.get("points", 1)]} for n in range(len(points))]
    return []


def _body(body, names, media):
    made = {}
    for name, value in body.items():
        if name in {"options", "rows"}:
            made[name] = [_option(one, f"{name[0]}{n}", names, media) for n, one in enumerate(value)]
        elif name == "asks":
            made[name] = [_body(one, names, media) for one in value]
        elif name == "media":
            made[name] = [_medium(one, media) for one in value]
        elif name == "image":
            made[name] = media[value].hex()[:40]
        elif name in {"stem", "alt"}:
            made[name] = {tongue: words for tongue, words in value.items() if words}
        elif name == "parameters":
            made[name] = [{k: _number(v) for k, v in one.items()} for one in value]
        elif name in {"low", "high", "step"}:
            made[name] = _number(value)
        elif value not in ("", [], None) and not _is_default(name, value):
            made[name] = value
    return {name: value for name, value in made.items() if value != {}}


def _is_default(name, value):
    return name == "reveal" or (name, value) in [
        ("scoring", "all"),
        ("per_row", 1),
        ("per_option", 0),
        ("points", 1),
        ("marks", 1),
    ]


def _option(one, name, names, media):
    own = f"row {one['id']}" if name.startswith("r") else one["id"]
    names.setdefault(own, name)
    rest = {key: value for key, value in one.items() if key not in {"id", "media"} and value}
    return {
        **rest,
        **({"media": [_medium(each, media) for each in one["media"]]} if one.get("media") else {}),
    }


def _medium(one, media):
    return {
        "kind": one["kind"],
        "content": media[one["key"]].hex()[:40],
        "alt": {t: w for t, w in one.get("alt", {}).items() if w},
    }


def _key(key, names):
    made = {}
    for name, value in key.items():
        if name == "asks":
            made[name] = [_key(one, names) for one in value]
        elif name in IDS and isinstance(value, list):
            made[name] = (
                [names.get(one, one) for one in value]
                if name == "order"
                else sorted(names.get(one, one) for one in value)
            )
        elif name == "right":
            made[name] = names.get(value, value)
        elif name in {"weights", "panel"} and isinstance(value, dict):
            made[name] = {
                names.get(one, one): _number(share)
                for one, share in sorted(value.items())
                if _number(share) not in {"0", 0}
            }
        elif name in {"pairs", "weights"}:
            made[name] = sorted(
                [names.get(f"row {a}", names.get(a, a)), names.get(b, b), *map(_number, more)]
                for a, b, *more in value
            )
        elif name in {"accepted", "answers", "areas"}:
            made[name] = [
                {
                    k: _number(v) if isinstance(v, str) and k not in {"text", "shape"} else v
                    for k, v in _full(one, name).items()
                }
                for one in value
            ]
        elif name in {"value", "tolerance", "round", "lower"}:
            made[name] = _number(value)
        elif value not in ([], "", None, False):
            made[name] = value
    if made.get("tolerance") == "0":
        del made["tolerance"]
    if made.get("lower") == "0":
        del made["lower"]
    return {name: value for name, value in made.items() if value not in ([], {})}


def _full(one, name):
    return {
        **({"share": "1"} if name in {"accepted", "answers", "areas"} else {}),
        **({"tolerance": "0"} if name == "answers" else {}),
        **one,
    }


def _number(value):
    found = fraction(value) if isinstance(value, str) else None
    return written(found) if found is not None else value


def _texts(rationale):
    found = {tongue: words for tongue, words in rationale.items() if tongue != "asks" and words}
    asks = [{tongue: words for tongue, words in one.items() if words} for one in rationale.get("asks", [])]
    return {**found, **({"asks": asks} if any(asks) else {})}


__all__ = ["QTI_ONLY", "VARIANTS", "Fraction", "draft", "facts", "meaning", "replace", "same_marks"]
