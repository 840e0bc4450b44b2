"""The blueprint that all pages of courses join."""

from flask import Blueprint

bp = Blueprint("courses", __name__)
