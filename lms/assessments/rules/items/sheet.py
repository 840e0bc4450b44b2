"""An item as the flat fields of an author's form, there and back.

Names: ``stem-zh``, ``o0-zh`` (option), ``r0-zh`` (row), ``w0-text`` (accepted form), ``p0-name`` (drawn value), ``t0-formula``
(trap), ``c0-zh`` (line of a rubric), ``h0-coords`` (area of a picture); those of the second ask of a group begin with ``a1-``.
Empty rows are left out. What a form does not hold (media, fixed options, weights) is carried over from the wording that it
began with. The gaps of a text stand in the text itself (items.woven).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lms.assessments.rules.items import woven
from lms.assessments.rules.items.shape import as_list, as_map, is_text
from lms.assessments.rules.items.spots import put_spots, read_spots, spot_field
from lms.assessments.rules.items.types import TYPES, Type

Get = Callable[[str], str]
Json = Mapping[str, Any]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MOST_ROWS = 40


def has_form(type_code: str, body: Json, key: Json) -> bool:
    """Whether the form can show everything that an item says; gaps that came from a file may hold more."""
    return type_code != "CLOZE" or woven.can_be_typed(body, key)


def fields_of(type_code: str, body: Json, key: Json, rationale: Json) -> dict[str, str]:
    """The fields of an item."""
    shape = TYPES[type_code]
    found: dict[str, str] = {}
    _put_text(found, "stem", body.get("stem"))
    _put_text(found, "why", rationale)
    if shape.code == "CLOZE":
        found |= {f"stem-{language}": text for language, text in woven.weave(body, key).items()}
        for index, reason in enumerate(as_list(rationale.get("asks"))):
            _put_text(found, f"a{index}-why", reason)
        return found
    if not shape.is_group:
        _put_ask(found, "", body, key)
        return found
    if shape.shares_options:
        _put_rows(found, "o", body.get("options"))
    keys, reasons = as_list(key.get("asks")), as_list(rationale.get("asks"))
    for index, part in enumerate(map(as_map, as_list(body.get("asks")))):
        prefix = f"a{index}-"
        _put_text(found, f"{prefix}stem", part.get("stem"))
        _put_text(found, f"{prefix}why", reasons[index] if index < len(reasons) else {})
        its_key = as_map(keys[index]) if index < len(keys) else {}
        if shape.shares_options:
            chosen = its_key.get("right")
            found[f"{prefix}right"] = ",".join(chosen) if isinstance(chosen, list) else str(chosen or "")
        else:
            _put_ask(found, prefix, part, its_key)
    return found


def _put_text(found: dict[str, str], name: str, text: Any) -> None:
    for language in ("zh", "en"):
        found[f"{name}-{language}"] = str(as_map(text).get(language) or "")


def _put_rows(found: dict[str, str], letter: str, rows: Any) -> None:
    for index, row in enumerate(map(as_map, as_list(rows))):
        found[f"{letter}{index}-id"] = str(row.get("id", ""))
        _put_text(found, f"{letter}{index}", row)


def _put_ask(found: dict[str, str], prefix: str, body: Json, key: Json) -> None:
    for name in ("scoring", "limit", "round", "low", "high", "step", "max_chars"):
        source = key if name == "round" else body
        if source.get(name) is not None:
            found[prefix + name] = str(source[name])
    for name in ("value", "tolerance", "unit", "formula"):
        if key.get(name) is not None:
            found[prefix + name] = str(key[name])
    found[f"{prefix}relative"] = "1" if key.get("relative") else ""
    found[f"{prefix}case"] = "1" if key.get("case") else ""
    found[f"{prefix}units"] = ", ".join(map(str, as_list(body.get("units"))))
    found[f"{prefix}formats"] = ", ".join(map(str, as_list(body.get("formats"))))
    if body.get("image") is not None or key.get("areas"):
        _put_text(found, f"{prefix}alt", body.get("alt"))
        put_spots(found, body, key)
    _put_rows(found, f"{prefix}o", _ordered(body.get("options"), key.get("order")))
    _put_rows(found, f"{prefix}r", body.get("rows"))
    ids = [str(as_map(one).get("id")) for one in as_list(body.get("options"))]
    right = key.get("right")
    chosen = right if isinstance(right, list) else [right]
    for index, name in enumerate(ids):
        if name in chosen:
            found[f"{prefix}o{index}-right"] = "1"
            found[f"{prefix}right"] = str(index)
        roles = [role for role in ("must", "never") if name in as_list(key.get(role))]
        found[f"{prefix}o{index}-role"] = roles[0] if roles else ("right" if name in chosen else "")
        found[f"{prefix}o{index}-count"] = str(as_map(key.get("panel")).get(name, ""))
    for index, row in enumerate(map(as_map, as_list(body.get("rows")))):
        matched = [
            ids.index(to) for one, to in as_list(key.get("pairs")) if one == row.get("id") and to in ids
        ]
        found[f"{prefix}r{index}-to"] = ",".join(LETTERS[one].upper() for one in matched)
    for letter, rows, names in (
        ("w", key.get("accepted"), ("text", "share")),
        ("p", body.get("parameters"), ("name", "low", "high", "step")),
        ("t", key.get("traps"), ("name", "formula")),
        ("c", key.get("rubric") or key.get("checklist"), ("id", "marks", "zh", "en")),
    ):
        for index, row in enumerate(map(as_map, as_list(rows))):
            for name in names:
                found[f"{prefix}{letter}{index}-{name}"] = str(row.get(name) or "")


def _ordered(options: Any, order: Any) -> Any:
    """The options of an ordering stand in the form in their right order."""
    known = {as_map(one).get("id"): one for one in as_list(options)}
    return [known[one] for one in as_list(order) if one in known] or options


# ---------------------------------------------------------------- back


def read(
    type_code: str, get: Get, base: Json | None = None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Body, key and rationale from the fields of a form. ``base``: the body of the wording that the form began with."""
    shape, before = TYPES[type_code], as_map(base)
    body: dict[str, Any] = {"stem": _text(get, "stem"), **_kept(before)}
    rationale: dict[str, Any] = _text(get, "why")
    if shape.code == "CLOZE":
        return _gaps(get, body, before, rationale)
    if not shape.is_group:
        ask, key = _ask(shape, get, "", before)
        return {**body, **ask}, key, rationale
    body["reveal"] = "serial" if shape.is_serial else "all"
    if shape.shares_options:
        body["options"] = _rows(get, "o", before.get("options"))
    asks, keys, reasons = [], [], []
    old = as_list(before.get("asks"))
    for index in range(shape.asks[1]):
        prefix, part = f"a{index}-", as_map(old[index]) if index < len(old) else {}
        if not _is_written(get, prefix):
            continue
        stem = _text(get, f"{prefix}stem")
        ask, key = (
            _shared_key(shape, get, prefix, body) if shape.shares_options else _ask(shape, get, prefix, part)
        )
        asks.append({"stem": stem, **_kept(part), **ask})
        keys.append(key)
        reasons.append(_text(get, f"{prefix}why"))
    body["asks"] = asks
    if any(map(is_text, reasons)):
        rationale["asks"] = reasons
    return body, {"asks": keys}, rationale


