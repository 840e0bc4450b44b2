"""The manifest of a package that is written: what is in it, and what is known of each item."""

from dataclasses import dataclass

from lms.assessments.interchange.drafts import Draft
from lms.assessments.interchange.safexml import Element, extend, node, rooted, written

_PACKAGING = "http://www.imsglobal.org/xsd/qti/qtiv3p0/imscp_v1p1"
_LOM = "http://ltsc.ieee.org/xsd/LOM"


@dataclass(frozen=True)
class Entry:
    """One item of a package."""

    name: str
    path: str
    draft: Draft
    media: tuple[str, ...]


def written_of(entries: list[Entry]) -> bytes:
    """The file ``imsmanifest.xml``."""
    root = rooted("manifest", {None: _PACKAGING}, {"identifier": "firefly-items"})
    metadata = node("metadata", {}, node("schema", {}, "QTI Package"), node("schemaversion", {}, "3.0.0"))
    resources = node("resources")
    for entry in entries:
        extend(resources, _resource(entry))
    return written(extend(root, metadata, node("organizations"), resources))


def _resource(entry: Entry) -> Element:
    attributes = {"identifier": entry.name, "type": "imsqti_item_xmlv3p0", "href": entry.path}
    files = [node("file", {"href": name}) for name in (entry.path, *entry.media)]
    lom = _lom(entry.draft)
    return node("resource", attributes, *([node("metadata", {}, lom)] if len(lom) else []), *files)


def _lom(draft: Draft) -> Element:
    made = rooted("lom", {None: _LOM})
    general = _node("general")
    if draft.code:
        extend(general, _node("identifier", _node("catalog", "firefly"), _node("entry", draft.code)))
    for tag in draft.tags:
        extend(general, _node("keyword", _node("string", tag)))
    if len(general):
        extend(made, general)
    if draft.difficulty:
        extend(made, _node("educational", _node("difficulty", _node("value", draft.difficulty))))
    if draft.source:
        described = _node("resource", _node("description", _node("string", draft.source)))
        extend(
            made,
            _node(
                "relation", _node("kind", _node("source", "LOMv1.0"), _node("value", "isbasedon")), described
            ),
        )
    if draft.topic:
        path = _node("taxonPath", _node("taxon", _node("entry", _node("string", draft.topic))))
        purpose = _node("purpose", _node("source", "LOMv1.0"), _node("value", "discipline"))
        extend(made, _node("classification", purpose, path))
    return made


def _node(name: str, *content: Element | str) -> Element:
    return node(f"{{{_LOM}}}{name}", {}, *content)
