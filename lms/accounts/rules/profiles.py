"""Pure decisions about what people are professionally, and about identity card numbers."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from lms.core import i18n
from lms.core.deid import require_clean, valid_identity_number
from lms.core.errors import RuleBroken
from lms.core.i18n import _, lazy

TITLES: dict[str, str] = {
    "resident": lazy("Resident physician"),
    "attending": lazy("Attending physician"),
    "associate_chief": lazy("Associate chief physician"),
    "chief": lazy("Chief physician"),
    "nurse": lazy("Registered nurse"),
    "senior_nurse": lazy("Senior nurse"),
    "charge_nurse": lazy("Nurse in charge"),
    "associate_chief_nurse": lazy("Associate chief nurse"),
    "chief_nurse": lazy("Chief nurse"),
}
"""Professional titles (卫生专业技术职称) of doctors, then of nurses, the junior first."""

PRACTICE_SCOPES: dict[str, str] = {
    "pediatrics": lazy("Pediatrics"),
    "general": lazy("General practice"),
    "nursing": lazy("Nursing"),
    "intensive": lazy("Intensive care"),
    "emergency": lazy("Emergency medicine"),
    "internal": lazy("Internal medicine"),
    "surgery": lazy("Surgery"),
    "obstetrics": lazy("Obstetrics and gynecology"),
    "anesthesia": lazy("Anesthesiology"),
    "other": lazy("Another scope"),
}
"""What a licence is for (执业范围), the scopes that this training meets first."""

DEGREES: dict[str, str] = {
    "secondary": lazy("Secondary vocational school"),
    "college": lazy("Junior college"),
    "bachelor": lazy("Bachelor’s degree"),
    "master": lazy("Master’s degree"),
    "doctor": lazy("Doctoral degree"),
}

REVEAL_REASONS: dict[str, str] = {
    "credits": lazy("Filing of credits or of the certificate"),
    "identity": lazy("Doubt whether somebody is who they say"),
    "request": lazy("The person asked for it"),
    "authority": lazy("An authority asks for it by law"),
}
"""Why a whole identity number may be looked at; the trail keeps the code."""

SPECIALTY_LIMIT = 60
EARLIEST_YEAR = 1940
IDENTITY_TRIES = (10, 60 * 60)
"""Numbers that one person may send in an hour: the answer tells whether a number is known here."""

_LICENCE = re.compile(r"[0-9A-Z]{6,20}")


@dataclass(frozen=True)
class ProfileFacts:
    """Everything somebody says of a person's profession; two equal ones are the same statement."""

    licence_number: str = ""
    practice_scope: str = ""
    title: str = ""
    specialty: str = ""
    degree: str = ""
    practising_since: int | None = None


def settled(facts: ProfileFacts, *, today: date) -> ProfileFacts:
    """The facts as they are kept. Raises RuleBroken at the field that says something impossible."""
    for field, known, given in (
        ("title", TITLES, facts.title),
        ("practice_scope", PRACTICE_SCOPES, facts.practice_scope),
        ("degree", DEGREES, facts.degree),
    ):
        if given and given not in known:
            raise RuleBroken(field, _("Choose one of the list."), field=field)
    year = facts.practising_since
    if year is not None and not EARLIEST_YEAR <= year <= today.year:
        raise RuleBroken(
            "year",
            _("Give the year in which the person began to practise, for example 2015."),
            field="practising_since",
        )
    return ProfileFacts(
        licence_number=clean_licence(facts.licence_number),
        practice_scope=facts.practice_scope,
        title=facts.title,
        specialty=clean_specialty(facts.specialty),
        degree=facts.degree,
        practising_since=year,
    )


def _plain(text: str) -> str:
    """NFKC without blanks, hyphens and what no keyboard types, in capitals."""
    return "".join(
        letter
        for letter in unicodedata.normalize("NFKC", text).upper()
        if unicodedata.category(letter)[0] not in "CZ" and letter not in "-‐–"
    )


def holds_identity_number(text: str) -> bool:
    """Whether eighteen characters in a row, blanks and hyphens left aside, are somebody's identity number."""
    if len(text) < 18:
        return False
    plain = _plain(text)
    return any(valid_identity_number(plain[start : start + 18]) for start in range(len(plain) - 17))


