"""Import of a list of people: what it would do, then doing it. Doing it twice changes nothing."""

import contextlib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from lms import policy
from lms.accounts import queries, rules
from lms.accounts.models import Person
from lms.accounts.queries import profiles
from lms.accounts.rules import profiles as professional
from lms.accounts.rules.words import role_of
from lms.accounts.services import links, people
from lms.accounts.services.profiles import keep_identity, keep_profile
from lms.core import audit, imports, ports
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.core.imports import CellError, Column, Preview, Sheet
from lms.policy import SITE, Actor, Permission, Role

MOST_ROWS = 1_000
"""People of one list: a year's intake of a large programme, many times over."""


@dataclass(frozen=True)
class Planned:
    """One row that can be imported, and what will happen."""

    number: int
    name_zh: str
    name_latin: str
    login: str
    role: Role
    scope: str
    track: str
    known_as: str = ""
    """Name of the person who signs in with this login already; empty for somebody new."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What the row says of the person's profession, by field of ``ProfileFacts``; what it leaves empty stays as it is."""
    identity_number: str = field(default="", repr=False)

    @property
    def masked(self) -> str:
        """What is shown of the identity number."""
        return professional.masked(self.identity_number) if self.identity_number else ""


@dataclass(frozen=True)
class Plan:
    """What an import would do."""

    preview: Preview
    rows: tuple[Planned, ...]
    shown: Sheet = field(repr=False)
    """The sheet as it may travel through a page: identity numbers sealed, columns that nobody reads left out."""

    @property
    def ok(self) -> bool:
        """Whether nothing is left to put right."""
        return not self.preview.errors and bool(self.rows)


@dataclass(frozen=True)
class Imported:
    """What was done with a row."""

    row: Planned
    token: str
    """Of the invitation link, for somebody new; empty for somebody known."""
    mailed: bool


def columns() -> list[Column]:
    """The columns of the list, with the words that their headers may say."""
    places = ports.places[0].scopes()
    tracks = list(ports.places[0].tracks())
    return [
        Column("name_zh", ("姓名", "Name in Chinese", "中文姓名", "name_zh", "Name", "学员姓名")),
        Column(
            "name_latin",
            ("拼音或拉丁文姓名", "Name in Latin letters", "拼音", "姓名拼音", "英文名", "name_latin"),
        ),
        Column(
            "login",
            (
                "手机号或邮箱",
                "E-mail or phone",
                "Login",
                "手机号",
                "手机",
                "邮箱",
                "电子邮箱",
                "登录名",
                "E-mail",
            ),
            required=True,
            parse=_a_login,
        ),
        Column("role", ("角色", "Role", "身份"), parse=_a_role),
        Column(
            "place",
            ("班次", "Cohort", "期次", "班级", "Place", "班级代码", "cohort code"),
            parse=lambda text: _a_place(text, places),
        ),
        Column("track", ("培训方向", "Track", "方向"), parse=lambda text: _a_track(text, tracks)),
        Column("title", ("职称", "Professional title", "专业技术职称", "技术职称"), parse=_a_title),
        Column("specialty", ("专业", "Specialty", "从事专业"), parse=professional.clean_specialty),
        Column(
            "licence_number",
            (
                "执业证号",
                "Number of the licence to practise",
                "执业证书编号",
                "执业证书编码",
                "执业证书号",
                "执业证编号",
                "医师执业证书编码",
                "护士执业证书编号",
                "Licence number",
                "License number",
            ),
            parse=professional.clean_licence,
        ),
        Column(
            "identity_number",
            (
                "身份证号",
                "Identity card number",
                "身份证号码",
                "身份证",
                "居民身份证号",
                "居民身份证号码",
                "公民身份号码",
                "Identity number",
                "ID number",
            ),
        ),
    ]


PROFILE_COLUMNS = ("title", "specialty", "licence_number")


def _a_title(text: str) -> str:
    title = professional.title_of(text)
    if title is None:
        raise RuleBroken("title_unknown", _("No professional title is called “%(text)s”.", text=text[:20]))
    return title


def _a_login(text: str) -> str:
    login = rules.clean_login(text)
    if not (rules.is_email(login) or rules.is_phone(login)):
        raise RuleBroken("login_shape", _("Give an e-mail address or a mobile phone number."))
    return login


def _a_role(text: str) -> Role:
    role = role_of(text)
    if role is None:
        raise RuleBroken("role_unknown", _("No role is called “%(text)s”.", text=text[:40]))
    return role


