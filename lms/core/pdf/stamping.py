"""The compiled path: texts are stamped into a document drawn before, and the bytes are those of a drawing from nothing.

Two documents are alike if their pages of HTML have the same tags and differ only in texts, in the address of one data
image and in the address of a link. Of such a page the paragraphs whose texts differ are laid out again by WeasyPrint's own
code in the place where they stand, and their operators take the place of the old ones between the same marks; the tree of
tags, the art and everything else stays. Fonts are cut anew for the glyphs of this document.

Whatever could move something else sends the order to a full drawing: a paragraph with another number or height of lines or
other pieces in a line, a text within a box that is as wide as what it holds, another set of fonts, a mark that cannot be
followed. And before a document is ever stamped, it has stamped its own follower and that one was compared with a drawing,
byte for byte.
"""

from collections import OrderedDict
from typing import Any

from lms.core.pdf import drawing
from lms.core.pdf.order import Order
from lms.core.pdf.page import Page
from lms.core.pdf.plate import NotAlike, Plate

KEPT = 6
"""Documents kept to be stamped: kinds of certificates, with and without a Latin name, of the programmes issued just now."""

PATIENCE = 3
"""So many in a row that cannot be stamped, and the next two of the kind make another plate."""


def render(order: Order) -> bytes:
    """The document of ``order``, stamped where that is the same."""
    page = Page.of(order)
    if page.key is None:
        return drawing.draw(order).data
    plate = _plates.pop(page.key, None)
    if plate is None or plate.misses >= PATIENCE:  # the first of its kind: perhaps there is no second
        _keep(page.key, Plate())
        return drawing.draw(order).data
    _keep(page.key, plate)
    if plate.proven:
        try:
            stamped = plate.stamp(page, order)
        except NotAlike:
            plate.misses += 1
            return drawing.draw(order).data
        plate.misses = 0
        return stamped
    drawn = drawing.draw(order)
    try:
        if not plate.made:
            plate.make(page, order, drawn)
        elif plate.stamp(page, order) == drawn.data:
            plate.proven, plate.misses = True, 0
        else:
            plate.misses += 1
    except NotAlike:
        plate.misses += 1
    return drawn.data


_plates: OrderedDict[Any, Plate] = OrderedDict()


def _keep(key: Any, plate: Plate) -> None:
    _plates[key] = plate
    while len(_plates) > KEPT:
        _plates.popitem(last=False)


def forget() -> None:
    """Let go of all documents that were kept."""
    _plates.clear()
