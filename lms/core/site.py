"""The site that this process serves: the one place below the web that asks Flask which app is current."""

from typing import Any

from flask import current_app

from lms.settings import Settings


def settings() -> Settings:
    """The settings of the current app."""
    found = current_app.extensions["lms_settings"]
    assert isinstance(found, Settings)
    return found


def extension(name: str) -> Any:
    """Something that ``create_app`` joined to the current app."""
    return current_app.extensions[name]
