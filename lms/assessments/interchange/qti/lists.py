"""Interactions that put things in order or together."""

from collections.abc import Sequence
from dataclasses import replace

from lms.assessments.interchange.drafting import Json, Refused
from lms.assessments.interchange.qti import scoring
from lms.assessments.interchange.qti.declarations import Response
from lms.assessments.interchange.qti.interactions import Around, Asked, ids_of, options_of, whole
from lms.assessments.interchange.safexml import Element, children, descendants
from lms.core.i18n import _


def order(node: Element, around: Around) -> Asked:
    """Things to put in order."""
    response = around.response(node)
    options = options_of(children(node, "simpleChoice"), around)
    ids = ids_of(options)
    return Asked(
        node,
        "ORDER",
        "order",
        {"options": options},
        response,
        lambda rule: scoring.order(ids, response, rule),
    )


def limit_of(nodes: Sequence[Element]) -> int:
    """How often each may be used; 0: any number of times. Where the file differs from one to the next, the widest."""
    limits = [whole(node, "matchMax", 1 if node.get("matchMax") is None else 0) for node in nodes]
    return 0 if not limits or 0 in limits else min(40, max(limits))


def paired(
    node: Element,
    around: Around,
    type_code: str,
    rows: list[Json],
    options: list[Json],
    limits: tuple[int, int],
    *,
    turned: bool = False,
) -> Asked:
    """An association. ``limits``: how often a row and an option may be used. ``turned``: the file names the option first."""
    response = around.response(node)
    own = _turned(response) if turned else response
    possible = [(str(row["id"]), str(option["id"])) for row in rows for option in options]
    most = _most_given(node, len(rows), len(options), limits)
    body: Json = {"rows": rows, "options": options}
    if limits[0] != 1:
        body["per_row"] = limits[0]
    if limits[1]:
        body["per_option"] = limits[1]
    return Asked(
        node, type_code, "pairs", body, own,
        lambda rule: scoring.pairs(possible, own, rule, most_given=most, is_symmetric=False),
    )  # fmt: skip


def _most_given(node: Element, rows: int, options: int, limits: tuple[int, int]) -> int | None:
    counts = [rows * limits[0]] if limits[0] else []
    counts += [options * limits[1]] if limits[1] else []
    counts += [whole(node, "maxAssociations")] if whole(node, "maxAssociations") else []
    return min(counts, default=None)


def _turned(response: Response) -> Response:
    """The response with its pairs the other way round."""

    def turn(value: str) -> str:
        first, _space, second = value.partition(" ")
        return f"{second} {first}"

    mapping = response.mapping
    entries = tuple(replace(one, value=turn(one.value)) for one in mapping.entries) if mapping else ()
    return replace(
        response,
        correct=tuple(turn(value) for value in response.correct),
        mapping=replace(mapping, entries=entries) if mapping else None,
    )


def match(node: Element, around: Around) -> Asked:
    """Two lists of which things belong together."""
    sets = [children(one, "simpleAssociableChoice") for one in children(node, "simpleMatchSet")]
    if len(sets) != 2 or not all(sets):
        raise Refused("pairs", _("The two lists that are matched are missing."))
    rows, options = (options_of(one, around) for one in sets)
    rows = [{name: value for name, value in row.items() if name != "fixed"} for row in rows]
    return paired(node, around, "MATCH", rows, options, (limit_of(sets[0]), limit_of(sets[1])))


def associate(node: Element, around: Around) -> Asked:
    """One list of which things belong together."""
    choices = children(node, "simpleAssociableChoice")
    return symmetric(node, around, options_of(choices, around), limit_of(choices))


def symmetric(node: Element, around: Around, options: list[Json], limit: int) -> Asked:
    """An association within one list."""
    response = around.response(node)
    ids = ids_of(options)
    possible = [(one, other) for n, one in enumerate(ids) for other in ids[n:]]
    uses = [len(ids) * limit // 2] if limit else []
    uses += [whole(node, "maxAssociations")] if whole(node, "maxAssociations") else []
    most = min(uses, default=None)
    body: Json = {"options": options, "symmetric": True, **({"per_row": limit} if limit != 1 else {})}
    return Asked(
        node, "MATCH", "pairs", body, response,
        lambda rule: scoring.pairs(possible, response, rule, most_given=most, is_symmetric=True),
    )  # fmt: skip


def gap_match(node: Element, around: Around) -> Asked:
    """Words that belong into the gaps of a text."""
    gaps = list(descendants(node, "gap"))
    choices = children(node, "gapText", "gapImg")
    options = options_of(choices, around)
    rows = [{"id": str(gap.get("identifier") or ""), **_row_words(gap, n)} for n, gap in enumerate(gaps, 1)]
    found = paired(node, around, "GAP", rows, options, (1, limit_of(choices)), turned=True)
    return replace(found, rows_in_text=tuple(str(gap.get("identifier") or "") for gap in gaps))


def _row_words(node: Element, n: int) -> Json:
    own = {one: str(node.get(f"data-{one}")) for one in ("zh", "en") if node.get(f"data-{one}")}
    return own or {"zh": f"空{n}", "en": f"Gap {n}"}
