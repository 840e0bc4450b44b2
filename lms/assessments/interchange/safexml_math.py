"""MathML in one line of text: what stands above and below a stroke stays there, so that a half never becomes twelve."""

import html
import re
from collections.abc import Callable

from lms.assessments.interchange import safexml
from lms.assessments.interchange.safexml import Element, children, local, said
from lms.core.errors import RuleBroken

_LOW = dict(zip("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎", strict=True))
_HIGH = dict(zip("0123456789+-−=()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿ", strict=True))
_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\|[^|]*\|")
_MATH = re.compile(r"<(?:\w+:)?math\b.*?</(?:\w+:)?math\s*>", re.IGNORECASE | re.DOTALL)
_MOST = 1_000
"""Times that a text may say "math"; beyond it is none of a question."""


def line_of_math(math: Element) -> str:
    """A formula as people write it in one line: ``(a + b)/2``, ``x²``, ``√(a)``."""
    return " ".join(_whole(math).split())


def without_math(text: str) -> str:
    """HTML with its formulas as text; one that cannot be read stays as it is."""
    low = text.lower()
    return _MATH.sub(_line, text) if "</" in low and 0 < low.count("math") <= _MOST else text


def _line(found: re.Match[str]) -> str:
    try:
        root = safexml.parse(re.sub(r"<(/?)\w+:", r"<\1", found[0]).encode("utf-8"))
    except RuleBroken:
        return found[0]
    return html.escape(line_of_math(root))


def _whole(node: Element) -> str:
    parts = children(node)
    name = local(node)
    act = _ACTS.get(name)
    if act is not None and parts:
        return act([_whole(part) for part in parts])
    if name in {"annotation", "annotation-xml"}:
        return ""
    if not parts:
        return _leaf(name, said(node))
    return "".join(_whole(part) for part in parts)


def _leaf(name: str, text: str) -> str:
    plain = " ".join(text.split())
    if name == "mspace":
        return " "
    if name == "mo" and plain in {"+", "-", "−", "=", "×", "÷", "·", "<", ">", "≤", "≥", "≠", "≈", "±", "→"}:
        return f" {plain} "
    return plain


def _one(text: str) -> str:
    """A part that other signs may stand beside: in brackets unless it is a single number, name or bracket."""
    plain = text.strip()
    return plain if re.fullmatch(r"[\w.,%°∞]*", plain) or _BRACKETS.fullmatch(plain) else f"({plain})"


def _raised(table: dict[str, str], sign: str, text: str) -> str:
    plain = "".join(text.split())
    if plain and all(one in table for one in plain):
        return "".join(table[one] for one in plain)
    return f"{sign}{_one(text)}" if plain else ""


def _fraction(parts: list[str]) -> str:
    return f"{_one(parts[0])}/{_one(parts[-1])}"


def _power(parts: list[str]) -> str:
    return _one(parts[0]) + "".join(_raised(_HIGH, "^", part) for part in parts[1:])


def _index(parts: list[str]) -> str:
    return _one(parts[0]) + "".join(_raised(_LOW, "_", part) for part in parts[1:])


def _both(parts: list[str]) -> str:
    low = _raised(_LOW, "_", parts[1]) if len(parts) > 1 else ""
    high = _raised(_HIGH, "^", parts[2]) if len(parts) > 2 else ""
    return _one(parts[0]) + low + high


def _root(parts: list[str]) -> str:
    return f"√{_one(''.join(parts))}"


def _nth_root(parts: list[str]) -> str:
    return f"{_raised(_HIGH, '', parts[-1])}√{_one(parts[0])}"


def _over(parts: list[str]) -> str:
    above = parts[-1].strip()
    mark = {
        "¯": "\u0304",
        "‾": "\u0304",
        "−": "\u0304",
        "^": "\u0302",
        "→": "\u20d7",
        "˙": "\u0307",
        "~": "\u0303",
    }.get(above)
    return parts[0].strip() + mark if mark and len(parts) == 2 else _power(parts)


_ACTS: dict[str, Callable[[list[str]], str]] = {
    "mfrac": _fraction,
    "msup": _power,
    "msub": _index,
    "msubsup": _both,
    "munderover": _both,
    "munder": _index,
    "mover": _over,
    "msqrt": _root,
    "mroot": _nth_root,
    "mfenced": lambda parts: f"({', '.join(part.strip() for part in parts)})",
    "mtable": lambda parts: f"[{'; '.join(part.strip() for part in parts)}]",
    "mtr": lambda parts: ", ".join(part.strip() for part in parts),
    "semantics": lambda parts: parts[0],
}
