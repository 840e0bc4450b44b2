"""Why something is not open yet, in a sentence for its learner; and the tests that courses lead to."""

from collections.abc import Collection, Mapping

from lms.core import ports
from lms.core.i18n import _
from lms.courses.rules.release import GROUPS, Condition, Verdict, kind_of
from lms.programmes import queries as programmes

Tests = Mapping[str, ports.LinkedTest]


def linked(refs: Collection[str], person_id: int) -> Tests:
    """Tests by public id, with what a person has reached in them."""
    if not refs:
        return {}
    return {one.ref: one for provider in ports.linked_tests for one in provider.results(refs, person_id)}


def offered(cohort_id: int) -> Tests:
    """The tests of a cohort, by public id."""
    return {one.ref: one for provider in ports.linked_tests for one in provider.of(cohort_id)}


def phrase(leaf: Condition, titles: Mapping[str, str]) -> str:
    """One condition in words."""
    kind = kind_of(leaf)
    if kind == "done":
        return _("“%(title)s” is finished", title=titles.get(leaf["done"], "…"))
    if kind == "from":
        return _("%(day)s has come", day=leaf["from"])
    if kind == "score":
        return _(
            "“%(title)s” is passed with at least %(percent)s%%",
            title=titles.get(leaf["score"], "…"),
            percent=leaf["percent"],
        )
    return _("you are on the track “%(track)s”", track=dict(programmes.tracks()).get(leaf["group"], ""))


def _unmet(found: Verdict, titles: Mapping[str, str], *, inside: bool) -> str:
    if found.kind not in GROUPS:
        return phrase(found.leaf, titles)
    parts = [_unmet(part, titles, inside=True) for part in found.parts if not part.met]
    if not parts:
        return _("its teacher opens it")
    joined = (_(" and ") if found.kind == "all" else _(" or ")).join(parts)
    return _("(%(conditions)s)", conditions=joined) if inside and len(parts) > 1 else joined


def sentence(found: Verdict, titles: Mapping[str, str]) -> str:
    """“Opens when …” with all that is still missing; empty where it is open."""
    if found.met:
        return ""
    return _("Opens when %(conditions)s.", conditions=_unmet(found, titles, inside=False))
