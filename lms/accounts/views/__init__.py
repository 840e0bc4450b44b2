"""Pages of accounts: doors, one's own account, presence, people, the audit trail."""

from lms.accounts.views import (
    account,
    doors,
    hooks,
    importing,
    invitations,
    people,
    presence,
    profiles,
    trail,
)
from lms.accounts.views.blueprint import bp
from lms.accounts.views.doors import ask_sign_in

__all__ = [
    "account",
    "ask_sign_in",
    "bp",
    "doors",
    "hooks",
    "importing",
    "invitations",
    "people",
    "presence",
    "profiles",
    "trail",
]
