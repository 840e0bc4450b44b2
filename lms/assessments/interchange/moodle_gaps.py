"""Groups, texts with gaps and gap matches, as Moodle's embedded answers and words in a text."""

import html
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from lms.assessments.interchange.drafts import Draft
from lms.assessments.interchange.moodle_cloze import RULE
from lms.assessments.interchange.moodle_parts import Cannot, Page, texts_of
from lms.assessments.interchange.moodle_questions import shares_of
from lms.assessments.interchange.moodle_texts import percent_of
from lms.assessments.interchange.safexml import Element, extend, node
from lms.assessments.rules.items import Ask, asks
from lms.assessments.rules.items.numbers import fraction, written
from lms.assessments.rules.items.shape import as_ids, as_list, as_map
from lms.core.i18n import _

NONE, ONE = Fraction(0), Fraction(1)
_GAP = re.compile(r"\[\[([A-Za-z0-9_.-]{1,40})\]\]")
_LANGUAGES = {"zh": "zh-Hans", "en": "en"}
Json = Mapping[str, Any]


def _embedded(ask: Ask, page: Page) -> str:
    """An ask as an embedded answer."""
    options = [as_map(one) for one in as_list(ask.body.get("options"))]
    if any(as_list(one.get("media")) for one in options):
        raise Cannot("media", _("Moodle's embedded answers hold no pictures."))
    if ask.kind == "choice":
        shares = {name: fraction(share) or NONE for name, share in as_map(ask.key.get("weights")).items()}
        if panel := as_map(ask.key.get("panel")):
            shares = {name: Fraction(count, max(panel.values())) for name, count in panel.items()}
        else:
            shares[str(ask.key.get("right"))] = ONE
        return f"{{{ask.marks}:MULTICHOICE_VS:{_alternatives(page, options, shares)}}}"
    if ask.kind == "multiple":
        if ask.body.get("limit"):
            page.loses("limit", _("Moodle lets candidates choose more than this question does."))
        scoring = str(ask.body.get("scoring") or "all")
        right = as_ids(ask.key.get("right"))
        if scoring == "all" and len(right) > 1:
            page.marks_otherwise()
        shares = shares_of([str(one["id"]) for one in options], right, scoring, ask.key)
        return f"{{{ask.marks}:MULTIRESPONSE_S:{_alternatives(page, options, shares)}}}"
    if ask.kind == "text":
        kind = "SHORTANSWER_C" if ask.key.get("case") else "SHORTANSWER"
        forms = [
            (str(one["text"]), fraction(one.get("share", "1")) or NONE)
            for one in map(as_map, as_list(ask.key.get("accepted")))
        ]
        return f"{{{ask.marks}:{kind}:{'~'.join(_share(share) + _safe(html.escape(text, quote=False)) for text, share in forms)}}}"
    return _number(ask)


def _alternatives(page: Page, options: list[Json], shares: Mapping[str, Fraction]) -> str:
    return "~".join(
        _share(shares.get(str(one["id"]), NONE)) + _safe(page.html(one, is_line=True)) for one in options
    )


def _share(share: Fraction) -> str:
    return "=" if share == 1 else f"%{percent_of(share)}%"


def _safe(text: str) -> str:
    """A text in which no sign is taken for syntax."""
    return re.sub(r"([~#}])", r"\\\1", text)


def _number(ask: Ask) -> str:
    if len(as_ids(ask.body.get("units"))) > 1:
        raise Cannot("units", _("Moodle's embedded answers know no units."))
    answers = [as_map(one) for one in as_list(ask.key.get("answers"))] or [ask.key]
    told = []
    for one in answers:
        value, tolerance = (fraction(one.get(name, "0")) or NONE for name in ("value", "tolerance"))
        margin = abs(value) * tolerance if one.get("relative") else tolerance
        if "/" in written(value) or "/" in written(margin):
            raise Cannot(
                "not_decimal", _("One of its numbers is no decimal number, and Moodle knows no others.")
            )
        told.append(f"{_share(fraction(one.get('share', '1')) or NONE)}{written(value)}:{written(margin)}")
    unit = "".join(f" {one}" for one in as_ids(ask.body.get("units")))
    return f"{{{ask.marks}:NUMERICAL:{'~'.join(told)}}}{unit}"


# ---------------------------------------------------------------- questions


def _cloze(draft: Draft, page: Page) -> Element:
    found = {str(n): ask for n, ask in enumerate(asks(draft.type, draft.body, draft.key), 1)}
    order = _order(draft)
    source = woven(
        draft.body.get("stem"), lambda name: _embedded(found[name], page), {name: name for name in order}
    )
    shown, files = page.shown(draft.body.get("media"))
    attributes = {
        "type": "cloze",
        "data-ids": _ids([found[name] for name in order]),
        "data-asks": " ".join(order),
    }
    return node("question", attributes, page.source("questiontext", source + shown, *files))


