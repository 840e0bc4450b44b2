"""Items that are one ask, as questions of Moodle."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from lms.assessments.interchange import moodle_measures as measures
from lms.assessments.interchange.drafts import Draft
from lms.assessments.interchange.moodle_parts import Cannot, Page, texts_of
from lms.assessments.interchange.safexml import Element, extend, node
from lms.assessments.rules.items.numbers import fraction, written
from lms.assessments.rules.items.shape import as_ids, as_list, as_map
from lms.core.i18n import _

NONE, ONE = Fraction(0), Fraction(1)
Json = Mapping[str, Any]


def _options(draft: Draft) -> list[Json]:
    return [as_map(one) for one in as_list(draft.body.get("options"))]


def _multichoice(
    page: Page,
    options: list[Json],
    shares: Mapping[str, Fraction],
    *,
    is_single: bool,
    kind: str = "multichoice",
    **attributes: str,
) -> Element:
    named = {f"data-{name}": value for name, value in attributes.items() if value}
    made = node("question", {"type": kind, **named})
    if kind == "multichoice":
        extend(made, node("single", {}, "true" if is_single else "false"))
    stays = all(one.get("fixed") for one in options)
    extend(
        made, node("shuffleanswers", {}, "false" if stays else "true"), node("answernumbering", {}, "ABCD")
    )
    return extend(made, *(page.answer(one, shares.get(str(one["id"]), NONE)) for one in options))


def _choice(draft: Draft, page: Page) -> Element:
    options, key = _options(draft), draft.key
    panel = as_map(key.get("panel"))
    if panel:
        most = max(panel.values())
        return _multichoice(
            page, options, {name: Fraction(count, most) for name, count in panel.items()}, is_single=True
        )
    shares = {name: fraction(share) or NONE for name, share in as_map(key.get("weights")).items()}
    shares[str(key.get("right"))] = ONE
    is_truth = (
        draft.type == "TF" and {str(one["id"]) for one in options} == {"true", "false"} and len(shares) == 1
    )
    if is_truth and not any(as_list(one.get("media")) for one in options):
        return extend(
            node("question", {"type": "truefalse"}), *(_truth(page, one, shares) for one in options)
        )
    return _multichoice(page, options, shares, is_single=True)


def _truth(page: Page, option: Json, shares: Mapping[str, Fraction]) -> Element:
    name = str(option["id"])
    fixed = {"fixed": "true"} if option.get("fixed") else {}
    return page.plain_answer(name, shares.get(name, NONE), **dict(texts_of(option)), **fixed)


def _multiple(draft: Draft, page: Page) -> Element:
    options, key = _options(draft), draft.key
    ids = [str(one["id"]) for one in options]
    right, scoring = as_ids(key.get("right")), str(draft.body.get("scoring") or "all")
    limit = str(draft.body.get("limit") or "")
    if limit:
        page.loses("limit", _("Moodle lets candidates choose more than this question does."))
    if draft.type == "KF":
        return _key_feature(draft, page, options, right, limit)
    if scoring == "all":
        page.loses(
            "plugin", _("Moodle needs its plug-in “All or nothing multiple choice” for this question.")
        )
        return _multichoice(
            page, options, dict.fromkeys(right, ONE), is_single=False, kind="multichoiceset", limit=limit
        )
    shares = shares_of(ids, right, scoring, key)
    return _multichoice(page, options, shares, is_single=False, limit=limit)


def shares_of(ids: list[str], right: list[str], scoring: str, key: Json) -> dict[str, Fraction]:
    """What each option earns, as fractions that add up."""
    if scoring == "weights":
        if (fraction(key.get("lower", "0")) or NONE) > 0:
            raise Cannot("scoring", _("Marks are given in a way that Moodle has no like for."))
        return {name: fraction(share) or NONE for name, share in as_map(key.get("weights")).items()}
    each = Fraction(1, len(right))
    wrong = {"plus_minus": -each, "partial": -ONE, "all": -ONE}[scoring]
    return {name: each if name in right else wrong for name in ids}


def _key_feature(draft: Draft, page: Page, options: list[Json], right: list[str], limit: str) -> Element:
    must, never = as_ids(draft.key.get("must")), as_ids(draft.key.get("never"))
    if must:
        page.marks_otherwise()
    shares = {**dict.fromkeys(right, Fraction(1, len(right))), **dict.fromkeys(never, -ONE)}
    return _multichoice(page, options, shares, is_single=False, limit=limit, must=" ".join(must))


def _text(draft: Draft, page: Page) -> Element:
    forms = [as_map(one) for one in as_list(draft.key.get("accepted"))]
    made = node(
        "question", {"type": "shortanswer"}, node("usecase", {}, "1" if draft.key.get("case") else "0")
    )
    return extend(
        made, *(page.plain_answer(str(one["text"]), fraction(one.get("share", "1")) or NONE) for one in forms)
    )


# ---------------------------------------------------------------- order and pairs


def _order(draft: Draft, page: Page) -> Element:
    options = {str(one["id"]): (n, one) for n, one in enumerate(_options(draft))}
    grading = {"all": "ALL_OR_NOTHING", "places": "ABSOLUTE_POSITION", "pairs": "RELATIVE_NEXT_EXCLUDE_LAST"}
    made = node(
        "question", {"type": "ordering"}, node("layouttype", {}, "VERTICAL"), node("selecttype", {}, "ALL")
    )
    extend(
        made,
        node("selectcount", {}, "0"),
        node("gradingtype", {}, grading[str(draft.body.get("scoring") or "all")]),
    )
    for place, name in enumerate(as_ids(draft.key.get("order")), 1):
        n, option = options[name]
        answer = page.answer(option, NONE)
        answer.set("fraction", str(place))
        answer.set("data-n", str(n))
        extend(made, answer)
    return made


def _match(draft: Draft, page: Page) -> Element:
    body = draft.body
    scoring = str(body.get("scoring") or "all")
    if body.get("symmetric") or scoring == "weights":
        raise Cannot("pairs", _("Moodle matches each row with one option, and has no like for this."))
    rows = {str(one["id"]): one for one in map(as_map, as_list(body.get("rows")))}
    options = {str(one["id"]): (n, one) for n, one in enumerate(_options(draft))}
    pairs = [(str(one[0]), str(one[1])) for one in as_list(draft.key.get("pairs"))]
    if {row for row, _option in pairs} != set(rows):
        raise Cannot("pairs", _("Moodle matches each row with one option, and has no like for this."))
    if any(as_list(one.get("media")) for _n, one in options.values()):
        raise Cannot("media", _("Moodle's options to be matched hold no pictures."))
    if (scoring == "all" and len(pairs) > 1) or int(body.get("per_row", 1)) != 1 or body.get("per_option"):
        page.marks_otherwise()
    limits = {
        f"data-{name.replace('_', '-')}": str(body[name])
        for name in ("per_row", "per_option")
        if name in body
    }
    made = node(
        "question", {"type": "match", "data-scoring": scoring, **limits}, node("shuffleanswers", {}, "true")
    )
    pairs.sort(key=lambda pair: list(rows).index(pair[0]))
    for row, name in [
        *pairs,
        *(("", one) for one in options if one not in {option for _row, option in pairs}),
    ]:
        n, option = options[name]
        attributes = {"data-id": row, "data-n": str(list(rows).index(row))} if row else {}
        asked = page.text(
            "subquestion",
            rows[row] if row else {},
            rows[row].get("media") if row else None,
            attributes=attributes,
        )
        answer = page.text("answer", option, is_line=True, attributes={"data-id": name, "data-n": str(n)})
        extend(made, extend(asked, answer))
    return made


# ---------------------------------------------------------------- places and people


def _point(draft: Draft, page: Page) -> Element:
    body = draft.body
    areas = [as_map(one) for one in as_list(draft.key.get("areas"))]
    points = int(body.get("points", 1))
    shares = [fraction(one.get("share", "1")) or NONE for one in areas]
    if points != len(areas) or any(share != Fraction(1, len(areas)) for share in shares):
        page.marks_otherwise()
    _name, file = page.file(body.get("image"), "image", body.get("alt"))
    size = {"data-width": str(body["width"]), "data-height": str(body["height"]), "data-points": str(points)}
    drag = node("drag", {}, node("no", {}, "1"), node("text", {}, "●"), node("noofdrags", {}, str(points)))
    made = node("question", {"type": "ddmarker", **size}, node("shuffleanswers", {}, "0"), file, drag)
    for n, (one, share) in enumerate(zip(areas, shares, strict=True), 1):
        shape, coords = _zone(one)
        parts = [
            node(name, {}, text)
            for name, text in (("no", str(n)), ("shape", shape), ("coords", coords), ("choice", "1"))
        ]
        extend(made, node("drop", {"data-share": written(share)}, *parts))
    return made


def _zone(area: Json) -> tuple[str, str]:
    numbers = [int(one) for one in area["coords"]]
    if area["shape"] == "circle":
        return "circle", f"{numbers[0]},{numbers[1]};{numbers[2]}"
    if area["shape"] == "rect":
        left, right = sorted(numbers[::2])
        top, bottom = sorted(numbers[1::2])
        return "rectangle", f"{left},{top};{right - left},{bottom - top}"
    if area["shape"] == "poly":
        return "polygon", ";".join(f"{x},{y}" for x, y in zip(numbers[::2], numbers[1::2], strict=True))
    raise Cannot("areas", _("Moodle knows no areas of this shape."))


def _people(draft: Draft, page: Page) -> Element:
    lines = as_list(draft.key.get("rubric")) or as_list(draft.key.get("checklist"))
    told = []
    for line in map(as_map, lines):
        must = ' data-must="true"' if line.get("must") else ""
        told.append(
            f'<li data-id="{line["id"]}" data-marks="{line["marks"]}"{must}>{page.html(line, is_line=True)}</li>'
        )
    info = page.source("graderinfo", f"<ul>{''.join(told)}</ul>")
    is_file = draft.type == "UPLOAD"
    fields = {
        "responseformat": "noinline" if is_file else "editor",
        "responserequired": "0" if draft.type != "ESSAY" else "1",
        "responsefieldlines": "15",
        "attachments": "1" if is_file else "0",
        "attachmentsrequired": "1" if is_file else "0",
    }
    if is_file:
        fields |= {
            "maxbytes": str(draft.body["max_bytes"]),
            "filetypeslist": ",".join(f".{one}" for one in as_ids(draft.body.get("formats"))),
        }
    longest = {"data-max-chars": str(draft.body["max_chars"])} if draft.body.get("max_chars") else {}
    if draft.type == "OSCE":
        page.loses(
            "type", _("Moodle has no checklist of a station; its lines stand where markers read them.")
        )
    made = node(
        "question", {"type": "essay", **longest}, *(node(name, {}, text) for name, text in fields.items())
    )
    return extend(made, info)


WRITERS: dict[str, Callable[[Draft, Page], Element]] = {
    **dict.fromkeys(("A1", "A2", "TF", "SCT"), _choice),
    **dict.fromkeys(("X", "KF"), _multiple),
    "SHORT": _text,
    "NUM": measures.number,
    "SLIDER": measures.slider,
    "DOSE": measures.dose,
    "ORDER": _order,
    "MATCH": _match,
    "HOTSPOT": _point,
    **dict.fromkeys(("UPLOAD", "ESSAY", "OSCE"), _people),
}
