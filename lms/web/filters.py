"""How times, numbers and bilingual data are shown."""

import re
from datetime import date, datetime, timedelta

from babel.dates import format_date, format_skeleton
from flask import Flask
from markupsafe import Markup, escape

from lms.core import clock, i18n, markdown
from lms.core.i18n import _
from lms.web.guard import current_actor


def _locale() -> str:
    return "en_GB" if i18n.locale() == "en" else "zh_Hans_CN"


def day(value: date | datetime | None, *, weekday: bool = False) -> str:
    """A calendar day in Beijing: ``22 Nov 2026`` or ``2026年11月22日``."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        value = value.astimezone(clock.BEIJING).date()
    if weekday:
        return format_skeleton(
            "MMMEd", datetime(value.year, value.month, value.day, tzinfo=clock.BEIJING), locale=_locale()
        )
    return format_date(value, "long" if i18n.locale() != "en" else "d MMM y", locale=_locale())


def hour(value: datetime) -> str:
    """Hours and minutes in Beijing, with Xinjiang time for those who chose it."""
    text = value.astimezone(clock.BEIJING).strftime("%H:%M")
    actor = current_actor()
    if actor is not None and actor.xinjiang_time:
        return _(
            "%(beijing)s Beijing time (%(xinjiang)s Xinjiang time)",
            beijing=text,
            xinjiang=value.astimezone(clock.XINJIANG).strftime("%H:%M"),
        )
    return text


def when(value: datetime | None) -> str:
    """A moment as people say it: ``today 09:20``, ``yesterday 22:05``, else day and time."""
    if value is None:
        return ""
    ago = clock.today() - value.astimezone(clock.BEIJING).date()
    if ago == timedelta(0):
        return _("today %(time)s", time=hour(value))
    if ago == timedelta(days=1):
        return _("yesterday %(time)s", time=hour(value))
    if ago == timedelta(days=-1):
        return _("tomorrow %(time)s", time=hour(value))
    return _("%(day)s, %(time)s", day=day(value), time=hour(value))


def deadline(value: datetime | None) -> str:
    """A moment that binds: always with its zone."""
    if value is None:
        return ""
    actor = current_actor()
    if actor is not None and actor.xinjiang_time:
        return _("%(day)s, %(time)s", day=day(value), time=hour(value))
    return _("%(day)s, %(time)s Beijing time", day=day(value), time=hour(value))


def time_tag(value: datetime | None) -> Markup:
    """``when`` inside a ``<time>`` element."""
    if value is None:
        return Markup("")
    return Markup('<time datetime="{}">{}</time>').format(value.isoformat(timespec="seconds"), when(value))


def duration(seconds: float) -> str:
    """Minutes and seconds as a player shows them: ``1:05``."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def size(count: int | None) -> str:
    """Bytes in the unit a person reads: ``8.4 MB``."""
    if count is None:
        return ""
    if count < 1_000_000:
        return f"{max(count, 0) / 1000:.0f} KB"
    if count >= 1_000_000_000:
        return f"{count / 1_000_000_000:.1f} GB"
    return f"{count / 1_000_000:.1f} MB"


def bilingual(thing: object, stem: str = "title") -> str:
    """The ``<stem>_zh``/``<stem>_en`` pair of a thing in the reader's language."""
    return i18n.pick(getattr(thing, f"{stem}_zh", "") or "", getattr(thing, f"{stem}_en", "") or "")


_CHINESE = re.compile(
    "[\u3000-\u303f\uff00-\uffef·]*[\u3400-\u9fff][\u3000-\u303f\u3400-\u9fff\uff00-\uffef·]*"
)

_ENGLISH = re.compile(r"[A-Za-z]{2,} [A-Za-z]{2,}")


def tongue(text: str) -> Markup:
    """What people wrote, its Chinese marked as such on an English page, so that a screen reader speaks it right."""
    safe = escape(text)
    if i18n.locale() != "en":
        return safe
    return Markup(_CHINESE.sub(lambda found: f'<span lang="zh-Hans">{found[0]}</span>', safe))  # noqa: S704 (escaped above)


def other_tongue(text: str | None) -> str:
    """The ``lang`` of what somebody wrote in the language that the page is not in; empty where it is in the page's."""
    if i18n.locale() == "en":
        return "zh-Hans" if text and _CHINESE.search(text) else ""
    return "en" if text and _ENGLISH.search(text) and not _CHINESE.search(text) else ""


def lines(text: str) -> Markup:
    """Plain text that people wrote, with its line breaks kept."""
    return Markup("<br>").join(tongue(part) for part in text.splitlines())


def prose(text: str) -> Markup:
    """Authors' Markdown as HTML that can do no harm."""
    return Markup(markdown.render(text))  # noqa: S704 (an allow-list of tags and attributes is all that comes out)


def init_app(app: Flask) -> None:
    """Join the filters to the templates."""
    app.jinja_env.filters.update(
        day=day,
        hour=hour,
        when=when,
        deadline=deadline,
        time_tag=time_tag,
        duration=duration,
        size=size,
        bilingual=bilingual,
        lines=lines,
        other_tongue=other_tongue,
        tongue=tongue,
        prose=prose,
    )
