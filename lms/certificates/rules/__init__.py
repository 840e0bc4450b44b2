"""Pure decisions about certificates: who may have one, what a serial is, which move is legal."""

import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lms.core.errors import RuleBroken
from lms.core.i18n import _, _n

FACTS = ("lectures", "tests", "entries_signed", "items_approved")
"""Every fact that some feature provides; a rule that names another is refused at publication."""

COMPLETION, CREDIT = "completion", "credit"
KINDS = (COMPLETION, CREDIT)
"""结业证书 and 学分证明: two documents in one register."""

ALL = "all"
"""``at_least: all`` asks for as many as there are in the cohort."""

MOVES: dict[str, tuple[frozenset[str], str]] = {
    "finish": (frozenset({"reserved"}), "good"),
    "suspend": (frozenset({"good"}), "suspended"),
    "lift": (frozenset({"suspended"}), "good"),
    "revoke": (frozenset({"good", "suspended"}), "revoked"),
    "supersede": (frozenset({"good", "suspended"}), "superseded"),
}
"""Act → (states it may start from, state it leads to). Nothing leads out of revoked and superseded."""


def move(state: str, act: str) -> str:
    """The state after ``act``. Raises RuleBroken where the act is not legal now."""
    sources, target = MOVES[act]
    if state not in sources:
        raise RuleBroken(
            "certificate_state",
            _("The certificate has changed meanwhile. Reload the page to see how it stands."),
        )
    return target


@dataclass(frozen=True)
class FactValue:
    """What one trainee has of one fact, and how many there are in all (None where there is no end)."""

    have: int
    of: int | None = None


@dataclass(frozen=True)
class Clause:
    """One clause of a rule as it was found for one trainee."""

    fact: str
    have: int
    need: int
    met: bool
    waived: bool = False
    """Counted as met because two people said so."""


@dataclass(frozen=True)
class Trace:
    """Outcome of a rule for one trainee, clause by clause."""

    met: bool
    clauses: tuple[Clause, ...]

    def document(self) -> dict[str, Any]:
        """The trace as it is stored."""
        return {"met": self.met, "clauses": [asdict(clause) for clause in self.clauses]}

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> "Trace":
        """The trace that ``document()`` came from."""
        return cls(met=document["met"], clauses=tuple(Clause(**clause) for clause in document["clauses"]))


def require_expression(expression: object) -> None:
    """Refuse a rule that is not ``{"all"|"any": [...]}`` over ``{"fact": name, "at_least": number|"all"}`` leaves."""
    if not isinstance(expression, dict):
        raise RuleBroken("rule_shape", _("The rule is not written as a rule."))
    if set(expression) in ({"all"}, {"any"}):
        parts = next(iter(expression.values()))
        if not isinstance(parts, list) or not parts:
            raise RuleBroken("rule_empty", _("The rule has an empty group."))
        for part in parts:
            require_expression(part)
        return
    if set(expression) != {"fact", "at_least"}:
        raise RuleBroken("rule_shape", _("The rule is not written as a rule."))
    if expression["fact"] not in FACTS:
        raise RuleBroken(
            "rule_fact", _("No part of the programme provides the fact “%(name)s”.", name=expression["fact"])
        )
    need = expression["at_least"]
    if need != ALL and (not isinstance(need, int) or isinstance(need, bool) or need < 1):
        raise RuleBroken("rule_number", _("“At least” needs a whole number from 1, or “all”."))


def expression(*, lectures: bool, tests: bool, entries: int, items: int = 0) -> dict[str, Any]:
    """The rule "all lectures, all tests, so many signed entries, so many approved items", as far as each is asked for.

    >>> expression(lectures=True, tests=False, entries=3)
    {'all': [{'fact': 'lectures', 'at_least': 'all'}, {'fact': 'entries_signed', 'at_least': 3}]}
    """
    parts: list[dict[str, Any]] = [
        {"fact": fact, "at_least": ALL} for fact, asked in (("lectures", lectures), ("tests", tests)) if asked
    ]
    if entries:
        parts.append({"fact": "entries_signed", "at_least": entries})
    if items:
        parts.append({"fact": "items_approved", "at_least": items})
    if not parts:
        raise RuleBroken("rule_empty", _("A certificate must ask for something. Choose at least one."))
    return {"all": parts}


def evaluate(
    expression: Mapping[str, Any], facts: Mapping[str, FactValue], waived: Collection[str] = ()
) -> Trace:
    """Evaluate a rule over one trainee's facts; ``waived``: facts that count as met whatever they are.

    "All" of nothing is not met: an empty course qualifies nobody.
    """
    if "fact" in expression:
        value = facts.get(expression["fact"], FactValue(0, 0))
        if expression["at_least"] == ALL:
            need = value.of or 0
            met = need > 0 and value.have >= need
        else:
            need = int(expression["at_least"])
            met = value.have >= need
        is_waived = not met and expression["fact"] in waived
        return Trace(
            met or is_waived, (Clause(expression["fact"], value.have, need, met or is_waived, is_waived),)
        )
    together, parts = next(iter(expression.items()))
    traces = [evaluate(part, facts, waived) for part in parts]
    met = all(trace.met for trace in traces) if together == "all" else any(trace.met for trace in traces)
    return Trace(met, tuple(clause for trace in traces for clause in trace.clauses))


