r"""A text with gaps as its author types it, there and back: what is right stands inside the gap.

==================================  =============================================================================
``[[adrenaline|epinephrine]]``      words are typed; each form is accepted; ``=1/2 epi`` gives a part of the marks
``[[^ATP]]``                        words whose capital letters count
``[[?atropine|=adrenaline]]``       a list to choose from; ``=`` marks the right one, ``=1/2`` a part of the marks
``[[#20±0.5|mg|=g]]``               a number with its tolerance (``±5%``: of the value) and units, ``=`` that of the value
``[[2]]``                           the second gap, where the answers stand in the text of the other language
``[[@2 …]]``                        the second gap with its answers, where the two languages differ in their order
==================================  =============================================================================

A backslash before ``| [ ] = # ? ^ @`` or itself takes the sign as it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lms.assessments.rules.items.numbers import fraction, written
from lms.assessments.rules.items.shape import LANGUAGES, as_list, as_map, is_text

Json = Mapping[str, Any]
_WOVEN = re.compile(r"\[\[((?:\\.|(?!\]\]).)*)\]\]")
_NUMBERED = re.compile(r"@(\d{1,2})(?:\s+|$)")
_SHARE = re.compile(r"=\s*(?:(-?(?:0(?:\.\d+)?|\d+/\d+))\s+)?(.*)", re.DOTALL)
_NUMBER = re.compile(r"([^±%]*?)\s*(?:(?:±|\+/-|\+-)\s*([^%]*?)\s*(%?))?")
_BETWEEN = re.compile(r"((?:\\[^\n]|[^|｜\\])*)[|｜]")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
MOST_GAPS = 30
_SHARED = frozenset({"kind", "options", "units"})


@dataclass(frozen=True)
class Gap:
    """What stands in one gap in one language."""

    kind: str
    """``words``, ``list``, ``number``; empty where it only names the gap."""
    entries: tuple[tuple[str | None, str], ...] = ()
    """(share, text): the share None where nothing marks it, empty where ``=`` stands alone."""
    case: bool = False


# ---------------------------------------------------------------- to be typed


def weave(body: Json, key: Json) -> dict[str, str]:
    """The text of each language with its answers in the gaps."""
    parts, keys = as_list(body.get("asks")), as_list(key.get("asks"))
    stem = as_map(body.get("stem"))
    told = [language for language in LANGUAGES if str(stem.get(language) or "").strip()]
    found = dict.fromkeys(LANGUAGES, "")
    for language in told:
        place = 0

        def typed(hit: re.Match[str], language: str = language) -> str:
            nonlocal place
            place += 1
            name = hit[1]
            number = int(name) if name.isdigit() else 0
            if not 1 <= number <= len(parts):
                return hit[0]
            part = as_map(parts[number - 1])
            its_key = as_map(keys[number - 1]) if number <= len(keys) else {}
            inside = _inside(part, its_key, language, is_first=language == told[0])
            if not inside:
                return f"[[{number}]]"
            return f"[[{inside}]]" if number == place else f"[[@{number} {inside}]]"

        found[language] = _WOVEN.sub(typed, str(stem[language]))
    return found


def _inside(part: Json, key: Json, language: str, *, is_first: bool) -> str:
    """The answers of a gap; empty where those of the other language's text hold for this one too."""
    if part.get("kind") == "choice":
        options = [as_map(one) for one in as_list(part.get("options"))]
        if not any(str(one.get(language) or "").strip() for one in options):
            return ""
        weights = as_map(key.get("weights"))
        return "?" + "|".join(_option(one, key.get("right"), weights, language) for one in options)
    if not is_first:
        return ""
    if part.get("kind") == "number":
        margin = str(key.get("tolerance") or "0")
        share = fraction(margin)
        if key.get("relative") and share is not None:
            margin = f"{written(share * 100)}%"
        value = _plain(str(key.get("value", "")))
        units = [str(one) for one in as_list(part.get("units"))]
        marked = [("=" if one == key.get("unit") and one != units[0] else "") + _plain(one) for one in units]
        return "|".join([f"#{value}" + ("" if margin in {"0", "0%"} else f"±{margin}"), *marked])
    forms = [_form(as_map(one)) for one in as_list(key.get("accepted"))]
    if not key.get("case") and len(forms) == 1 and re.fullmatch(r"\d{1,2}", forms[0]):
        forms = [f"={forms[0]}"]  # else it would be the number of a gap
    return ("^" if key.get("case") else "") + "|".join(forms)


