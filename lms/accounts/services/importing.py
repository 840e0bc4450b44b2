"""Import of a list of people: what it would do, then doing it. Doing it twice changes nothing."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from lms import policy
from lms.accounts import queries, rules
from lms.accounts.rules.words import role_of
from lms.accounts.services import links, people
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


@dataclass(frozen=True)
class Plan:
    """What an import would do."""

    preview: Preview
    rows: tuple[Planned, ...]

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
        Column("track", ("培训方向", "Track", "方向", "专业"), parse=lambda text: _a_track(text, tracks)),
    ]


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


def plan(sheet: Sheet, *, excluded: Collection[int], by: Actor) -> Plan:
    """What the list would do, without doing it. Raises RuleBroken where the file holds no list of people."""
    policy.require(by, Permission.ACCOUNT_MANAGE)
    known_columns = columns()
    found = imports.preview(sheet, known_columns, excluded=excluded)
    if len(found.rows) > MOST_ROWS:
        raise RuleBroken(
            "too_many_rows", _("The file has more than %(limit)s rows.", limit=MOST_ROWS), field="file"
        )
    letters = imports.letters(sheet, found)
    known = queries.names_by_login([row.values["login"] for row in found.rows], by)
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
        planned = Planned(
            number=row.number,
            name_zh=rules.clean_name(values["name_zh"] or ""),
            name_latin=rules.clean_name(values["name_latin"] or ""),
            login=values["login"],
            role=role,
            scope=scope,
            track=values["track"] or "PED",
            known_as=known.get(values["login"], ""),
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
    return Plan(replace(found, errors=tuple(errors)), tuple(rows))


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
            done.append(Imported(replace(row, known_as=account.person.name), "", mailed=False))
            continue
        person = people.add_person(name_zh=row.name_zh, name_latin=row.name_latin, at=at, by=by)
        account = people.add_account(person, login=row.login, at=at, by=by)
        people.assign(person, row.role, row.scope, track=row.track, at=at, by=by)
        token = links.invite(account, at=at, by=by)
        done.append(Imported(row, token, mailed=links.mail_invitation(account, at=at, by=by)))
    fresh = sum(1 for one in done if one.token)
    audit.record(
        "accounts.people.import", scope="site", at=at, account_id=by.account_id, rows=len(done), new=fresh
    )
    return done
