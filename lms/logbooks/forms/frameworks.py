"""Forms of frameworks: begin and import, head, domains, items with a target for each track, facets, review, ratification."""

from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import (
    BooleanField,
    DateField,
    FloatField,
    FormField,
    IntegerField,
    RadioField,
    SelectChoice,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional

from lms.core import approvals
from lms.core.i18n import _, lazy, pick
from lms.logbooks.forms import MultiCheckboxField
from lms.logbooks.models import Framework
from lms.logbooks.rules import O_SCORE, ROLES, WORDS_MAX
from lms.logbooks.rules import frameworks as grammar
from lms.web.forms import FileField, Form


def _trimmed(text: str | None) -> str:
    return (text or "").strip().replace("\0", "")


def _text(label: str, most: int, **kwargs: Any) -> StringField:
    return StringField(label, [Length(max=most)], filters=[_trimmed], **kwargs)


def _number(label: str, low: int, high: int, **kwargs: Any) -> IntegerField:
    return IntegerField(label, [Optional(), NumberRange(low, high)], **kwargs)


def _choices(words: Mapping[Any, str]) -> list[SelectChoice]:
    return [SelectChoice(str(code), text) for code, text in words.items()]


_EMPTY = SelectChoice("", "–")


class _Level:
    """A level as its number and its words, in the language of whoever reads it."""

    def __init__(self, number: int, words: str) -> None:
        self._number, self._words = number, words

    def __str__(self) -> str:
        return f"{self._number} · {self._words}"


def _levels(words: Mapping[int, str]) -> list[SelectChoice]:
    return [SelectChoice(str(number), _Level(number, text)) for number, text in words.items()]


class BeginForm(Form):
    """Begin a draft: of a version, or of nothing."""

    origin = RadioField(lazy("Begin with"), [InputRequired(lazy("Choose one."))])
    client_uuid = StringField(validators=[InputRequired(), Length(max=64)])

    def offer(self, versions: Sequence[Framework]) -> None:
        """Give the choices."""
        self.origin.choices = [
            *(
                SelectChoice(
                    one.public_id,
                    _(
                        "A copy of %(name)s, version %(n)s",
                        name=pick(one.title_zh, one.title_en),
                        n=one.version,
                    ),
                )
                for one in versions
            ),
            *(SelectChoice(unit, _("An empty one for %(unit)s", unit=unit)) for unit in grammar.UNITS),
        ]


class ImportForm(Form):
    """A framework from a file."""

    file = FileField(lazy("File"), [InputRequired(lazy("Choose a file."))])
    client_uuid = StringField(validators=[InputRequired(), Length(max=64)])


class _PartForm(Form):
    """A part of a draft; ``seen`` names how it stood when it was shown."""

    seen = StringField(validators=[Length(max=64)], filters=[_trimmed])


class HeadForm(_PartForm):
    """Names of a framework and words on the version."""

    title_zh = _text(lazy("Chinese name"), grammar.LENGTHS["title"])
    title_en = _text(lazy("English name"), grammar.LENGTHS["title"])
    label = _text(
        lazy("Words on the version"),
        grammar.LENGTHS["label"],
        description=lazy("Such as “for cohorts from spring 2027”."),
    )
    is_sample = BooleanField(lazy("Sample content that nobody of this hospital has checked"))

    def values(self) -> dict[str, Any]:
        """What was given."""
        return {name: self[name].data for name in ("title_zh", "title_en", "label", "is_sample")}


class DomainForm(_PartForm):
    """One domain."""

    code = StringField(
        lazy("Code"), [InputRequired(lazy("Give a code.")), Length(max=10)], filters=[_trimmed]
    )
    title_zh = _text(lazy("Chinese name"), grammar.LENGTHS["title"])
    title_en = _text(lazy("English name"), grammar.LENGTHS["title"])

    def values(self) -> dict[str, Any]:
        """What was given."""
        return {name: self[name].data for name in ("code", "title_zh", "title_en")}


class TrackForm(Form):
    """What an item asks of one track, on one scale."""

    scale = SelectField(
        lazy("What is asked"),
        choices=[
            SelectChoice("", lazy("Not said yet")),
            SelectChoice("none", lazy("Nothing is asked of this track")),
            *_choices(grammar.FAMILIES),
        ],
        validate_choice=False,
    )
    level = SelectField(
        lazy("Level of ten Cate"), choices=[_EMPTY, *_levels(grammar.TEN_CATE)], validate_choice=False
    )
    level_to = SelectField(
        lazy("Up to level"), choices=[_EMPTY, *_levels(grammar.TEN_CATE)], validate_choice=False
    )
    role = SelectField(lazy("Least part"), choices=[_EMPTY, *_choices(ROLES)], validate_choice=False)
    min_count = _number(lazy("Count"), 0, 500)
    min_level = SelectField(
        lazy("O-SCORE of the observations that count"),
        choices=[SelectChoice("", lazy("As usual (3)")), *_levels(O_SCORE)],
        validate_choice=False,
    )
    max_simulated = _number(lazy("Simulations that may count"), 0, 500)
    plus_simulated = _number(lazy("Simulations beside them"), 0, 500)
    min_success_percent = _number(lazy("Success rate in per cent"), 0, 100)
    window_days = _number(lazy("Only the last so many days"), 0, 3650)
    currency_days = _number(lazy("Days after which it grows old"), 0, 3650)
    distinct_days = _number(lazy("Different days"), 0, 365)
    distinct_weeks = _number(lazy("Different weeks"), 0, 365)
    plus_audit = _number(lazy("Audits beside them"), 0, 50)
    observed = BooleanField(lazy("Watching is enough"))

    NUMBERS = (
        "min_count",
        "max_simulated",
        "plus_simulated",
        "min_success_percent",
        "window_days",
        "currency_days",
        "plus_audit",
    )

    @staticmethod
    def shown(targets: Mapping[str, Any], track: str) -> dict[str, Any]:
        """The data of the form that shows a track's target."""
        if track not in targets:
            return {}
        target = targets[track]
        if not isinstance(target, dict):
            return {"scale": "none" if target is None else ""}
        spread = target.get("spread", {})
        spread = spread if isinstance(spread, dict) else {}
        return {
            **{name: target.get(name) for name in TrackForm.NUMBERS},
            **{name: spread.get(name) for name in grammar.SPREAD},
            **{name: str(target.get(name, "")) for name in ("level", "level_to", "min_level")},
            "role": target.get("role") or ("A" if target.get("assist") else ""),
            "observed": target.get("observed") is True,
            "scale": grammar.family_of(target),
        }

    def target(self, before: object) -> dict[str, Any] | None:
        """The target as it is kept; what a file said of this track alone (facets, curve) stays."""
        if self.scale.data == "none":
            return None
        old = before if isinstance(before, dict) else {}
        found: dict[str, Any] = {}
        if old.get("facets") and not any(grammar.facet_list_problems(old["facets"], most=500)):
            found["facets"] = old["facets"]
        if old.get("cusum") and not any(grammar.curve_problems(old["cusum"])):
            found["cusum"] = old["cusum"]
        if self.scale.data == "ten_cate":
            found |= self._levels("level", "level_to")
        elif self.scale.data == "operator_role" and self.role.data in ROLES:
            found |= (
                {"assist": True} if self.role.data == "A" and old.get("assist") else {"role": self.role.data}
            )
        found |= self._levels("min_level")
        found |= {name: self[name].data for name in self.NUMBERS if self[name].data is not None}
        spread = {name: self[name].data for name in grammar.SPREAD if self[name].data is not None}
        if spread:
            found["spread"] = spread
        if self.observed.data:
            found["observed"] = True
        return found

    def _levels(self, *names: str) -> dict[str, int]:
        return {name: int(self[name].data) for name in names if self[name].data in {"1", "2", "3", "4", "5"}}


class ItemForm(_PartForm):
    """One item."""

    code = StringField(
        lazy("Code"), [InputRequired(lazy("Give a code.")), Length(max=10)], filters=[_trimmed]
    )
    kind = SelectField(lazy("Kind"), choices=[_EMPTY, *_choices(grammar.ITEM_KINDS)], validate_choice=False)
    critical = BooleanField(lazy("Critical: two signers, and the committee decides"))
    domain = SelectField(lazy("Domain"), choices=[], validate_choice=False)
    title_zh = _text(lazy("Chinese name"), grammar.LENGTHS["item"])
    title_en = _text(lazy("English name"), grammar.LENGTHS["item"])
    PED = FormField(TrackForm, lazy("Pediatrician"))
    GP = FormField(TrackForm, lazy("General practitioner"))
    NURSE = FormField(TrackForm, lazy("Nurse"))
    p0 = FloatField(lazy("Acceptable share of failures"), [Optional(), NumberRange(0, 1)])
    p1 = FloatField(lazy("Unacceptable share of failures"), [Optional(), NumberRange(0, 1)])
    alpha = FloatField(lazy("Risk of a false alarm"), [Optional(), NumberRange(0, 1)])
    beta = FloatField(lazy("Risk of a missed alarm"), [Optional(), NumberRange(0, 1)])
    rule_zh = TextAreaField(lazy("Rule in Chinese"), [Length(max=300)], filters=[_trimmed])
    rule_en = TextAreaField(lazy("Rule in English"), [Length(max=300)], filters=[_trimmed])
    sources = _text(lazy("Sources"), 200, description=lazy("Short words, separated by commas."))

    CURVE = ("p0", "p1", "alpha", "beta")

    @classmethod
    def of(cls, item: Mapping[str, Any] | None) -> "ItemForm":
        """The form from the request, else with what stands."""
        if item is None:
            return cls.of_request()
        cusum = item["cusum"] if isinstance(item["cusum"], dict) else {}
        sources = item["sources"] if isinstance(item["sources"], list) else []
        return cls.of_request(
            data={
                **{
                    name: item[name]
                    for name in ("code", "kind", "domain", "title_zh", "title_en", "rule_zh", "rule_en")
                },
                "critical": item["critical"] is True,
                **{name: cusum.get(name) for name in cls.CURVE},
                "sources": ", ".join(str(one) for one in sources),
                **{track: TrackForm.shown(item["targets"], track) for track in grammar.TRACKS},
            }
        )

    def offer(self, domains: Sequence[Mapping[str, Any]]) -> None:
        """Give the domains to choose from."""
        self.domain.choices = [
            _EMPTY,
            *(SelectChoice(one["code"], f"{one['code']} · {grammar.title_of(one)}") for one in domains),
        ]

    def values(self, before: Mapping[str, Any] | None) -> dict[str, Any]:
        """What was given, as a document keeps it."""
        old = before["targets"] if before else {}
        curve = {name: self[name].data for name in self.CURVE if self[name].data is not None}
        sources = self.sources.data.replace("，", ",").replace("、", ",").split(",")
        return {
            **{
                name: self[name].data or ""
                for name in ("code", "kind", "domain", "title_zh", "title_en", "rule_zh", "rule_en")
            },
            "critical": bool(self.critical.data),
            "targets": {
                track: self[track].form.target(old.get(track))
                for track in grammar.TRACKS
                if self[track].form.scale.data
            },
            "facets": before["facets"] if before and isinstance(before["facets"], list) else [],
            "cusum": curve or None,
            "sources": [one.strip() for one in sources if one.strip()],
        }


class FacetForm(Form):
    """One facet of an item; what it counts by is chosen before."""

    of = MultiCheckboxField(lazy("Values that count"), validate_choice=False)
    codes = _text(
        lazy("ICD-10 codes that count"),
        200,
        description=lazy("Three characters each, separated by commas; left empty, any diagnosis."),
    )
    distinct = BooleanField(lazy("Count different values, not entries"))
    at_least = IntegerField(
        lazy("At least"), [InputRequired(lazy("Give a number.")), NumberRange(1, 500)], default=1
    )
    at_most = _number(lazy("With at most so many attempts"), 1, 20)
    zh = _text(
        lazy("In Chinese words"),
        grammar.LENGTHS["facet"],
        description=lazy("Only where the codes do not say it well."),
    )
    en = _text(lazy("In English words"), grammar.LENGTHS["facet"])

    def offer(self, dim: str) -> None:
        """Give the values of the dimension."""
        self.of.choices = _choices(grammar.VALUES.get(dim, {}))

    @staticmethod
    def shown(facet: Mapping[str, Any]) -> dict[str, Any]:
        """The data of the form that shows a facet."""
        of = facet.get("of", [])
        of = [str(one) for one in of] if isinstance(of, list) else []
        return {**facet, "of": of, "codes": ", ".join(of)}

    def facet(self, dim: str) -> dict[str, Any]:
        """What was given, as a document keeps it."""
        if dim in grammar.CODED:
            given = self.codes.data.upper().replace("，", ",").replace("、", ",").split(",")
            of = [one.strip() for one in given if one.strip()]
        else:
            of = list(self.of.data or ())
        found: dict[str, Any] = {"dim": dim, "at_least": self.at_least.data}
        if of and dim not in {"observer", "attempts"}:
            found["of"] = of
        if self.distinct.data or dim == "observer":
            found["distinct"] = True
        if dim == "attempts":
            found.pop("distinct", None)
            found["at_most"] = self.at_most.data
        for name in ("zh", "en"):
            if self[name].data:
                found[name] = self[name].data
        return found


class SubmitForm(Form):
    """Put a draft before a reviewer."""

    words = TextAreaField(lazy("Words to the reviewer"), [Length(max=WORDS_MAX)], filters=[_trimmed])


class ReviewForm(Form):
    """A reviewer's decision on exactly what they were shown."""

    outcome = RadioField(
        lazy("Decision"),
        [InputRequired(lazy("Choose one."))],
        choices=[
            SelectChoice(approvals.APPROVED, lazy("Approve; it is published at once")),
            SelectChoice(approvals.REFUSED, lazy("Return it with words")),
        ],
    )
    words = TextAreaField(lazy("Your words"), [Length(max=WORDS_MAX)], filters=[_trimmed])
    seen_sha256 = StringField(validators=[Length(max=64)])


class RatifyForm(Form):
    """A committee stands behind a version."""

    held_on = DateField(lazy("Day of the meeting"), [InputRequired(lazy("Give the date."))])
    meeting = StringField(
        lazy("Committee and number of its minutes"),
        [InputRequired(lazy("Name the committee and its minutes.")), Length(max=120)],
        filters=[_trimmed],
    )
    words = TextAreaField(lazy("Words of the committee"), [Length(max=WORDS_MAX)], filters=[_trimmed])


class GiveForm(Form):
    """The version that a cohort trains by."""

    version = RadioField(lazy("Version"), [InputRequired(lazy("Choose one."))], validate_choice=False)