def clean_licence(text: str) -> str:
    """The number of a licence as it is kept: letters and digits. Raises RuleBroken ``licence`` or ``licence_identity``.

    The number of the *qualification* (资格证书, 27 characters) holds the person's identity number, and is refused for it.
    """
    plain = _plain(text)
    if not plain:
        return ""
    if holds_identity_number(plain):
        raise RuleBroken(
            "licence_identity",
            _(
                "This holds an identity number. Give the number of the licence to practise, not of the qualification."
            ),
            field="licence_number",
        )
    if not _LICENCE.fullmatch(plain):
        raise RuleBroken(
            "licence",
            _("The number of a licence has 6 to 20 letters and digits: 15 for doctors, 12 for nurses."),
            field="licence_number",
        )
    return plain


def clean_specialty(text: str) -> str:
    """A specialty in a few words. Raises RuleBroken ``specialty_long`` or ``identifying``."""
    plain = " ".join(
        "".join(
            letter if letter.isprintable() else " " for letter in unicodedata.normalize("NFC", text)
        ).split()
    )
    if len(plain) > SPECIALTY_LIMIT:
        raise RuleBroken(
            "specialty_long",
            _("Please use at most %(n)s characters.", n=SPECIALTY_LIMIT),
            field="specialty",
        )
    require_clean(plain, field="specialty")
    return plain


def years_in_practice(practising_since: int | None, *, today: date) -> int | None:
    """Whole calendar years since the person began to practise."""
    return None if practising_since is None else max(0, today.year - practising_since)


_ALSO: dict[str, str] = {
    "住院医生": "resident",
    "医师": "resident",
    "主治医生": "attending",
    "主治": "attending",
    "副主任医生": "associate_chief",
    "主任医生": "chief",
    "主管护士": "charge_nurse",
}
"""What lists call a title, beside its own names."""


def title_of(text: str) -> str | None:
    """Code of the title that a word in a list means; None where it means none."""
    return _ALSO.get("".join(text.split())) or code_of(text, TITLES)


def code_of(text: str, names: Mapping[str, str]) -> str | None:
    """The code in ``names`` whose code or name, in any language, is ``text``."""
    wanted = "".join(text.split()).casefold()
    for language in i18n.LOCALES:
        with i18n.speaking(language):
            for code, name in names.items():
                if wanted in {code, "".join(str(name).split()).casefold()}:
                    return code
    return None


# ---------------------------------------------------------------- identity numbers (GB 11643)

_YOUNGEST, _OLDEST = 16, 100


def clean_identity_number(text: str, *, today: date) -> str:
    """An identity number as it is sealed: eighteen characters. Raises RuleBroken, whose words never repeat the number.

    Codes: ``identity_shape``, ``identity_region``, ``identity_birthday``, ``identity_check``.
    """
    plain = _plain(text)
    if not re.fullmatch(r"[0-9]{17}[0-9X]", plain, re.ASCII):
        raise _unlike_the_card(
            "identity_shape",
            _(
                "An identity number has 18 characters: 17 digits, then a digit or X. Here are %(n)s.",
                n=len(plain),
            ),
        )
    if not _is_of_working_age(plain[6:14], today):
        raise _unlike_the_card(
            "identity_birthday",
            _("Characters 7 to 14 are no birthday of somebody who works. Compare them with the card."),
        )
    has_province = any(valid_identity_number(plain[:17] + last) for last in "0123456789X")
    if not has_province or (plain[0] != "9" and plain[2:6] == "0000"):
        raise _unlike_the_card(
            "identity_region",
            _("No county has a code like the first six digits. Compare them with the card."),
        )
    if not valid_identity_number(plain):
        raise _unlike_the_card(
            "identity_check",
            _(
                "The last character does not fit the others: one of them is mistyped. Compare them with the card."
            ),
        )
    return plain


def _unlike_the_card(code: str, message: str) -> RuleBroken:
    return RuleBroken(code, message, field="identity_number")


def _is_of_working_age(birthday: str, today: date) -> bool:
    try:
        born = date(int(birthday[:4]), int(birthday[4:6]), int(birthday[6:]))
    except ValueError:
        return False
    age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
    return _YOUNGEST <= age <= _OLDEST


def masked(number: str) -> str:
    """What may be shown: ``110101********1234``."""
    return f"{number[:6]}{'*' * 8}{number[-4:]}"
