"""Moodle's question types as items."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from lms.assessments.interchange.drafting import Json, Refused, true_or_false, whole_rubric
from lms.assessments.interchange.moodle_texts import Prose, Texts, flag, raw, share_of
from lms.assessments.interchange.safexml import Element, child, children, counted, said
from lms.assessments.rules.items.numbers import written
from lms.core.i18n import _

NONE, ONE = Fraction(0), Fraction(1)
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass
class Made:
    """An item's type, body (without stem) and key."""

    type: str
    body: Json
    key: Json
    stem: Prose | None = None
    """Where it is not the question's own text."""
    reviews: list[str] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """Words of an answer and what the file says of it."""


def costs_more() -> str:
    """What a person should know where a wrong answer costs marks of other questions."""
    return _("A wrong answer takes marks off the rest of the test there; here it earns nothing.")


def as_essay(reason: str) -> Made:
    """What has no like here becomes an essay that a person makes something of."""
    return Made("ESSAY", {"max_chars": 5_000}, {"rubric": whole_rubric()}, reviews=[reason])


def name_of(node: Element, n: int) -> str:
    """The id of an option: the one that our own files give, else a letter."""
    own = str(node.get("data-id") or "")
    return own if re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", own) else (LETTERS[n] if n < 26 else f"o{n + 1}")


def option_of(name: str, prose: Prose, *, fixed: bool = False) -> Json:
    """An option."""
    return {"id": name, **prose.body, **({"fixed": True} if fixed else {})}


# ---------------------------------------------------------------- choosing


def multichoice(question: Element, texts: Texts) -> Made:
    """Single choice with weights, multiple choice by fractions, all or nothing (``multichoiceset``)."""
    answers = children(question, "answer")
    is_set = question.get("type") in {"multichoiceset", "oumultiresponse"}
    is_single = not is_set and flag(question, "single") is not False
    stays = flag(question, "shuffleanswers") is False
    options, shares, remarks = [], {}, []
    for n, answer in enumerate(answers):
        name = name_of(answer, n)
        prose = texts.read(answer)
        options.append(option_of(name, prose, fixed=stays or answer.get("data-fixed") == "true"))
        shares[name] = share_of(answer.get("fraction"))
        remark = texts.read(child(answer, "feedback"), holds=False).text
        remarks += [(next(iter(prose.text.values()), ""), words) for words in remark.values()]
    found = _of_shares(options, shares, question, is_single=is_single, is_set=is_set)
    found.remarks = remarks
    return found


def _of_shares(
    options: list[Json], shares: Mapping[str, Fraction], question: Element, *, is_single: bool, is_set: bool
) -> Made:
    best = max(shares.values(), default=NONE)
    if best <= 0:
        raise Refused("no_key", _("No option earns anything."))
    wanted = str(question.get("data-type") or "")
    if is_single:
        key, reviews = single_key(shares)
        if wanted == "SCT":
            whole = math.lcm(*(share.denominator for share in shares.values()))
            key = {"panel": {name: int(share * whole) for name, share in shares.items()}}
        return Made("A1", {"options": options}, key, reviews=reviews)
    scoring = str(question.get("data-scoring") or "")
    right = [name for name, share in shares.items() if share > 0]
    if is_set and question.get("type") == "oumultiresponse":
        return Made(
            "X", {"options": options, "scoring": "partial"}, {"right": right}, reviews=[other_marking()]
        )
    limit = counted(question.get("data-limit"))
    limited: Json = {"limit": limit} if limit else {}
    if is_set or scoring == "all":
        return Made("X", {"options": options, **limited}, {"right": right})
    if wanted == "KF":
        never = [name for name, share in shares.items() if share < 0]
        must = [name for name in str(question.get("data-must") or "").split() if name in right]
        return Made("KF", {"options": options, **limited}, {"right": right, "must": must, "never": never})
    body, key = multiple_key(shares)
    return Made("X", {"options": options, **limited, **body}, key)


def other_marking() -> str:
    """What a person should know where marks are given in another way."""
    return _("Marks are given there in a way that has no like here; look at how it is marked.")