def _gaps(
    get: Get, body: dict[str, Any], before: Json, rationale: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A text with its gaps."""
    body["stem"], body["asks"], keys = woven.unweave(body["stem"], before)
    body["reveal"] = "all"
    reasons = [_text(get, f"a{index}-why") for index in range(len(keys))]
    if any(map(is_text, reasons)):
        rationale["asks"] = reasons
    return body, {"asks": keys}, rationale


def _is_written(get: Get, prefix: str) -> bool:
    """Whether an ask of a group has been begun: its question, or one of its first options."""
    return is_text(_text(get, f"{prefix}stem")) or any(
        get(f"{prefix}o{row}-{lang}").strip() for row in range(3) for lang in ("zh", "en")
    )


# ---------------------------------------------------------------- where a fault lies in the form


def field_at(type_code: str, get: Get, path: str, base: Json | None = None) -> str:
    """Name of the field in which a fault of the item lies that ``read`` made of the same form.

    ``path`` as in Fault. Rows that were left empty are no part of the item, so the third option may stand in the fifth
    row. The question itself, where the form has no field for it.
    """
    shape, before = TYPES[type_code], as_map(base)
    head, *rest = path.split(".")
    if shape.code == "CLOZE":
        return _woven_at(get, head, rest)
    if shape.code == "HOTSPOT" and (name := spot_field(get, head, rest)):
        return name
    if head == "rationale":
        prefix, rest = _ask_at(shape, get, rest) if rest[:1] == ["asks"] else ("", rest)
        return f"{prefix}why-{_language(rest)}"
    prefix = ""
    if shape.is_group and head == "asks":
        prefix, (head, *rest) = _ask_at(shape, get, [head, *rest])
        number = int(prefix[1:-1])
        old = as_list(before.get("asks"))
        before = as_map(old[number]) if number < len(old) else {}
    name = _row_at(shape, get, prefix, before, head, rest) or _control_at(shape, head, rest)
    return prefix + name


def _woven_at(get: Get, head: str, rest: Sequence[str]) -> str:
    """Everything of a gap stands in the text; a reason in its own field."""
    if head == "rationale":
        index = f"a{rest[1]}-" if rest[:1] == ["asks"] and len(rest) > 1 else ""
        return f"{index}why-{_language(rest)}"
    if head == "stem" and rest:
        return f"stem-{_language(rest)}"
    return "stem-zh" if get("stem-zh").strip() or not get("stem-en").strip() else "stem-en"


def _ask_at(shape: Type, get: Get, path: Sequence[str]) -> tuple[str, list[str]]:
    """Prefix of the fields of ``asks.<index>``, and the rest of the path."""
    _asks, *rest = path
    written = [index for index in range(shape.asks[1]) if _is_written(get, f"a{index}-")]
    index = int(rest[0]) if rest else 0
    return f"a{written[index] if index < len(written) else 0}-", list(rest[1:]) or ["stem"]


def _language(path: Sequence[str]) -> str:
    return path[-1] if path and path[-1] in {"zh", "en"} else "zh"


_ROWS = {"rows": "r", "accepted": "w", "parameters": "p", "traps": "t", "rubric": "c", "checklist": "c"}
_FIRST = {"accepted": "text", "parameters": "low", "traps": "formula"}
"""The field of a row that stands for the whole row; of all other rows the text."""


def _row_at(shape: Type, get: Get, prefix: str, before: Json, head: str, rest: Sequence[str]) -> str:
    """A field of a row: of an option, a gap, an accepted answer, a drawn value; empty where the part has no rows."""
    index = int(rest[0]) if rest and rest[0].isdigit() else 0
    part = rest[1] if len(rest) > 1 else ""
    if head == "pairs":
        placed = [
            row["#"]
            for row in _rows(get, f"{prefix}r", before.get("rows"))
            for letter in get(f"{prefix}r{row['#']}-to").replace("，", ",").split(",")
            if letter.strip()
        ]
        return f"r{placed[index] if index < len(placed) else 0}-to"
    if head in {"options", "rows"}:
        if shape.code == "TF":
            return "right-0"
        letter = "o" if head == "options" else "r"
        rows = _rows(get, prefix + letter, before.get(head))
        if shape.kind == "order":
            rows = sorted(rows, key=lambda row: str(row["id"]))
        number = rows[index]["#"] if index < len(rows) else 0
        return f"{letter}{number}-{_language(rest)}"
    if head not in _ROWS:
        return ""
    letter = _ROWS[head]
    written = _indices(get, prefix + letter, *_WRITTEN[letter])
    number = written[index] if index < len(written) else 0
    if letter == "c":
        return f"c{number}-{'marks' if part == 'marks' else _language(rest)}"
    first = "name" if head == "parameters" and not rest else _FIRST[head]
    return f"{letter}{number}-{part if part in _PARTS[letter] else first}"


_WRITTEN = {"w": ("text",), "p": ("name",), "t": ("formula",), "c": ("zh", "en")}
"""What makes a row count, by its letter."""
_PARTS = {"w": ("text", "share"), "p": ("name", "low", "high", "step"), "t": ("name", "formula")}
_LINES = {
    "number": ("value", "tolerance", "relative", "units", "unit"),
    "text": ("case",),
    "slider": ("low", "high", "step", "value", "tolerance"),
    "essay": ("max_chars",),
    "file": ("formats",),
    "order": ("scoring",),
    "pairs": ("scoring",),
}
"""Fields of an ask beside its rows, by its kind."""


def _control_at(shape: Type, head: str, rest: Sequence[str]) -> str:
    """A field that is no row."""
    if head == "right":
        if shape.shares_options:
            return "right"
        if shape.kind == "choice":
            return "right-0"
        return "o0-role" if shape.code == "KF" else "o0-right"
    if head in {"must", "never"}:
        return "o0-role"
    if head == "panel":
        return "o0-count"
    if head == "order":
        return "o0-zh"
    names = set(_LINES.get(shape.kind, ()))
    if shape.code == "DOSE":
        names = (names | {"formula", "round"}) - {"value"}
    if shape.code == "KF":
        names.add("limit")
    if shape.kind == "multiple" and not shape.scoring:
        names.add("scoring")
    if head == "answers":
        head = rest[1] if len(rest) > 1 else "value"
    if head == "share":
        head = "value"
    return head if head in names else f"stem-{_language([head, *rest])}"


def _kept(before: Json) -> dict[str, Any]:
    """What no field shows."""
    return {name: before[name] for name in ("media", "marks") if before.get(name)}


def _text(get: Get, name: str) -> dict[str, str]:
    return {
        language: "\n".join(line.rstrip() for line in get(f"{name}-{language}").strip().splitlines())
        for language in ("zh", "en")
    }


def _indices(get: Get, prefix: str, *names: str) -> list[int]:
    """The rows in which somebody wrote something."""
    return [
        index for index in range(MOST_ROWS) if any(get(f"{prefix}{index}-{name}").strip() for name in names)
    ]


def _rows(get: Get, prefix: str, before: Any, names: Sequence[str] = LETTERS) -> list[dict[str, Any]]:
    """``names``: the ids of rows that have none yet, in their order."""
    known = {as_map(one).get("id"): as_map(one) for one in as_list(before)}
    rows: list[dict[str, Any]] = []
    taken: set[str] = {get(f"{prefix}{index}-id") for index in range(MOST_ROWS)}
    for index in range(MOST_ROWS):
        name = get(f"{prefix}{index}-id").strip()
        text = _text(get, f"{prefix}{index}")
        media = {kept: known[name][kept] for kept in ("media", "fixed") if known.get(name, {}).get(kept)}
        if not is_text(text) and "media" not in media:
            continue
        if not name:
            name = next(one for one in (*names, *(f"o{n}" for n in range(99))) if one not in taken)
            taken.add(name)
        rows.append({"id": name, **text, **media, "#": index})
    return rows


def _places(rows: list[dict[str, Any]]) -> dict[int, str]:
    """Row of the form → id; the rows lose the mark of where they stood."""
    return {row.pop("#"): row["id"] for row in rows}


def _shared_key(
    shape: Type, get: Get, prefix: str, body: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    for row in body["options"]:
        row.pop("#", None)
    chosen = [one.strip() for one in get(f"{prefix}right").replace("，", ",").split(",") if one.strip()]
    return {}, {"right": chosen if shape.kind == "multiple" else (chosen[0] if chosen else "")}


def _ask(shape: Type, get: Get, prefix: str, before: Json) -> tuple[dict[str, Any], dict[str, Any]]:
    def value(name: str) -> str:
        return get(prefix + name).strip()

    names = ("true", "false") if shape.code == "TF" else tuple(LETTERS)
    options = _rows(get, f"{prefix}o", before.get("options"), names)
    places = _places(options)
    if shape.kind == "choice":
        body: dict[str, Any] = {"options": options}
        if shape.code == "SCT":
            counts = {name: value(f"o{row}-count") for row, name in places.items()}
            return body, {"panel": {name: int(count) for name, count in counts.items() if count.isdigit()}}
        row = value("right")
        return body, {"right": places.get(int(row), "") if row.isdigit() else ""}
    if shape.kind == "multiple":
        return _several(shape, value, options, places)
    if shape.kind == "number":
        return _number(shape, get, prefix, value)
    if shape.kind == "text":
        forms = [
            {
                "text": value(f"w{row}-text"),
                **({"share": value(f"w{row}-share")} if value(f"w{row}-share") else {}),
            }
            for row in _indices(get, f"{prefix}w", "text")
        ]
        return {}, {"accepted": forms, **({"case": True} if value("case") else {})}
    if shape.kind == "order":
        written = sorted(
            options, key=lambda option: str(option["id"])
        )  # the form shows the key; the paper must not
        return {"options": written, "scoring": value("scoring") or "all"}, {
            "order": [one["id"] for one in options]
        }
    if shape.kind == "pairs":
        return _pairs(get, prefix, value, before, options)
    if shape.kind == "slider":
        return (
            {name: value(name) for name in ("low", "high", "step")},
            {"value": value("value"), "tolerance": value("tolerance") or "0"},
        )
    if shape.kind == "point":
        body, key = read_spots(get, before)
        return {**body, "alt": _text(get, "alt")}, key
    lines = [
        {
            "id": value(f"c{row}-id") or f"c{row + 1}",
            **_text(get, f"{prefix}c{row}"),
            "marks": _whole(value(f"c{row}-marks")),
        }
        for row in _indices(get, f"{prefix}c", "zh", "en")
    ]
    if shape.kind == "checklist":
        return {}, {"checklist": lines}
    if shape.kind == "file":
        formats = [
            one.strip().lower().lstrip(".")
            for one in value("formats").replace("，", ",").split(",")
            if one.strip()
        ]
        return {"formats": formats, "max_bytes": before.get("max_bytes", 10 * 1024 * 1024)}, {"rubric": lines}
    return {"max_chars": _whole(value("max_chars")) or 2_000}, {"rubric": lines}


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _several(
    shape: Type, value: Get, options: list[dict[str, Any]], places: dict[int, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    body: dict[str, Any] = {"options": options}
    if limit := _whole(value("limit")):
        body["limit"] = limit
    if shape.scoring == "key_feature":
        roles = {name: value(f"o{row}-role") for row, name in places.items()}
        key = {"right": [name for name, role in roles.items() if role in {"right", "must"}]}
        key |= {role: [name for name, given in roles.items() if given == role] for role in ("must", "never")}
        return body, key
    if not shape.scoring:
        body["scoring"] = value("scoring") or "all"
    return body, {"right": [name for row, name in places.items() if value(f"o{row}-right")]}


def _number(shape: Type, get: Get, prefix: str, value: Get) -> tuple[dict[str, Any], dict[str, Any]]:
    units = [
        one.strip() for one in value("units").replace("，", ",").replace("、", ",").split(",") if one.strip()
    ]
    key: dict[str, Any] = {"tolerance": value("tolerance") or "0"}
    if value("relative"):
        key["relative"] = True
    if unit := value("unit") or (units[0] if units else ""):
        key["unit"] = unit
    if shape.code != "DOSE":
        return {"units": units}, {"value": value("value"), **key}
    parameters = [
        {name: value(f"p{row}-{name}") for name in ("name", "low", "high", "step")}
        for row in _indices(get, f"{prefix}p", "name")
    ]
    key["formula"] = value("formula")
    if value("round"):
        key["round"] = value("round")
    if traps := [
        {name: value(f"t{row}-{name}") for name in ("name", "formula")}
        for row in _indices(get, f"{prefix}t", "formula")
    ]:
        key["traps"] = traps
    return {"units": units, "parameters": parameters}, key


def _pairs(
    get: Get, prefix: str, value: Get, before: Json, options: list[dict[str, Any]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    rows = _rows(get, f"{prefix}r", before.get("rows"))
    places = _places(rows)
    # A letter names the option as the form counts it, empty rows left out.
    by_letter = {LETTERS[index].upper(): option["id"] for index, option in enumerate(options[:26])}
    pairs = [
        [name, by_letter.get(letter.strip().upper(), "")]
        for row, name in places.items()
        for letter in value(f"r{row}-to").replace("，", ",").split(",")
        if letter.strip()
    ]
    body: dict[str, Any] = {"rows": rows, "options": options, "scoring": value("scoring") or "each"}
    body |= {name: before[name] for name in ("per_row", "per_option", "symmetric") if name in before}
    if any(sum(pair[0] == name for pair in pairs) > 1 for name in places.values()):
        body["per_row"] = 0
    return body, {"pairs": pairs}


def is_same_wording(before: Json, after: Json) -> bool:
    """Whether two bodies say the same to a candidate, however a form has tidied one of them."""
    return bool(_plain(before) == _plain(after))


def _plain(part: Any) -> Any:
    """Without what is empty or says the default."""
    if isinstance(part, Mapping):
        kept = {name: _plain(value) for name, value in part.items() if name not in {"reveal", "scoring"}}
        return {name: value for name, value in kept.items() if value not in ("", [], {}, None)}
    if isinstance(part, list | tuple):
        rows = [_plain(one) for one in part]
        return (
            sorted(rows, key=lambda row: str(row["id"]))
            if all(isinstance(one, dict) and "id" in one for one in rows)
            else rows
        )
    return part
