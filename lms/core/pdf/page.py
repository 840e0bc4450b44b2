"""A page of HTML taken apart, to see whether another one is like it."""

import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from lms.core.pdf.order import Order

_TAG = re.compile(r"(<!--.*?-->|<[^>]*>)", re.DOTALL)
_ADDRESS = re.compile(r'(?<=\s)(src="data:|href=")([^"]*)')
_BLANKS = re.compile(r"[ \t\n\r\f]+")


@dataclass(frozen=True)
class Page:
    """A page of HTML taken apart."""

    key: Any
    """The same for all pages that are alike; None for one that cannot be compared."""
    texts: tuple[str, ...]
    """What stands between the tags of the body, without what is blank."""
    images: tuple[str, ...]
    links: tuple[str, ...]

    @classmethod
    def of(cls, order: Order) -> "Page":
        """Take a page apart."""
        head, body_tag, body = order.html.partition("<body")
        parts = _TAG.split(body_tag + body)
        tags, texts = parts[1::2], [unescape(one) for one in parts[0::2]]
        images: list[str] = []
        links: list[str] = []

        def bare(tag: str) -> str:
            def taken(found: re.Match[str]) -> str:
                (images if found[1].startswith("src") else links).append(unescape(found[0].split('"', 1)[1]))
                return found[1]

            return _ADDRESS.sub(taken, tag)

        bones = tuple(bare(tag) for tag in tags)
        shape = tuple((one[:1].isspace(), one[-1:].isspace(), not one.strip()) for one in texts)
        about = order.facts
        key = (
            re.sub(r"<title>.*?</title>", "", head, flags=re.DOTALL),
            bones,
            shape,
            tuple((path, path.stat().st_mtime_ns) for path in order.css),
            order.assets,
            tuple((path.name, path.stat().st_mtime_ns) for path in sorted(order.assets.iterdir())),
            tuple((one.name, one.description, one.relationship) for one in order.attachments),
            order.max_pages,
            (about.languages, bool(about.author), bool(about.subject)),
        )
        kept = tuple(one.strip(" \t\n\r\f") for one in texts if one.strip())
        return cls(key if body_tag else None, kept, tuple(images), tuple(links))


def joined(text: str) -> str:
    """A text as it is drawn: runs of blanks as one, none around it."""
    return _BLANKS.sub(" ", text).strip(" ")
