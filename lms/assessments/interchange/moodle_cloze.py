"""Moodle's gaps: embedded answers (cloze), words that are dragged or chosen into a text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from lms.assessments.interchange.drafting import Json, Refused
from lms.assessments.interchange.moodle_kinds import (
    LETTERS,
    NONE,
    ONE,
    Made,
    accepted,
    as_essay,
    multiple_key,
    name_of,
    option_of,
    single_key,
)
from lms.assessments.interchange.moodle_texts import Prose, Texts, flag, raw, share_of
from lms.assessments.interchange.safexml import Element, child, children, counted
from lms.assessments.rules.items import TYPES
from lms.assessments.rules.items.numbers import number, written
from lms.assessments.rules.items.types import CLOZE_KINDS
from lms.core.i18n import _

_KINDS = {
    "SHORTANSWER": "text", "SA": "text", "MW": "text", "SHORTANSWER_C": "case", "SAC": "case", "MWC": "case",
    "NUMERICAL": "number", "NM": "number",
    **dict.fromkeys(("MULTICHOICE", "MC", "MULTICHOICE_V", "MCV", "MULTICHOICE_H", "MCH"), "choice"),
    **dict.fromkeys(("MULTICHOICE_S", "MCS", "MULTICHOICE_VS", "MCVS", "MULTICHOICE_HS", "MCHS"), "choice"),
    **dict.fromkeys(("MULTIRESPONSE", "MR", "MULTIRESPONSE_H", "MRH", "MULTIRESPONSE_S", "MRS", "MULTIRESPONSE_HS", "MRHS"), "multiple"),
}  # fmt: skip
_START = re.compile(r"\{(\d{0,4}):([A-Z_]{2,20}):")
_WEIGHT = re.compile(r"%(-?\d{1,3}(?:[.,]\d{1,10})?)%")
_ESCAPED = re.compile(r"\\([~=#}\"/])")
_FEEDBACK = re.compile(r"(?<!&)(?<!&amp;)#")
_HIDDEN = {sign: chr(0xE010 + n) for n, sign in enumerate('~=#}"/')}
_SHOWN = {mark: sign for sign, mark in _HIDDEN.items()}
RULE = '<hr class="ask">'
"""Between the asks of a group in our own files."""


@dataclass(frozen=True)
class Gap:
    """One embedded answer."""

    marks: int
    kind: str
    answers: tuple[tuple[Fraction, str, str], ...]
    """Share, text, feedback."""
    start: int
    end: int
    has_weights: bool = False
    """Whether any answer says its share."""


def gaps_in(source: str) -> list[Gap]:
    """The embedded answers of a text."""
    found = []
    hidden = _ESCAPED.sub(
        lambda sign: _HIDDEN[sign[1]] + "\ue0ff", source
    )  # two signs stay two, so that places do
    at = 0
    while start := _START.search(hidden, at):
        at = start.end()
        end = hidden.find("}", at)
        kind = _KINDS.get(start[2])
        if end < 0:
            break
        if kind is None:
            continue
        inside = hidden[at:end]
        found.append(
            Gap(
                int(start[1] or 1),
                kind,
                tuple(_answers(inside)),
                start.start(),
                end + 1,
                any(_WEIGHT.match(one.strip()) for one in inside.split("~")),
            )
        )
        at = end + 1
    return found


def _answers(inside: str) -> list[tuple[Fraction, str, str]]:
    found = []
    for part in inside.split("~"):
        text, share = part.strip(), NONE
        if text.startswith("="):
            text, share = text[1:], ONE
        elif weight := _WEIGHT.match(text):
            text, share = text[weight.end() :], share_of(weight[1])
        answer, *feedback = _FEEDBACK.split(text, maxsplit=1)
        found.append((share, _show(answer).strip(), _show("".join(feedback)).strip()))
    return found


def _show(text: str) -> str:
    return "".join(_SHOWN.get(sign, sign) for sign in text.replace("\ue0ff", ""))


# ---------------------------------------------------------------- cloze


def cloze(question: Element, texts: Texts) -> Made:
    """A text with embedded answers; in our own files also groups."""
    node = child(question, "questiontext")
    source, form = raw(node), str((node.get("format") if node is not None else "") or "html")
    gaps = gaps_in(source)
    if not gaps:
        raise Refused("no_question", _("Nothing is asked here."))
    named = [one.split() for one in str(question.get("data-ids") or "").split("|")]
    named += [[] for _gap in gaps[len(named) :]]
    asks = [_ask(gap, texts, ids) for gap, ids in zip(gaps, named, strict=False)]
    wanted = str(question.get("data-type") or "")
    remarks = [remark for _body, _key, own in asks for remark in own]
    shape = TYPES.get(wanted)
    if shape is not None and shape.is_group and wanted != "CLOZE" and source.count(RULE) == len(gaps):
        return _group(question, texts, source, gaps, asks)
    if any(body["kind"] not in CLOZE_KINDS for body, _key, _own in asks):
        return _mixed(question, texts, source, form, gaps, asks)
    numbers = _numbers(question, len(gaps))
    prose = texts.read_html(_with_marks(source, gaps, numbers), form, node)
    stem = {tongue: _numbered(words) for tongue, words in prose.text.items()}
    found = dict(zip(numbers, zip(asks, gaps, strict=True), strict=True))
    bodies, keys = [], []
    for number_ in sorted(found):
        (body, key, _own), gap = found[number_]
        bodies.append({**body, **({"marks": gap.marks} if gap.marks not in {0, 1} else {})})
        keys.append(key)
    return Made(
        "CLOZE", {"reveal": "all", "asks": bodies}, {"asks": keys}, Prose(stem, prose.media), remarks=remarks
    )


def _numbers(question: Element, count: int) -> list[int]:
    """The numbers of the asks in the order of the text, where our own files say them; else from 1."""
    own = [counted(one) for one in str(question.get("data-asks") or "").split()]
    return own if sorted(own) == list(range(1, count + 1)) else list(range(1, count + 1))


def _with_marks(source: str, gaps: Sequence[Gap], numbers: Sequence[int] = ()) -> str:
    """The source with a mark in the place of each embedded answer."""
    parts, at = [], 0
    for n, gap in zip(numbers or range(1, len(gaps) + 1), gaps, strict=True):
        parts += [source[at : gap.start], f"\ue000{n}\ue001"]
        at = gap.end
    return "".join([*parts, source[at:]])


def _numbered(words: str) -> str:
    """Marks as gaps; in the other language our own files have ``[1]`` between guillemets for them."""
    plain = words.replace("[[", "[ [").replace("]]", "] ]")
    plain = re.sub("\ue000(\\d+)\ue001", r"[[\1]]", plain)
    return re.sub(r"⟦(\d{1,2})⟧", r"[[\1]]", plain)


def _ask(gap: Gap, texts: Texts, ids: Sequence[str]) -> tuple[Json, Json, list[tuple[str, str]]]:
    """Body, key and remarks of an embedded answer. ``ids``: of its options, where our own files say them. Raises Refused."""
    plain = [(share, texts.read_html(text), text) for share, text, _feedback in gap.answers]
    remarks = [
        (next(iter(prose.text.values()), ""), words)
        for (_share, prose, _text), (_s, _t, feedback) in zip(plain, gap.answers, strict=True)
        for words in texts.read_html(feedback, holds=False).text.values()
    ]
    if gap.kind in {"text", "case"}:
        key = accepted([(next(iter(prose.text.values()), ""), share) for share, prose, _text in plain])
        return {"kind": "text"}, {**key, **({"case": True} if gap.kind == "case" else {})}, remarks
    if gap.kind == "number":
        return {"kind": "number", "units": []}, _number(gap), remarks
    names = (
        list(ids)
        if len(ids) == len(plain)
        else [LETTERS[n] if n < 26 else f"o{n}" for n in range(len(plain))]
    )
    options = [option_of(name, prose) for name, (_share, prose, _text) in zip(names, plain, strict=True)]
    shares = {str(option["id"]): share for option, (share, _prose, _text) in zip(options, plain, strict=True)}
    if max(shares.values()) <= 0:
        raise Refused("no_key", _("No option earns anything."))
    if gap.kind == "choice":
        key, reviews = single_key(shares)
        texts.album.reviews += reviews
        return {"kind": "choice", "options": options}, key, remarks
    whole = sum((share for share in shares.values() if share > 0), NONE)
    wrong = NONE if gap.has_weights else -1 / whole  # as Moodle does it
    body, key = multiple_key(
        {name: share / whole if share > 0 else share or wrong for name, share in shares.items()}
    )
    return {"kind": "multiple", "options": options, **body}, key, remarks


def _number(gap: Gap) -> Json:
    answers: list[Json] = []
    for share, text, _feedback in gap.answers:
        middle, _colon, margin = text.partition(":")
        value, tolerance = (
            number(middle.strip().replace(",", ".")),
            number(margin.strip().replace(",", ".") or "0"),
        )
        if share <= 0:
            continue
        if value is None or tolerance is None:
            raise Refused("number", _("The right value is not a number: %(text)s", text=text[:40]))
        own = {} if share == ONE else {"share": written(share)}
        answers.append({"value": written(value), "tolerance": written(abs(tolerance)), **own})
    if not answers:
        raise Refused("no_key", _("Give the right value."))
    return answers[0] if len(answers) == 1 and "share" not in answers[0] else {"answers": answers}


def _mixed(
    question: Element,
    texts: Texts,
    source: str,
    form: str,
    gaps: Sequence[Gap],
    asks: Sequence[tuple[Json, Json, list[tuple[str, str]]]],
) -> Made:
    """A multiple choice within a text: alone it is one, among others it has no like."""
    if len(gaps) > 1:
        made = as_essay(_("It asks several things of different kinds at once; make a question of each."))
        made.stem = texts.read_html(_with_blanks(source, gaps), form, child(question, "questiontext"))
        return made
    body = {name: value for name, value in asks[0][0].items() if name != "kind"}
    stem = texts.read_html(_with_blanks(source, gaps), form, child(question, "questiontext"))
    return Made("X", body, asks[0][1], stem, remarks=asks[0][2])


def _with_blanks(source: str, gaps: Sequence[Gap]) -> str:
    return re.sub("\ue000\\d+\ue001", "", _with_marks(source, gaps))


def _group(
    question: Element,
    texts: Texts,
    source: str,
    gaps: Sequence[Gap],
    asks: Sequence[tuple[Json, Json, list[tuple[str, str]]]],
) -> Made:
    """A group of our own files: the shared text, then each ask behind a rule."""
    wanted = str(question.get("data-type"))
    shape = TYPES[wanted]
    node = child(question, "questiontext")
    first, *parts = _with_blanks(source, gaps).split(RULE)
    bodies, keys = [], []
    scorings = str(question.get("data-scoring") or "").split()
    for n, (part, (body, key, _own), gap) in enumerate(zip(parts, asks, gaps, strict=True)):
        prose = texts.read_html(part, "html", node)
        rest = {name: value for name, value in body.items() if name not in {"kind", "scoring"}}
        if shape.kind == "multiple" and not shape.scoring:
            scoring = scorings[n] if n < len(scorings) else str(body.get("scoring", "weights"))
            rest |= {"scoring": scoring} if scoring != "all" else {}
            key = key if scoring == body.get("scoring") else _right(key)
        elif shape.scoring:
            key = _right(key)
        default = len(key.get("right", [])) if shape.scoring == "plus_minus" else 1
        ask: Json = {"stem": prose.text, **({"media": prose.media} if prose.media else {}), **rest}
        bodies.append({**ask, "marks": gap.marks} if gap.marks != default else ask)
        keys.append(key)
    shared = {}
    if shape.shares_options:
        shared = {"options": bodies[0].get("options", [])}
        for one in bodies:
            one.pop("options", None)
    stem = texts.read_html(first, "html", node)
    return Made(
        wanted,
        {**shared, "reveal": "serial" if shape.is_serial else "all", "asks": bodies},
        {"asks": keys},
        stem,
    )


def _right(key: Json) -> Json:
    """The key by right options, of one by weights."""
    if "right" in key:
        return key
    return {"right": [name for name, share in key["weights"].items() if not str(share).startswith("-")]}


# ---------------------------------------------------------------- words in a text


def words_in_text(question: Element, texts: Texts) -> Made:
    """Words that are dragged (``ddwtos``) or chosen (``gapselect``) into the gaps ``[[n]]`` of a text."""
    node = child(question, "questiontext")
    choices = children(question, "dragbox", "selectoption")
    groups = [(raw_group(one), texts.read_html(raw(one), "html", one)) for one in choices]
    numbers: list[int] = []

    def mark(found: re.Match[str]) -> str:
        numbers.append(int(found[1]))
        return f"\ue000{len(numbers)}\ue001"

    source = re.sub(r"\[\[(\d{1,2})\]\]", mark, raw(node))
    if not numbers or any(not 1 <= one <= len(choices) for one in numbers):
        raise Refused("gaps", _("Each gap stands in the text once, as [[1]], [[2]] and so on."))
    prose = texts.read_html(source, str((node.get("format") if node is not None else "") or "html"), node)
    count = max((words.count("\ue000") for words in prose.text.values()), default=0)
    is_one_group = len({group for group, _prose in groups}) == 1
    if question.get("type") == "ddwtos" and is_one_group:
        return _gap_match(question, prose, choices, [one for _group, one in groups], numbers[:count])
    return _gap_choices(prose, groups, numbers[:count])


def raw_group(choice: Element) -> str:
    """The group of words that may stand in the same gaps."""
    node = child(choice, "group")
    return (node.text or "1").strip() if node is not None else "1"


def _gap_match(
    question: Element,
    prose: Prose,
    choices: Sequence[Element],
    words: Sequence[Prose],
    numbers: Sequence[int],
) -> Made:
    names = [name_of(choice, n) for n, choice in enumerate(choices)]
    options = [option_of(name, one) for name, one in zip(names, words, strict=True)]
    rows = [{"id": f"g{n}", "zh": f"空{n}", "en": f"Gap {n}"} for n in range(1, len(numbers) + 1)]
    own = [one for one in children(question, "gap") if one.get("data-id")]
    for row, told in zip(rows, own, strict=False):
        row.update({"id": str(told.get("data-id"))})
        if texts := {
            tongue: str(told.get(f"data-{tongue}")) for tongue in ("zh", "en") if told.get(f"data-{tongue}")
        }:
            row.pop("zh")
            row.pop("en")
            row.update(texts)
    ids = {str(n): str(row["id"]) for n, row in enumerate(rows, 1)}
    stem = {
        tongue: re.sub(r"\[\[(\d+)\]\]", lambda found: f"[[{ids.get(found[1], found[1])}]]", _numbered(text))
        for tongue, text in prose.text.items()
    }
    is_free = all(flag(choice, "infinite") is not None for choice in choices)
    most = max(list(numbers).count(one) for one in numbers)
    per_option = (
        0 if is_free or most > 1 or any(flag(choice, "infinite") is not None for choice in choices) else 1
    )
    body: Json = {"rows": rows, "options": options, **({"per_option": per_option} if per_option else {})}
    if (scoring := str(question.get("data-scoring") or "each")) != "all":
        body["scoring"] = scoring
    pairs = [[str(row["id"]), names[n - 1]] for row, n in zip(rows, numbers, strict=True)]
    return Made("GAP", body, {"pairs": pairs}, Prose(stem, prose.media))


def _gap_choices(prose: Prose, groups: Sequence[tuple[str, Prose]], numbers: Sequence[int]) -> Made:
    asks, keys = [], []
    for number_ in numbers:
        group = groups[number_ - 1][0]
        members = [(n, one) for n, (own, one) in enumerate(groups, 1) if own == group]
        options = [option_of(LETTERS[m] if m < 26 else f"o{m}", one) for m, (_n, one) in enumerate(members)]
        if len(options) > 26:
            raise Refused("options", _("Give %(least)s to %(most)s options.", least=2, most=26))
        asks.append({"kind": "choice", "options": options})
        keys.append(
            {
                "right": next(
                    str(option["id"])
                    for option, (n, _one) in zip(options, members, strict=True)
                    if n == number_
                )
            }
        )
    stem = {tongue: _numbered(text) for tongue, text in prose.text.items()}
    return Made("CLOZE", {"reveal": "all", "asks": asks}, {"asks": keys}, Prose(stem, prose.media))
