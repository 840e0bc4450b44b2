"""Everything of a report as lines of one table, for spreadsheets and the command line. No NumPy here."""

from collections.abc import Iterator, Mapping
from typing import Any

Line = tuple[str, str, str, str, str, Any, str]

HEADS = ("part", "question", "code", "of", "measure", "value", "reason")
"""``of``: the option, model or groups that a line is about; ``reason``: why there is no value."""

_ITEM = (
    "n", "omitted", "maximum", "mean", "variance", "facility", "upper", "lower", "discrimination",
    "item_rest", "item_total", "alpha_if_deleted",
)  # fmt: skip
_OPTION = (
    "count", "share", "upper", "lower", "point_biserial", "point_biserial_total", "is_right", "works",
)  # fmt: skip
_MODEL = ("n", "parameters", "iterations", "log_likelihood", "at_cut", "sem_at_cut", "marks_sem_at_cut")
_CURVE = ("a", "b", "d", "se_a", "se_b", "se_d")
_DIF = ("delta", "delta_se", "odds_ratio", "chi_square", "p", "ets", "favours")
_PAIR = ("identical_wrong", "both_wrong", "expected", "p", "q")


def lines(report: Mapping[str, Any], facts: Mapping[str, Any], *, keys: bool, pairs: bool) -> Iterator[Line]:
    """The lines after ``HEADS``. ``keys``: with options and what is right; ``pairs``: with the sittings to review."""
    for name, value in facts.items():
        yield ("report", "", "", "", name, value, "")
    for part in ("test", "totals", "decisions", "moodle"):
        yield from _numbers(part, report[part])
    yield ("test", "", "", "", "near_cut", "" if report["near_cut"] is None else report["near_cut"], "")
    for flag in report["flags"]:
        yield ("test", "", "", "", "flag", flag, "")
    for score, count in report["scores"]:
        yield ("scores", "", "", f"{score:g}", "count", count, "")
    for asked in report["asked"]:
        yield from _question(asked, keys=keys)
    for name, model in report["models"].items():
        yield from _some("model", model, _MODEL, of=name)
        for theta, information in model["curve"]:
            yield ("model", "", "", f"{name} {theta:g}", "information", information, "")
    for one in report["dif"]:
        of = f"{one['kind']}: {one['reference']} – {one['focal']}"
        for name in ("n_reference", "n_focal"):
            yield ("groups", "", "", of, name, one[name], one["why"] or "")
    yield from _similar(report["similarity"], pairs=pairs)
    for code in report["definitions"]:
        yield ("definitions", "", "", "", code, "", "")


def question_table(report: Mapping[str, Any], *, keys: bool) -> Iterator[list[Any]]:
    """One row for each question, after a row of heads. ``keys``: with the right options and the share of each option."""
    widest = max((len(asked["options"] or ()) for asked in report["asked"]), default=0) if keys else 0
    letters = [chr(ord("A") + place) for place in range(widest)]
    yield [
        "question", "code", *_ITEM, "rasch_b", "two_pl_a", "two_pl_b", "flags",
        *(["right"] if keys else ()), *(f"share_{letter}" for letter in letters),
    ]  # fmt: skip
    for asked in report["asked"]:
        options = asked["options"] or ()
        right = "".join(letter for letter, one in zip(letters, options, strict=False) if one["is_right"])
        shares = [one["share"] for one in options] + [None] * (widest - len(options))
        found = [
            asked["slot"], _text(asked["code"]), *(asked[name] for name in _ITEM),
            asked["rasch"]["b"], asked["two_pl"]["a"], asked["two_pl"]["b"], " ".join(asked["flags"]),
            *([right, *shares] if keys else ()),
        ]  # fmt: skip
        yield ["" if value is None else value for value in found]


def _numbers(part: str, found: Mapping[str, Any]) -> Iterator[Line]:
    names = [name for name, value in found.items() if name != "why" and not isinstance(value, dict | list)]
    yield from _some(part, found, names)


def _some(
    part: str, found: Mapping[str, Any], names: Any, *, of: str = "", question: str = "", code: str = ""
) -> Iterator[Line]:
    why = found.get("why") or {}
    for name in names:
        value = found.get(name)
        yield (part, question, code, of, name, "" if value is None else value, why.get(name, ""))


def _question(asked: Mapping[str, Any], *, keys: bool) -> Iterator[Line]:
    where = {"question": str(asked["slot"]), "code": _text(asked["code"])}
    yield from _some("question", asked, _ITEM, **where)
    for flag in asked["flags"]:
        yield ("question", where["question"], where["code"], "", "flag", flag, "")
    yield from _some(
        "question", asked["moodle"], [name for name in asked["moodle"] if name != "why"], of="moodle", **where
    )
    for model in ("rasch", "two_pl"):
        yield from _some("question", asked[model], _CURVE, of=model, **where)
    for one in asked["dif"]:
        of = f"{one['kind']}: {one['reference']} – {one['focal']}"
        yield from _some("question", one, _DIF, of=of, **where)
    for option, shares in zip((asked["options"] or ()) if keys else (), asked["shares"], strict=False):
        yield from _some("option", option, _OPTION, of=option["id"], **where)
        for group, share in enumerate(shares, 1):
            yield (
                "option",
                where["question"],
                where["code"],
                option["id"],
                f"share_group_{group}",
                share,
                "",
            )
        for flag in option["flags"]:
            yield ("option", where["question"], where["code"], option["id"], "flag", flag, "")


def _text(words: str) -> str:
    """What people wrote, so that no spreadsheet takes it for a formula."""
    return "'" + words if words[:1] in {"=", "+", "-", "@", "\t", "\r"} else words


def _similar(found: Mapping[str, Any], *, pairs: bool) -> Iterator[Line]:
    yield from _numbers("similarity", {**found, "suggested": len(found["suggested"])})
    for pair in found["suggested"] if pairs else ():
        yield from _some("pair to review", pair, _PAIR, of=" – ".join(pair["sittings"]))
