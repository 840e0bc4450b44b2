"""A framework as one document: read from a file, changed part by part, compared with another, said in words."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.logbooks.rules import frameworks as grammar
from lms.logbooks.rules.content import ROLES
from lms.logbooks.rules.frameworks import Document

FORMAT = "firefly-framework-1"
FILE_MAX = 500_000
"""Bytes of a file that is read."""
_ITEM_TEXTS = ("code", "kind", "domain", "title_zh", "title_en", "rule_zh", "rule_en")


def empty(code: str) -> Document:
    """A framework of a unit with nothing in it."""
    return {
        "code": code,
        "label": "",
        "title_zh": "",
        "title_en": "",
        "is_sample": False,
        "domains": [],
        "items": [],
    }


# ---------------------------------------------------------------- files


def read_file(data: bytes) -> Document:
    """The document in a file that ``written`` made, or in one of the samples' shape. Raises RuleBroken ``framework_file``.

    What the file says wrongly is kept as far as it can be shown; ``frameworks.problems`` names it.
    """
    if len(data) > FILE_MAX:
        raise RuleBroken("framework_file", _("The file is too large."), field="file")
    try:
        raw = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse)
        json.dumps(raw, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as problem:
        raise RuleBroken("framework_file", _("The file holds no JSON."), field="file") from problem
    return read(raw)


def _refuse(_name: str) -> None:
    raise ValueError


def read(raw: object) -> Document:
    """The document that some JSON means. Raises RuleBroken ``framework_file``."""
    if not isinstance(raw, dict) or not isinstance(raw.get("items"), list):
        raise RuleBroken("framework_file", _("The file holds no framework."), field="file")
    domains = raw.get("domains", [])
    items = raw["items"]
    if not isinstance(domains, list) or not all(isinstance(one, dict) for one in [*domains, *items]):
        raise RuleBroken("framework_file", _("The file holds no framework."), field="file")
    if len(items) > 2 * grammar.ITEMS_MAX or len(domains) > 2 * grammar.DOMAINS_MAX:
        raise RuleBroken("framework_file", _("The file is too large."), field="file")
    found: Document = {
        "code": _text(raw.get("code")),
        "label": _text(raw.get("label")),
        "title_zh": _text(raw.get("title_zh")),
        "title_en": _text(raw.get("title_en")),
        "is_sample": raw.get("is_sample") is True,
        "domains": [
            {name: _text(one.get(name)) for name in ("code", "title_zh", "title_en")} for one in domains
        ],
        "items": [_item(one) for one in items],
    }
    _give_keys(found["domains"])
    _give_keys(found["items"])
    clean: Document = _without_zero(found)
    return clean


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)[:200]


def _without_zero(value: Any) -> Any:
    """Databases disagree about a zero byte; no text of ours has one. Numbers that no database keeps become words."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {_without_zero(name): _without_zero(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_without_zero(one) for one in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) > 2**53:
        return str(value)[:40]
    return value


def _item(raw: Mapping[str, Any]) -> dict[str, Any]:
    item = {name: value for name, value in raw.items() if name != "key"}
    for name in _ITEM_TEXTS:
        item[name] = _text(raw.get(name))
    item["critical"] = raw.get("critical", False)
    item["sources"] = raw.get("sources", [])
    item["facets"] = raw.get("facets", [])
    item["cusum"] = raw.get("cusum")
    targets = raw.get("targets", {})
    item["targets"] = dict(targets) if isinstance(targets, dict) else {}
    return item


def read_sample(raw: Mapping[str, Any]) -> Document:
    """The document of a sample that comes with the software: a track that it does not name is asked nothing."""
    found = read(raw)
    for item in found["items"]:
        item["targets"] = {track: item["targets"].get(track) for track in grammar.TRACKS}
    return found


def _give_keys(rows: Iterable[dict[str, Any]]) -> None:
    """Each row gets a key of its own, which stays when its code changes."""
    taken: set[str] = set()
    for row in rows:
        row["key"] = new_key(row["code"], taken)
        taken.add(row["key"])


def new_key(code: str, taken: Iterable[str]) -> str:
    """A key for a new domain or item: its code where that is free and fits."""
    known = set(taken)
    wanted = code if grammar.CODE.fullmatch(code) else ""
    if wanted and wanted not in known:
        return wanted
    number = 2
    while f"{wanted or 'X'}.{number}" in known:
        number += 1
    return f"{wanted or 'X'}.{number}"


def without_keys(document: Document) -> Document:
    """The document as it is published and written to files."""
    return {
        **document,
        "domains": [_bare(one) for one in document["domains"]],
        "items": [_bare(one) for one in document["items"]],
    }


def _bare(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "key"}


