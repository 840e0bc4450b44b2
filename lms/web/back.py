"""Ways back after a form: only to pages of our own."""

from urllib.parse import urlsplit

from flask import request

LONGEST = 2_000


def own_page(target: str | None, *, otherwise: str = "/") -> str:
    """``target`` where it is a path of this site, else ``otherwise``; an open redirect is a phisher's first tool.

    Browsers drop tabs and line ends inside addresses and read a backslash as a slash, so neither may occur anywhere.

    >>> own_page("/logbook?page=2"), own_page("//evil.example"), own_page("https://evil.example"), own_page("/\\\\evil.example")
    ('/logbook?page=2', '/', '/', '/')
    """
    if not target or len(target) > LONGEST or not target.startswith("/") or target.startswith("//"):
        return otherwise
    if "\\" in target or any(ord(letter) < 33 or ord(letter) == 127 for letter in target):
        return otherwise
    try:
        parts = urlsplit(target)
    except ValueError:
        return otherwise
    return otherwise if parts.scheme or parts.netloc else target


def page_before() -> str:
    """The page of ours that a form stood on; the first page where the browser does not say."""
    parts = urlsplit(request.referrer or "")
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return own_page(path) if parts.netloc == request.host else "/"


def this_page() -> str:
    """The address of the page that is shown, to come back to: for a refused form the page that it stood on."""
    return request.full_path.rstrip("?") if request.method in {"GET", "HEAD"} else page_before()
