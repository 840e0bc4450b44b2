"""Calendar files (iCalendar, RFC 5545): the doorman of icalendar."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True)
class Entry:
    """One date in somebody's calendar."""

    uid: str
    """The same for the same date whenever it is asked, so that calendars move it instead of doubling it."""
    title: str
    begins: datetime | date
    ends: datetime | date
    """Half-open for moments; for days the last one, inclusive."""
    url: str = ""


def feed(entries: Iterable[Entry], *, name: str, at: datetime) -> bytes:
    """A calendar that other programs subscribe to."""
    from icalendar import Calendar, Event

    calendar = Calendar()
    calendar.add("prodid", "-//Firefly LMS//calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", timedelta(hours=6), parameters={"value": "DURATION"})
    for entry in entries:
        event = Event()
        event.add("uid", entry.uid)
        event.add("dtstamp", at)
        event.add("summary", entry.title)
        event.add("dtstart", entry.begins)
        is_day = not isinstance(entry.ends, datetime)
        event.add("dtend", entry.ends + timedelta(days=1) if is_day else entry.ends)
        if entry.url:
            event.add("url", entry.url)
        calendar.add_component(event)
    return bytes(calendar.to_ical())
