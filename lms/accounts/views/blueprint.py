"""The blueprint that all pages of accounts join."""

from flask import Blueprint

from lms.accounts.rules import browser_name
from lms.accounts.rules.words import role_name

bp = Blueprint("accounts", __name__)
bp.add_app_template_filter(role_name, "role_name")
bp.add_app_template_filter(browser_name, "browser_name")