def still_holds(
    expression: Mapping[str, Any], trace: Trace, facts: Mapping[str, FactValue], waived: Collection[str] = ()
) -> bool:
    """Whether a holder still has what the certificate was issued for.

    What was asked on the day of issue is asked again, and no more: a lecture that came later takes no certificate away.
    A test that was withdrawn for everybody does not either: then the rule as it stands today is met.
    """
    leaves = zip(_leaves(expression), trace.clauses, strict=False)
    asked = {clause.fact: clause.need for leaf, clause in leaves if leaf["at_least"] == ALL}
    then = {fact: FactValue(value.have, asked.get(fact, value.of)) for fact, value in facts.items()}
    return evaluate(expression, then, waived).met or evaluate(expression, facts, waived).met


def _leaves(expression: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The clauses of a rule in the order in which a trace has them."""
    if "fact" in expression:
        return [expression]
    return [leaf for part in next(iter(expression.values())) for leaf in _leaves(part)]


def kind_words(kind: str) -> str:
    """What kind of certificate it is, everywhere."""
    return _("Certificate of credits") if kind == CREDIT else _("Certificate of completion")


def kinds_in_words() -> dict[str, str]:
    """Every kind in words, for a script that tells them apart."""
    return {kind: kind_words(kind) for kind in KINDS}


def title(fact: str) -> str:
    """What a fact is called, everywhere."""
    return {
        "lectures": _("Lectures watched"),
        "tests": _("Tests passed"),
        "entries_signed": _("Signed log entries"),
        "items_approved": _("Items approved by the committee"),
    }[fact]


def missing(clause: Clause) -> str:
    """What is still missing, in one sentence; the same words for trainee, mentor and administrator."""
    if clause.met:
        return ""
    left = max(clause.need - clause.have, 1)
    if clause.fact == "lectures":
        if clause.need == 0:
            return _("No lecture has been published yet.")
        return _n("%(num)s lecture still to watch", "%(num)s lectures still to watch", left)
    if clause.fact == "tests":
        if clause.need == 0:
            return _("No test has been published yet.")
        return _n("%(num)s test still to pass", "%(num)s tests still to pass", left)
    if clause.fact == "items_approved":
        return _n(
            "%(num)s item still to be approved by the competence committee",
            "%(num)s items still to be approved by the competence committee",
            left,
        )
    return _n("%(num)s signed log entry still needed", "%(num)s signed log entries still needed", left)


# The public log


def leaf_document(
    *, serial: str, act: str, at: str, facts_sha256: str, pdf_sha256: str, salt: str
) -> dict[str, str]:
    """What a leaf of the public log is the hash of."""
    return {
        "act": act,
        "at": at,
        "facts_sha256": facts_sha256,
        "pdf_sha256": pdf_sha256,
        "salt": salt,
        "serial": serial,
    }


def head_document(*, size: int, root: str, at: str) -> dict[str, Any]:
    """What the signature of a head covers."""
    return {"at": at, "root": root, "size": size}


# Serials

_CHECK_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def check_character(text: str) -> str:
    """Check character of ISO 7064, MOD 37,36 over digits and capitals: finds any single slip and any swap of neighbours.

    >>> check_character("A12425GABC1234002")
    'M'
    """
    total = 36
    for character in text:
        total = (total + _CHECK_ALPHABET.index(character)) % 36 or 36
        total = total * 2 % 37
    return _CHECK_ALPHABET[(37 - total) % 36]


def serial(programme_code: str, year: int, number: int) -> str:
    """``FFLY-2026-000412-K``: programme, year of issue, gapless number, check character."""
    body = f"{programme_code}{year}{number:06d}"
    return f"{programme_code}-{year}-{number:06d}-{check_character(body)}"


_SERIAL = re.compile(r"([0-9A-Z]{2,8})(\d{4})(\d{6})([0-9A-Z])")


def read_serial(text: str) -> str | None:
    """The serial that a person typed, in its one form; None if it cannot be one (a slip shows at once)."""
    import unicodedata

    bare = re.sub(r"[\s\-–—_]", "", unicodedata.normalize("NFKC", text)).upper()
    found = _SERIAL.fullmatch(bare)
    if found is None or check_character(bare[:-1]) != bare[-1]:
        return None
    return "-".join(found.groups())


def verify_url(base_url: str, serial: str, key: str) -> str:
    """The address in the QR code: who holds the paper sees the full name."""
    return f"{base_url}/verify/{serial}?k={key}"


def masked(name: str) -> str:
    """A name that its holder recognises and a stranger does not: 李*远, 王*, L* S*.

    >>> masked("欧阳娜娜")
    '欧**娜'
    """
    if name.isascii():
        return " ".join(part[0] + "*" for part in name.split())
    if len(name) <= 2:
        return name[:1] + "*"
    return name[0] + "*" * (len(name) - 2) + name[-1]