def _a_place(text: str, places: Sequence[ports.Scope]) -> str:
    """Scope code of a place given by its code or name. Codes of cohorts may repeat between programmes: names tell."""
    wanted = text.strip().casefold()
    if wanted in {SITE, _("Whole site").casefold()}:
        return SITE
    found = {
        place.code
        for place in places
        if wanted in {place.short.casefold(), place.name_zh.casefold(), place.name_en.casefold(), place.code}
    }
    if len(found) != 1:
        unknown = _("No cohort, programme or hospital is called “%(text)s”.", text=text[:40])
        several = _("Several places are called “%(text)s”. Write the full name.", text=text[:40])
        raise RuleBroken("place_unknown" if not found else "place_unclear", several if found else unknown)
    return found.pop()


def _a_track(text: str, tracks: Sequence[tuple[str, str]]) -> str:
    for code, name in tracks:
        if text.strip().casefold() in {code.casefold(), name.casefold()}:
            return code
    raise RuleBroken("track", _("Choose a track."))


def plan(sheet: Sheet, *, excluded: Collection[int], today: date, by: Actor) -> Plan:
    """What the list would do, without doing it. Raises RuleBroken where the file holds no list of people."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    sheet = _each_cell(sheet, lambda _place, _number, text: profiles.taken_back(text, by.account_id))
    found = imports.preview(sheet, columns(), excluded=excluded)
    if len(found.rows) > MOST_ROWS:
        raise RuleBroken(
            "too_many_rows", _("The file has more than %(limit)s rows.", limit=MOST_ROWS), field="file"
        )
    letters = imports.letters(sheet, found)
    known = queries.people_by_login([row.values["login"] for row in found.rows], by)
    rows: list[Planned] = []
    first: dict[str, Planned] = {}
    errors = list(found.errors)
    for row in found.rows:
        values = row.values
        role = values["role"] or Role.TRAINEE
        scope = values["place"] or (SITE if SITE in rules.SCOPE_KINDS[role] else "")
        wrong = _wrong(values["name_zh"], values["name_latin"], role, scope)
        if wrong is not None:
            column, code, message = wrong
            cell = f"{letters.get(column, '')}{row.number}"
            errors.append(CellError(cell, column, code, message, str(values[column] or "")))
            continue
        track, facts = _track_and_facts(values)
        planned = Planned(
            number=row.number,
            name_zh=rules.clean_name(values["name_zh"] or ""),
            name_latin=rules.clean_name(values["name_latin"] or ""),
            login=values["login"],
            role=role,
            scope=scope,
            track=track,
            known_as=known[values["login"]].name if values["login"] in known else "",
            facts=facts,
            identity_number=values["identity_number"] or "",
        )
        before = first.setdefault(planned.login, planned)
        if before is not planned and (before.name_zh, before.name_latin) != (
            planned.name_zh,
            planned.name_latin,
        ):
            message = _("Row %(row)s has the same login for another name.", row=before.number)
            cell = f"{letters.get('login', '')}{row.number}"
            errors.append(CellError(cell, "login", "login_shared", message, planned.login))
            continue
        rows.append(planned)
    fit, unfit = _identified(rows, known, letters.get("identity_number", ""), today=today, by=by)
    errors += unfit
    shown = _shown(sheet, found, by)
    return Plan(replace(found, errors=tuple(_unspoken(error) for error in errors)), tuple(fit), shown)


def _track_and_facts(values: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """The track, and what the row says of the profession. Older lists wrote the track under 专业."""
    facts = {name: values[name] for name in PROFILE_COLUMNS if values[name]}
    if not values["track"] and "specialty" in facts:
        with contextlib.suppress(RuleBroken):
            track = _a_track(facts["specialty"], list(ports.places[0].tracks()))
            del facts["specialty"]
            return track, facts
    return values["track"] or "PED", facts


def _identified(
    rows: Sequence[Planned], known: dict[str, Person], letter: str, *, today: date, by: Actor
) -> tuple[list[Planned], list[CellError]]:
    """The rows with clean identity numbers that nobody else has, and what is wrong with the others."""
    fit: list[Planned] = []
    errors: list[CellError] = []
    digests: dict[int, str] = {}
    for row in rows:
        try:
            number = (
                professional.clean_identity_number(row.identity_number, today=today)
                if row.identity_number
                else ""
            )
        except RuleBroken as refusal:
            errors.append(
                CellError(f"{letter}{row.number}", "identity_number", refusal.code, refusal.message)
            )
            continue
        digests[row.number] = profiles.digest_of(number) if number else ""
        fit.append(replace(row, identity_number=number))
    holders = profiles.identity_holders([one for one in digests.values() if one], by)
    kept = profiles.identity_digests([person.id for person in known.values()], by)
    owners: dict[str, tuple[int | str, int]] = {}
    numbers: dict[int | str, tuple[str, int]] = {}
    good: list[Planned] = []
    for row in fit:
        digest, person = digests[row.number], known.get(row.login)
        if digest:
            owner: int | str = person.id if person else row.login
            other = owners.setdefault(digest, (owner, row.number))
            said = numbers.setdefault(owner, (digest, row.number))
            holder = holders.get(digest)
            code = message = ""
            if other[0] != owner:
                code = "identity_shared"
                message = _("Row %(row)s has the same identity number for another login.", row=other[1])
            elif said[0] != digest:
                code = "identity_differs"
                message = _("Row %(row)s has another identity number for the same login.", row=said[1])
            elif holder is not None and holder[0] != owner:
                code = "identity_taken"
                message = _("This identity number is kept for %(name)s already.", name=holder[1])
            elif person is not None and kept.get(person.id, digest) != digest:
                code = "identity_known"
                message = _("Another identity number is kept of this person. Replace it on their page.")
            if code:
                errors.append(CellError(f"{letter}{row.number}", "identity_number", code, message))
                continue
        good.append(row)
    return good, errors


def _each_cell(sheet: Sheet, change: Callable[[int, int, str], str]) -> Sheet:
    """The sheet with each cell changed, given its column, its row's number and its text."""
    return replace(
        sheet,
        lines=tuple(
            replace(
                line,
                cells=tuple(change(place, line.number, text) for place, text in enumerate(line.cells)),
            )
            for line in sheet.lines
        ),
    )


