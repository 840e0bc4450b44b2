"""Formulas of Word as a line of text."""

from lms.assessments.interchange import office
from lms.assessments.interchange.office import Element
from lms.assessments.interchange.plain import raised


def math_text(element: Element) -> str:
    """A formula as people type it: ``x²``, ``(a+b)/c``, ``√(x)``, with brackets wherever leaving them out would change it."""
    return "".join(_text(one) for one in element)


def _part(element: Element, name: str) -> str:
    found = office.child(element, name)
    return math_text(found) if found is not None else ""


def _text(element: Element) -> str:
    name = office.name_of(element)
    if name == "r":
        return "".join(one.text or "" for one in office.children(element, "t"))
    if name == "sSup":
        return _part(element, "e") + raised(_part(element, "sup"), "sup")
    if name == "sSub":
        return _part(element, "e") + raised(_part(element, "sub"), "sub")
    if name == "sSubSup":
        return (
            _part(element, "e") + raised(_part(element, "sub"), "sub") + raised(_part(element, "sup"), "sup")
        )
    if name == "f":
        return f"{_whole(_part(element, 'num'))}/{_whole(_part(element, 'den'))}"
    if name == "rad":
        degree = _part(element, "deg")
        return f"{raised(degree, 'sup') if degree else ''}√{_whole(_part(element, 'e'))}"
    if name == "d":
        properties = office.child(element, "dPr")
        begin, end = (office.child(properties, side) for side in ("begChr", "endChr"))
        inner = ", ".join(math_text(one) for one in office.children(element, "e"))
        return f"{'(' if begin is None else office.get(begin, 'val')}{inner}{')' if end is None else office.get(end, 'val')}"
    if name == "nary":
        sign = office.get(office.child(element, "naryPr", "chr"), "val") or "∫"
        return (
            sign
            + raised(_part(element, "sub"), "sub")
            + raised(_part(element, "sup"), "sup")
            + _part(element, "e")
        )
    if name == "func":
        return f"{_part(element, 'fName')} {_part(element, 'e')}"
    if name.endswith("Pr"):
        return ""
    return math_text(element)


def _whole(text: str) -> str:
    """One thing as it is, several in brackets."""
    return text if len(text) <= 1 or text.isalnum() or (text[0] == "(" and text[-1] == ")") else f"({text})"
