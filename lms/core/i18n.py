"""Languages: the doorman of Flask-Babel. English sentences are the message ids; zh-Hans is the default locale."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import flask_babel
from babel.support import NullTranslations
from flask import Flask, g, has_app_context
from flask_babel import Babel
from flask_babel.speaklater import LazyString

LOCALES = ("zh_Hans", "en")
DEFAULT_LOCALE = "zh_Hans"

_babel = Babel()


def init_app(app: Flask, *, select_locale: object) -> None:
    """Join translations to the app. ``select_locale`` answers one of LOCALES for the current request."""
    app.config["BABEL_DEFAULT_LOCALE"] = DEFAULT_LOCALE
    app.config["BABEL_DEFAULT_TIMEZONE"] = "Asia/Shanghai"
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "translations"
    _babel.init_app(app, locale_selector=select_locale)
    app.jinja_env.install_gettext_callables(_sentence, _plural, newstyle=True)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class _Voice:
    """A language and its sentences."""

    locale: str
    sentences: NullTranslations


_NOBODY = _Voice(DEFAULT_LOCALE, NullTranslations())
"""Outside any application context the sentences are as they were written."""


def _voice() -> _Voice:
    """The language of the current context, found once in it.

    Flask-Babel alone would ask the context six times for every sentence, a tenth of the time of a page.
    """
    try:
        found = g.voice
    except AttributeError:
        known = str(flask_babel.get_locale() or DEFAULT_LOCALE)
        sentences = flask_babel.get_translations()
        found = g.voice = _Voice(known if known in LOCALES else DEFAULT_LOCALE, sentences)
    except RuntimeError:
        return _NOBODY
    return cast("_Voice", found)


def _sentence(message: str) -> str:
    return _voice().sentences.ugettext(message)


def _plural(singular: str, plural: str, num: int) -> str:
    return _voice().sentences.ungettext(singular, plural, num)


def _(message: str, **values: object) -> str:
    """The sentence in the reader's language, now."""
    found = _sentence(message)
    return found % values if values else found


def _n(singular: str, plural: str, num: int, **values: object) -> str:
    """The sentence for a number of things, now."""
    values.setdefault("num", num)
    return _plural(singular, plural, num) % values


def lazy(message: str, **values: object) -> str:
    """The sentence in the reader's language when it is shown; for labels written at import time."""
    return cast("str", LazyString(_, message, **values))


def locale() -> str:
    """The current locale, one of LOCALES."""
    return _voice().locale


def html_lang(name: str | None = None) -> str:
    """The BCP 47 tag of a locale for ``lang`` attributes."""
    return "en" if (name or locale()) == "en" else "zh-Hans"


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Speak one language for the length of a block (mail to a person, a job)."""
    if not has_app_context():
        yield
        return
    before = g.pop("voice", None)
    try:
        with flask_babel.force_locale(name):
            yield
    finally:
        g.pop("voice", None)
        if before is not None:
            g.voice = before


def pick(zh: str, en: str) -> str:
    """The bilingual datum in the reader's language; the other language where it is empty."""
    return (en or zh) if locale() == "en" else (zh or en)


def from_accept_language(header: str) -> str:
    """Map Accept-Language to a locale: any Chinese is zh_Hans, else English if named first, else Chinese.

    >>> from_accept_language("en-GB,en;q=0.9,zh;q=0.5")
    'en'
    """
    for part in header.lower().split(","):
        tag = part.split(";")[0].strip()
        if tag.startswith("zh"):
            return "zh_Hans"
        if tag.startswith("en"):
            return "en"
    return DEFAULT_LOCALE