def written(document: Document, *, version: int | None = None) -> bytes:
    """The document as a file."""
    found = {"format": FORMAT, **without_keys(document)}
    if version is not None:
        found["version"] = version
    return (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode()


# ---------------------------------------------------------------- rows of the tables


def item_rule(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the table keeps of an item beside its targets (``counting.requirement_of``, ``curve.chart_of``)."""
    rule: dict[str, Any] = {
        "zh": item.get("rule_zh", ""),
        "en": item.get("rule_en", ""),
        "sources": list(item.get("sources", ())),
    }
    if item.get("facets"):
        rule["facets"] = item["facets"]
    if item.get("cusum"):
        rule["cusum"] = item["cusum"]
    return rule


def item_targets(item: Mapping[str, Any]) -> dict[str, Any]:
    """The targets as the table keeps them: a track of which nothing is asked is not there."""
    return {track: target for track, target in item["targets"].items() if target is not None}


def item_of(
    code: str,
    *,
    kind: str,
    critical: bool,
    domain: str,
    title_zh: str,
    title_en: str,
    targets: Mapping[str, Any],
    rule: Mapping[str, Any],
) -> dict[str, Any]:
    """The item of a document that stands in a row."""
    common = rule.get("requirement", {})
    return {
        "key": code,
        "code": code,
        "kind": kind,
        "critical": critical,
        "domain": domain,
        "title_zh": title_zh,
        "title_en": title_en,
        "targets": {
            track: {**common, **targets.get(track, {})} if common or track in targets else None
            for track in grammar.TRACKS
        },
        "facets": list(rule.get("facets", ())),
        "cusum": rule.get("cusum"),
        "rule_zh": rule.get("zh", ""),
        "rule_en": rule.get("en", ""),
        "sources": list(rule.get("sources", ())),
    }


# ---------------------------------------------------------------- words


def target_words(target: Mapping[str, Any] | None) -> list[str]:
    """What a target asks of its track, piece by piece."""
    if not target:
        return [_("nothing is asked")]
    found = [_scale_words(target)]
    if count := target.get("min_count"):
        found.append(_("%(what)s: %(n)s", what=grammar.number_words("min_count"), n=count))
    found += [
        _("%(what)s: %(n)s", what=grammar.number_words(name), n=target[name])
        for name in grammar.NUMBERS
        if name != "min_count" and target.get(name)
    ]
    spread = target.get("spread", {})
    if isinstance(spread, dict):
        found += [
            _("%(what)s: %(n)s", what=grammar.number_words(name), n=spread[name])
            for name in grammar.SPREAD
            if spread.get(name)
        ]
    if target.get("observed"):
        found.append(_("watching is enough"))
    if isinstance(target.get("facets"), list):
        found += [facet_words(one) for one in target["facets"]]
    found += curve_words(target.get("cusum"))
    return [one for one in found if one]


def _scale_words(target: Mapping[str, Any]) -> str:
    if "role" in target or target.get("assist"):
        role = target.get("role") or "A"
        return _("part: %(role)s", role=str(ROLES.get(role, role)) if isinstance(role, str) else "?")
    if "level" not in target:
        return ""
    if "level_to" in target:
        return _("ten Cate %(low)s to %(high)s", low=target["level"], high=target["level_to"])
    return _("ten Cate %(level)s", level=target["level"])


def facet_words(facet: Any) -> str:
    """What a facet asks for."""
    if not isinstance(facet, dict):
        return str(facet)[:80]
    dim = facet.get("dim")
    what = str(grammar.DIMS.get(dim, dim)) if isinstance(dim, str) else "?"
    names = grammar.VALUES.get(dim, {}) if isinstance(dim, str) else {}
    of = facet.get("of", [])
    values = _(", ").join(
        str(names.get(one, one)) if isinstance(one, str) else str(one)
        for one in (of if isinstance(of, list) else [])
    )
    least = facet.get("at_least")
    if facet.get("at_most") is not None:
        return _("%(what)s: at least %(n)s with at most %(max)s", what=what, n=least, max=facet["at_most"])
    if facet.get("distinct") and values:
        return _("%(what)s: at least %(n)s different of %(values)s", what=what, n=least, values=values)
    if facet.get("distinct"):
        return _("%(what)s: at least %(n)s different", what=what, n=least)
    return _("%(what)s: at least %(n)s of %(values)s", what=what, n=least, values=values)


def curve_words(cusum: Any) -> list[str]:
    """The parameters of a learning curve."""
    if not isinstance(cusum, dict) or not cusum:
        return []
    return [
        _(
            "learning curve: acceptable failures %(p0)s, unacceptable %(p1)s",
            p0=cusum.get("p0"),
            p1=cusum.get("p1"),
        )
    ]


# ---------------------------------------------------------------- comparison


@dataclass(frozen=True)
class Change:
    """One difference between two documents."""

    kind: str
    """``added``, ``removed``, ``changed`` or ``moved``."""
    place: str
    fields: tuple[tuple[str, str, str], ...] = ()
    """Name, before, after, in words."""


def changes(before: Document, after: Document) -> list[Change]:
    """What is different in ``after``: head, domains, items, each field in words."""
    found: list[Change] = []
    head = _fields(before, after, _head_words)
    if head:
        found.append(Change("changed", _("Framework"), head))
    for name, words, say in (
        ("domains", _domain_place, _domain_words),
        ("items", _item_place, _item_words),
    ):
        found += _row_changes(before[name], after[name], words, say)
    return found


def _row_changes(
    before: list[dict[str, Any]],
    after: list[dict[str, Any]],
    place: Callable[[Mapping[str, Any]], str],
    say: Callable[[Mapping[str, Any]], dict[str, str]],
) -> list[Change]:
    old = {row["key"]: row for row in before}
    new = {row["key"]: row for row in after}
    found = [Change("removed", place(row)) for key, row in old.items() if key not in new]
    kept_before = [key for key in old if key in new]
    kept_after = [key for key in new if key in old]
    for key, row in new.items():
        if key not in old:
            found.append(Change("added", place(row), tuple((k, "", v) for k, v in say(row).items() if v)))
            continue
        fields = _fields(old[key], row, say)
        if fields:
            found.append(Change("changed", place(row), fields))
        elif kept_before.index(key) != kept_after.index(key):
            found.append(Change("moved", place(row)))
    return found


def _fields(
    before: Mapping[str, Any], after: Mapping[str, Any], say: Callable[[Mapping[str, Any]], dict[str, str]]
) -> tuple[tuple[str, str, str], ...]:
    old, new = say(before), say(after)
    return tuple((name, old[name], new[name]) for name in new if old[name] != new[name])


def item_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """What is different in one item, field by field in words."""
    return _fields(before, after, _item_words)


def part_changes(
    part: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[tuple[str, str, str], ...]:
    """What is different in one part (``head``, ``domain``, ``item``), field by field in words."""
    return _fields(before, after, {"head": _head_words, "domain": _domain_words, "item": _item_words}[part])


def _yes(value: object) -> str:
    return _("yes") if value else _("no")


def _head_words(head: Mapping[str, Any]) -> dict[str, str]:
    return {
        _("Unit"): str(head["code"]),
        _("Chinese name"): str(head["title_zh"]),
        _("English name"): str(head["title_en"]),
        _("Words on the version"): str(head["label"]),
        _("Sample content"): _yes(head["is_sample"]),
    }


def _domain_place(domain: Mapping[str, Any]) -> str:
    return _("Domain %(name)s", name=f"{domain['code']} · {grammar.title_of(domain)}")


def _domain_words(domain: Mapping[str, Any]) -> dict[str, str]:
    return {
        _("Code"): str(domain["code"]),
        _("Chinese name"): str(domain["title_zh"]),
        _("English name"): str(domain["title_en"]),
    }


def _item_place(item: Mapping[str, Any]) -> str:
    return f"{item['code']} · {grammar.title_of(item)}"


def _item_words(item: Mapping[str, Any]) -> dict[str, str]:
    facets = item["facets"] if isinstance(item["facets"], list) else []
    sources = item["sources"] if isinstance(item["sources"], list) else []
    targets = {
        str(words): _("; ").join(target_words(_as_target(item["targets"].get(track))))
        if track in item["targets"]
        else ""
        for track, words in grammar.TRACKS.items()
    }
    return {
        _("Code"): str(item["code"]),
        _("Kind"): str(grammar.ITEM_KINDS.get(item["kind"], item["kind"])),
        _("Critical"): _yes(item["critical"]),
        _("Domain"): str(item["domain"]),
        _("Chinese name"): str(item["title_zh"]),
        _("English name"): str(item["title_en"]),
        **targets,
        _("Facets"): _("; ").join(facet_words(one) for one in facets),
        _("Learning curve"): _("; ").join(_curve_text(item["cusum"])),
        _("Rule in Chinese"): str(item["rule_zh"]),
        _("Rule in English"): str(item["rule_en"]),
        _("Sources"): _(", ").join(str(one) for one in sources),
    }


def _as_target(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, dict) else None


def _curve_text(cusum: Any) -> list[str]:
    found = curve_words(cusum)
    if isinstance(cusum, dict) and ("alpha" in cusum or "beta" in cusum):
        found.append(
            _("risks %(alpha)s and %(beta)s", alpha=cusum.get("alpha", 0.1), beta=cusum.get("beta", 0.1))
        )
    return found
