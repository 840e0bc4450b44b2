"""What an item declares of its responses and outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from lms.assessments.interchange.safexml import Element, child, children, said
from lms.assessments.rules.items.numbers import number

NONE = Fraction(0)


@dataclass(frozen=True)
class Entry:
    """What one value of a response earns."""

    value: str
    points: Fraction
    keeps_case: bool | None
    """None: the file does not say."""


@dataclass(frozen=True)
class Mapped:
    """What values of a response earn."""

    entries: tuple[Entry, ...]
    default: Fraction = NONE
    lower: Fraction | None = None
    upper: Fraction | None = None


@dataclass(frozen=True)
class Area:
    """What a place on a picture earns."""

    shape: str
    coords: str
    points: Fraction


@dataclass(frozen=True)
class Areas:
    """What places on a picture earn."""

    entries: tuple[Area, ...]
    default: Fraction = NONE
    lower: Fraction | None = None
    upper: Fraction | None = None


@dataclass(frozen=True)
class Response:
    """One response variable."""

    name: str
    cardinality: str
    base: str
    correct: tuple[str, ...] = ()
    mapping: Mapped | None = None
    areas: Areas | None = None


@dataclass(frozen=True)
class Outcome:
    """One outcome variable."""

    name: str
    base: str
    default: str = ""
    is_human: bool = False
    """Whether people give its value."""
    most: Fraction | None = None


def responses_of(item: Element) -> Mapping[str, Response]:
    """The response variables of an item by name."""
    return {one.name: one for one in map(_response, children(item, "responseDeclaration"))}


def _response(node: Element) -> Response:
    correct, mapping, areas = (child(node, name) for name in ("correctResponse", "mapping", "areaMapping"))
    return Response(
        str(node.get("identifier") or ""),
        str(node.get("cardinality") or "single"),
        str(node.get("baseType") or "identifier"),
        () if correct is None else values_of(correct),
        None if mapping is None else _mapped(mapping),
        None if areas is None else _areas(areas),
    )


def values_of(node: Element) -> tuple[str, ...]:
    """The values within an element, white space made single."""
    return tuple(" ".join(said(one).split()) for one in children(node, "value"))


def _points(node: Element, name: str) -> Fraction | None:
    return number(node.get(name)) if node.get(name) else None


def _mapped(node: Element) -> Mapped:
    entries = [
        Entry(
            " ".join(str(one.get("mapKey") or "").split()),
            _points(one, "mappedValue") or NONE,
            {"true": True, "1": True, "false": False, "0": False}.get(
                str(one.get("caseSensitive") or "").lower()
            ),
        )
        for one in children(node, "mapEntry")
    ]
    return Mapped(
        tuple(entries),
        _points(node, "defaultValue") or NONE,
        _points(node, "lowerBound"),
        _points(node, "upperBound"),
    )


def _areas(node: Element) -> Areas:
    entries = [
        Area(str(one.get("shape") or ""), str(one.get("coords") or ""), _points(one, "mappedValue") or NONE)
        for one in children(node, "areaMapEntry")
    ]
    return Areas(
        tuple(entries),
        _points(node, "defaultValue") or NONE,
        _points(node, "lowerBound"),
        _points(node, "upperBound"),
    )


def outcomes_of(item: Element) -> Mapping[str, Outcome]:
    """The outcome variables of an item by name."""
    found = {}
    for node in children(item, "outcomeDeclaration"):
        default = child(node, "defaultValue")
        name = str(node.get("identifier") or "")
        found[name] = Outcome(
            name,
            str(node.get("baseType") or ""),
            next(iter(values_of(default)), "") if default is not None else "",
            str(node.get("externalScored") or "") in {"human", "externalMachine"},
            _points(node, "normalMaximum"),
        )
    return found