def _option(option: Json, right: Any, weights: Json, language: str) -> str:
    text = _plain(str(option.get(language) or ""))
    if option.get("id") == right:
        return f"={text}"
    return f"={weights[option['id']]} {text}" if option.get("id") in weights else text


def _form(form: Json) -> str:
    share, text = form.get("share"), _plain(str(form.get("text", "")))
    return text if share is None or fraction(share) == 1 else f"={share} {text}"


def _plain(text: str) -> str:
    """A text whose signs mean themselves. ``\\*`` of an accepted form stays as it is."""
    found = re.sub(r"\\(?=[|\[\]=#?^@\\]|$)", r"\\\\", text)
    found = re.sub(r"[|\[\]]", lambda hit: "\\" + hit[0], found)
    return "\\" + found if found[:1] in set("=#?^@") else found


# ---------------------------------------------------------------- as it was typed


def unweave(
    typed: Mapping[str, str], before: Json
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """Stem, asks and keys of what was typed. ``before``: the body that one began with; what no gap shows is kept from it."""
    stem: dict[str, str] = dict.fromkeys(LANGUAGES, "")
    gaps: dict[int, dict[str, Gap]] = {}
    for language in LANGUAGES:
        place = 0

        def named(hit: re.Match[str], language: str = language) -> str:
            nonlocal place
            place += 1
            number, gap = _gap(hit[1], place)
            held = gaps.setdefault(number, {})
            if gap.kind or language not in held:
                held[language] = gap
            return f"[[{number}]]"

        stem[language] = _WOVEN.sub(named, typed.get(language, ""))
    # A number that leaves others out, or one beyond all measure, is a fault of the text; it is said there.
    count = min(max(gaps, default=0), MOST_GAPS + 1)
    old = as_list(before.get("asks"))
    kept = [as_map(one) for one in old] if len(old) == count else [{}] * count
    asks, keys = [], []
    for number in range(1, count + 1):
        ask, key = _ask(list(gaps.get(number, {}).items()), kept[number - 1])
        asks.append(ask)
        keys.append(key)
    return stem, asks, keys


def _gap(inside: str, place: int) -> tuple[int, Gap]:
    """Number and content of a gap."""
    text = inside.strip()
    if re.fullmatch(r"[0-9]{1,2}", text):
        return int(text), Gap("")
    if numbered := _NUMBERED.match(text):
        place, text = int(numbered[1]), text[numbered.end() :].strip()
    sign = text[:1]
    if sign in {"?", "？"}:
        return place, Gap("list", _entries(text[1:]))
    if sign in {"#", "＃"}:
        return place, Gap("number", _entries(text[1:]))
    if sign == "^":
        return place, Gap("words", _entries(text[1:]), case=True)
    return place, Gap("words", _entries(text)) if text else Gap("")


def _entries(text: str) -> tuple[tuple[str | None, str], ...]:
    """What stands between the bars."""
    found: list[tuple[str | None, str]] = []
    for entry in _BETWEEN.findall(text + "|"):
        marked = _SHARE.fullmatch(entry.strip())
        share = (marked[1] or "") if marked else None
        found.append((share, _unescaped((marked[2] if marked else entry).strip())))
    return tuple(found)


def _unescaped(text: str) -> str:
    return re.sub(r"\\([|\[\]=#?^@\\])", r"\1", text)


def _ask(held: Sequence[tuple[str, Gap]], before: Json) -> tuple[dict[str, Any], dict[str, Any]]:
    """One ask and its key of what the gap holds in each language."""
    told = [(language, gap) for language, gap in held if gap.kind]
    kind = told[0][1].kind if told else "words"
    name = {"list": "choice", "number": "number"}.get(kind, "text")
    same = [(language, gap) for language, gap in told if gap.kind == kind]
    ask: dict[str, Any] = {part: value for part, value in before.items() if part not in _SHARED}
    ask["kind"] = name
    if name == "choice":
        options, key = _list(same, as_list(before.get("options")) if before.get("kind") == "choice" else ())
        return {**ask, "options": options}, key
    if name == "number":
        units, key = _number(same[0][1].entries)
        return {**ask, "units": units}, key
    forms: dict[str, dict[str, str]] = {}
    for _language, gap in same:
        for share, text in gap.entries:
            if text:
                forms.setdefault(text, {"text": text, **({"share": share} if share else {})})
    return ask, {
        "accepted": list(forms.values()),
        **({"case": True} if any(gap.case for _, gap in same) else {}),
    }


def _list(
    same: Sequence[tuple[str, Gap]], before: Sequence[Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    count = min(max(len(gap.entries) for _language, gap in same), 99)
    known = [as_map(one) for one in before] if len(before) == count else [{}] * count
    options, right, weights = [], [], {}
    for place in range(count):
        name = str(known[place].get("id") or (_LETTERS[place] if place < len(_LETTERS) else f"o{place}"))
        text = dict.fromkeys(LANGUAGES, "")
        for language, gap in same:
            share, words = gap.entries[place] if place < len(gap.entries) else (None, "")
            text[language] = words
            if share == "" and name not in right:
                right.append(name)
            elif share:
                weights[name] = share
        options.append({**known[place], "id": name, **text})
    key: dict[str, Any] = {"right": right[0] if len(right) == 1 else ""}
    return options, key | ({"weights": weights} if weights else {})


def _number(entries: Sequence[tuple[str | None, str]]) -> tuple[list[str], dict[str, Any]]:
    hit = _NUMBER.fullmatch(entries[0][1]) if entries else None
    value, margin, percent = (hit[1] or "", hit[2] or "0", hit[3]) if hit else (entries[0][1], "0", "")
    share = fraction(margin)
    if percent and share is not None:
        margin = written(share / 100)
    key: dict[str, Any] = {"value": value.strip(), "tolerance": margin}
    if percent:
        key["relative"] = True
    units = [text for _share, text in entries[1:] if text]
    marked = [text for share, text in entries[1:] if share is not None and text]
    if units:
        key["unit"] = (marked or units)[0]
    return units, key


# ---------------------------------------------------------------- whether it can be typed


def can_be_typed(body: Json, key: Json) -> bool:
    """Whether an item of a file holds nothing that the gaps cannot show: typed and read again it is the same."""
    if not is_text(body.get("stem")):
        return False
    stem, asks, keys = unweave(weave(body, key), body)
    before = as_map(body.get("stem"))
    is_same_text = all((before.get(one) or "").strip() == stem[one].strip() for one in LANGUAGES)
    is_same_ask = [_told(one) for one in asks] == [_told(as_map(one)) for one in as_list(body.get("asks"))]
    return (
        is_same_text
        and is_same_ask
        and list(map(_marked, keys)) == list(map(_marked, map(as_map, as_list(key.get("asks")))))
    )


def _told(ask: Json) -> dict[str, Any]:
    """What an ask says, without what is empty."""
    found = {name: value for name, value in ask.items() if value not in ("", None, [], {})}
    if "options" in found:
        found["options"] = [_told(as_map(one)) for one in found["options"]]
    return found


def _marked(key: Json) -> dict[str, Any]:
    """What a key marks, without what holds anyway."""
    found = {name: value for name, value in key.items() if value not in ("", None, [], {}, False)}
    if "accepted" in found:
        found["accepted"] = [
            (one.get("text"), fraction(one.get("share", "1"))) for one in map(as_map, found["accepted"])
        ]
    if "weights" in found:
        weights = {name: fraction(value) for name, value in found.pop("weights").items()}
        weights = {name: share for name, share in weights.items() if share and name != found.get("right")}
        found |= {"weights": weights} if weights else {}
    for name in ("value", "tolerance"):
        if name in found:
            found[name] = fraction(found[name])
    if not found.get("tolerance"):
        found.pop("tolerance", None)
    return found