def _ids(found: list[Ask]) -> str:
    """The ids of the options of each ask."""
    return "|".join(
        " ".join(str(as_map(one).get("id")) for one in as_list(ask.body.get("options"))) for ask in found
    )


def _order(draft: Draft) -> list[str]:
    """The gaps in the order of the text in which they are live."""
    _tongue, words = texts_of(draft.body.get("stem"))[0]
    return _GAP.findall(words)


def woven(text: Any, put: Callable[[str], str], numbered: Mapping[str, str]) -> str:
    """A text with gaps as HTML: live in the first language, their numbers in the other."""
    parts = []
    told = texts_of(text)
    for n, (tongue, words) in enumerate(told):
        paragraphs = []
        for part in re.split(r"\n\s*\n", words.strip()):
            pieces = [
                (put(piece) if n == 0 else f"⟦{numbered[piece]}⟧")
                if m % 2
                else html.escape(piece, quote=False).replace("\n", "<br>")
                for m, piece in enumerate(_GAP.split(part))
            ]
            paragraphs.append(f"<p>{''.join(pieces)}</p>")
        parts.append(f'<div lang="{_LANGUAGES[tongue]}">{"".join(paragraphs)}</div>')
    return "".join(parts)


def _group(draft: Draft, page: Page) -> Element:
    shown, files = page.shown(draft.body.get("media"))
    parts = [page.html(draft.body.get("stem")) + shown]
    scorings = []
    for ask in asks(draft.type, draft.body, draft.key):
        own, more = page.shown(ask.body.get("media"))
        files += more
        parts.append(f"{page.html(ask.body.get('stem'))}{own}<p>{_embedded(ask, page)}</p>")
        scorings.append(str(ask.body.get("scoring") or "all"))
    if draft.type in {"A3", "A4", "CASE"}:
        page.loses("serial", _("Moodle shows all its parts at once and lets candidates go back."))
    attributes = {"data-ids": _ids(list(asks(draft.type, draft.body, draft.key)))}
    if draft.type == "EMQ":
        attributes["data-scoring"] = " ".join(scorings)
    return node(
        "question", {"type": "cloze", **attributes}, page.source("questiontext", RULE.join(parts), *files)
    )


def _gap_match(draft: Draft, page: Page) -> Element:
    body = draft.body
    rows = {str(one["id"]): one for one in map(as_map, as_list(body.get("rows")))}
    options = [as_map(one) for one in as_list(body.get("options"))]
    scoring = str(body.get("scoring") or "all")
    pairs = {str(one[0]): str(one[1]) for one in as_list(draft.key.get("pairs"))}
    if (
        scoring == "weights"
        or int(body.get("per_row", 1)) != 1
        or set(pairs) != set(rows)
        or body.get("symmetric")
    ):
        raise Cannot("pairs", _("Moodle fills each gap with one option, and has no like for this."))
    if any(as_list(one.get("media")) for one in [*rows.values(), *options]):
        raise Cannot("media", _("Moodle's words in a text hold no pictures."))
    if scoring == "all" and len(pairs) > 1:
        page.marks_otherwise()
    numbers = {str(one["id"]): str(n) for n, one in enumerate(options, 1)}
    order = _order(draft)
    numbered = {name: str(n) for n, name in enumerate(order, 1)}
    source = woven(body.get("stem"), lambda name: f"[[{numbers[pairs[name]]}]]", numbered)
    shown, files = page.shown(body.get("media"))
    made = node(
        "question",
        {"type": "ddwtos", "data-scoring": scoring},
        page.source("questiontext", source + shown, *files),
    )
    extend(made, node("shuffleanswers", {}, "1"))
    is_free = not body.get("per_option")
    for one in options:
        inner = node("text")
        inner.text = page.html(one, is_line=True)
        extend(
            made,
            node(
                "dragbox",
                {"data-id": str(one["id"])},
                inner,
                node("group", {}, "1"),
                *([node("infinite")] if is_free else []),
            ),
        )
    for name in order:
        extend(
            made,
            node(
                "gap",
                {"data-id": name, **{f"data-{tongue}": words for tongue, words in texts_of(rows[name])}},
            ),
        )
    return made


WRITERS: dict[str, Callable[[Draft, Page], Element]] = {
    "CLOZE": _cloze,
    "GAP": _gap_match,
    **dict.fromkeys(("A3", "A4", "B1", "EMQ", "CASE"), _group),
}