def _shown(sheet: Sheet, found: Preview, by: Actor) -> Sheet:
    """The sheet without a legible identity number, whatever column it stands in, and without what nobody reads."""
    header: tuple[str, ...] = next((line.cells for line in sheet.lines if line.number == found.header), ())
    read = {place for place, text in enumerate(header) if text in found.matched.values()}
    secret = {
        place for place, text in enumerate(header) if text and text == found.matched.get("identity_number")
    }

    def travelling(place: int, number: int, text: str) -> str:
        if number > found.header and place not in read:
            return ""
        if text and ((number > found.header and place in secret) or professional.holds_identity_number(text)):
            return profiles.carried(text, by.account_id)
        return text

    return _each_cell(sheet, travelling)


def _unspoken(error: CellError) -> CellError:
    """An error that names its cell, and does not repeat an identity number."""
    return replace(error, value="") if professional.holds_identity_number(error.value) else error


def _wrong(
    name_zh: str | None, name_latin: str | None, role: Role, scope: str
) -> tuple[str, str, str] | None:
    """What no single cell can know: column, code and sentence."""
    if not name_zh and not name_latin:
        return "name_zh", "name_missing", _("Give the name in Chinese or in Latin letters.")
    if len(name_zh or "") > 60 or len(name_latin or "") > 120:
        return "name_zh", "name_long", _("This name is too long.")
    if not scope:
        return "place", "required", _("This cell must be filled.")
    try:
        rules.require_scope(role, scope)
    except RuleBroken as refusal:
        return "place", refusal.code, refusal.message
    return None


def carry_out(rows: Iterable[Planned], *, at: datetime, by: Actor) -> list[Imported]:
    """Import some rows: new people with account and invitation, known ones with their further role."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    done = []
    for row in rows:
        account = queries.account_by_login(row.login)
        if account is not None:
            people.assign(account.person, row.role, row.scope, track=row.track, at=at, by=by)
            _keep_profession(account.person, row, at=at, by=by)
            done.append(Imported(replace(row, known_as=account.person.name), "", mailed=False))
            continue
        person = people.add_person(name_zh=row.name_zh, name_latin=row.name_latin, at=at, by=by)
        account = people.add_account(person, login=row.login, at=at, by=by)
        people.assign(person, row.role, row.scope, track=row.track, at=at, by=by)
        _keep_profession(person, row, at=at, by=by)
        token = links.invite(account, at=at, by=by)
        done.append(Imported(row, token, mailed=links.mail_invitation(account, at=at, by=by)))
    fresh = sum(1 for one in done if one.token)
    audit.record(
        "accounts.people.import", scope="site", at=at, account_id=by.account_id, rows=len(done), new=fresh
    )
    return done


def _keep_profession(person: Person, row: Planned, *, at: datetime, by: Actor) -> None:
    """Keep what the row says of the profession beside what is known, and the identity number, which it never replaces."""
    if row.facts:
        stands = profiles.facts_of(profiles.newest(person.id))
        keep_profile(person, replace(stands, **row.facts), seen=None, at=at, by=by)
    if row.identity_number:
        keep_identity(person, row.identity_number, may_replace=False, at=at, by=by)