def single_key(shares: Mapping[str, Fraction]) -> tuple[Json, list[str]]:
    """The key of a single choice by what each option earns, and what a person should know."""
    best = max(shares.values())
    right = next(name for name, share in shares.items() if share == best)
    weights = {name: written(max(-ONE, share)) for name, share in shares.items() if name != right and share}
    reviews = [costs_more()] if any(share < 0 for share in shares.values()) else []
    if best != ONE:
        reviews.append(_("No answer earns all the marks there; here the best one does."))
    return {"right": right, **({"weights": weights} if weights else {})}, reviews


def multiple_key(shares: Mapping[str, Fraction]) -> tuple[Json, Json]:
    """Scoring and key of a multiple choice by what each option earns, never less than nought together."""
    right = [name for name, share in shares.items() if share > 0]
    wrong = [share for share in shares.values() if share <= 0]
    each = Fraction(1, len(right))
    if all(abs(shares[name] - each) < Fraction(1, 1000) for name in right) and wrong:
        if all(abs(share + each) < Fraction(1, 1000) for share in wrong):
            return {"scoring": "plus_minus"}, {"right": right}
        if all(share <= -ONE for share in wrong):
            return {"scoring": "partial"}, {"right": right}
    weights = {name: written(max(-ONE, min(ONE, share))) for name, share in shares.items() if share}
    return {"scoring": "weights"}, {"weights": weights, "lower": "0"}


def truefalse(question: Element, texts: Texts) -> Made:
    """Right or wrong; old files have the words of their own language in the order true, false."""
    verdict: bool | None = None
    remarks = []
    for n, answer in enumerate(children(question, "answer")[:2]):
        words = raw(answer).strip().lower()
        is_true = words == "true" if words in {"true", "false"} else n == 0
        if share_of(answer.get("fraction")) > 0:
            verdict = is_true
        remark = texts.read(child(answer, "feedback"), holds=False).text
        remarks += [
            ("对" if is_true else "错", one) if tongue == "zh" else (str(is_true), one)
            for tongue, one in remark.items()
        ]
    if verdict is None:
        raise Refused("no_key", _("The file does not say what is right."))
    return Made(
        "TF",
        {"options": _truths(question) or true_or_false()},
        {"right": "true" if verdict else "false"},
        remarks=remarks,
    )


def _truths(question: Element) -> list[Json]:
    """The two options as our own files word them."""
    found = []
    for answer in children(question, "answer")[:2]:
        words = {
            tongue: str(answer.get(f"data-{tongue}"))
            for tongue in ("zh", "en")
            if answer.get(f"data-{tongue}")
        }
        if words:
            fixed = {"fixed": True} if answer.get("data-fixed") == "true" else {}
            found.append({"id": raw(answer).strip().lower(), **words, **fixed})
    return found if len(found) == 2 else []


# ---------------------------------------------------------------- words and numbers


def shortanswer(question: Element, texts: Texts) -> Made:
    """Accepted forms; ``*`` stands for anything in both."""
    forms = [
        (" ".join(raw(one).split()), share_of(one.get("fraction"))) for one in children(question, "answer")
    ]
    remarks = [
        (raw(one), words)
        for one in children(question, "answer")
        for words in texts.read(child(one, "feedback"), holds=False).text.values()
    ]
    key = accepted(forms)
    if flag(question, "usecase"):
        key["case"] = True
    return Made("SHORT", {}, key, remarks=remarks)


def accepted(forms: Sequence[tuple[str, Fraction]]) -> Json:
    """The key of a short answer, the first form that fits. Raises Refused where nothing earns anything."""
    last = max((n for n, (text, share) in enumerate(forms) if share > 0 and text), default=-1)
    if last < 0:
        raise Refused("no_key", _("Give at least one accepted answer."))
    best = max(share for text, share in forms if text)
    made: list[Json] = []
    for text, share in forms[: last + 1]:
        if text and all(one["text"] != text for one in made):
            part = max(NONE, share / best)
            made.append({"text": text, **({} if part == ONE else {"share": written(part)})})
    return {"accepted": made}


Reader = Callable[[Element, Texts], Made]


def name_in(question: Element) -> str:
    """The question's name."""
    return " ".join(said(child(question, "name")).split())
