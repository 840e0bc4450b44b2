"""Parts of Office Open XML packages, as Word, Excel and WPS write them, read without trusting them."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from lxml import etree

from lms.assessments.interchange.package import Package
from lms.core.errors import RuleBroken
from lms.core.i18n import _

Element: TypeAlias = Any
"""An element of lxml, which has no types of its own."""

_DOCTYPE = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)


def part(package: Package, path: str) -> Element | None:
    """The root of one XML part; None if the package has none of that name.

    Raises RuleBroken("xml_entities") for one that declares entities, "file_broken" for one that cannot be read.
    """
    data = package.files.get(path)
    if data is None:
        return None
    if _DOCTYPE.search(data) or _DOCTYPE.search(data.replace(b"\0", b"")):
        raise RuleBroken(
            "xml_entities", _("The file declares entities of its own. For safety such files are not read.")
        )
    parser = etree.XMLParser(  # without huge_tree: 256 elements within each other at most
        resolve_entities=False, no_network=True, load_dtd=False, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as problem:
        raise RuleBroken("file_broken", _("The file is damaged and cannot be read.")) from problem


def name_of(element: Element) -> str:
    """The name of an element without its namespace: the strict and the common form of a format use different ones."""
    tag = element.tag
    return str(tag.rpartition("}")[2]) if isinstance(tag, str) else ""


def get(element: Element | None, name: str) -> str:
    """An attribute by its name without its namespace; empty if there is none."""
    if element is None:
        return ""
    for key, value in element.attrib.items():
        if str(key).rpartition("}")[2] == name:
            return str(value)
    return ""


def child(element: Element | None, *path: str) -> Element | None:
    """The first element down a path of names."""
    for name in path:
        if element is None:
            return None
        element = next((one for one in element if name_of(one) == name), None)
    return element


def children_of(element: Element | None) -> Iterator[Element]:
    """All the children; none of nothing."""
    return iter(element if element is not None else ())


def children(element: Element | None, name: str) -> Iterator[Element]:
    """The children of a name."""
    return (one for one in children_of(element) if name_of(one) == name)


def inside(element: Element | None, *names: str) -> Iterator[Element]:
    """All elements of these names within, in the order of the file."""
    if element is not None:
        yield from (one for one in element.iter() if name_of(one) in names)


def relations(package: Package, path: str) -> Mapping[str, str]:
    """Ids of a part's relationships → the paths of the parts they lead to; links out of the package are left out."""
    folder, _slash, name = path.rpartition("/")
    root = part(package, f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels")
    found = {}
    for one in children(root, "Relationship"):
        target = get(one, "Target")
        if get(one, "TargetMode").lower() == "external" or not target:
            continue
        whole = posixpath.normpath(
            posixpath.join("/", target) if target.startswith("/") else posixpath.join("/", folder, target)
        )
        found[get(one, "Id")] = whole.lstrip("/")
    return found


def relation_of_type(package: Package, path: str, ending: str) -> str:
    """The path of the part to which a relationship of a type leads (``…/drawing``); empty if there is none."""
    folder, _slash, name = path.rpartition("/")
    root = part(package, f"{folder}/_rels/{name}.rels" if folder else f"_rels/{name}.rels")
    wanted = next(
        (one for one in children(root, "Relationship") if get(one, "Type").endswith(f"/{ending}")), None
    )
    return relations(package, path).get(get(wanted, "Id"), "") if wanted is not None else ""
