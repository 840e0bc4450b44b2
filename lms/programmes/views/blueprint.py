"""The blueprint of the programmes, and the colleague whom a form names."""

from typing import Protocol

from flask import Blueprint
from wtforms import SelectField, StringField

from lms.accounts import queries as accounts
from lms.accounts import rules as account_rules
from lms.accounts.models import Person
from lms.core.errors import RuleBroken
from lms.core.i18n import _
from lms.programmes import queries

bp = Blueprint("programmes", __name__)

PER_PAGE = 50


class NamesColleague(Protocol):
    """A form in which a colleague is chosen, or named by how they sign in."""

    mentor: SelectField
    login: StringField


def person_of_login(text: str) -> Person:
    """The person behind an e-mail address or phone number. Raises RuleBroken at ``login``."""
    account = accounts.account_by_login(account_rules.clean_login(text))
    if account is None or account.disabled_at is not None:
        raise RuleBroken(
            "login_unknown", _("No account has this e-mail address or phone number."), field="login"
        )
    return account.person


def colleague(form: NamesColleague, programme_id: int) -> Person:
    """The chosen colleague: one who mentors in the programme already, or anybody by how they sign in."""
    if form.login.data:
        return person_of_login(form.login.data)
    for person in queries.colleagues(programme_id):
        if person.public_id == form.mentor.data:
            return person
    raise RuleBroken(
        "mentor_missing", _("Choose a colleague, or give an e-mail address or phone number."), field="mentor"
    )
