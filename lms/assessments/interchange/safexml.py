"""The one door to lxml: XML of strangers is read without entities, DTDs, network or bounds that it sets itself."""

import codecs
import html
import html.entities
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from lxml import etree

from lms.assessments.interchange.plain import decoded
from lms.core.errors import RuleBroken
from lms.core.i18n import _

Element: TypeAlias = Any
"""An element of lxml, which has no types of its own."""

LARGEST_BYTES = 20 * 1024 * 1024
MOST_ELEMENTS = 200_000
DEEPEST = 100
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
MATHML = "http://www.w3.org/1998/Math/MathML"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"<\x00?\x00", "utf-16-le"),
    (b"\x00<\x00?", "utf-16-be"),
)
_ENCODINGS = re.compile(
    r"utf-?8|utf-?16(?:[bl]e)?|us-ascii|ascii|gb2312|gbk|gb18030|big5(?:hkscs)?|hz|iso-?8859-?\d{1,2}|latin-?1"
    r"|(?:windows-|cp)125\d|cp437|cp850|macroman|koi8-[ru]|shift_jis|euc-(?:jp|kr|tw|cn)"
)
_ONE_BYTE = re.compile(r"iso|latin|windows|cp|us-ascii|ascii|mac|koi")
_DECLARATION = re.compile(r"\s*<\?xml\b[^>]{0,300}?\?>", re.IGNORECASE)
_DECLARED = re.compile(
    rb"\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']", re.IGNORECASE
)
_PROLOG = re.compile(r"(?:\s+|<!--.*?-->|<\?.*?\?>)*", re.DOTALL)
_DOCTYPE = re.compile(r"<!DOCTYPE(?:[^\[\]<>\"']|\"[^\"]*\"|'[^']*')*>", re.IGNORECASE)
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NAMED = re.compile(r"&([A-Za-z][A-Za-z0-9]{1,30});")
_OWN = frozenset({"amp", "lt", "gt", "quot", "apos"})


def parse(data: bytes) -> Element:
    """The root of an XML file, without comments and processing instructions.

    Entities and document types are never read: a document type with declarations in it, or any entity of its own, is refused;
    one that only names an outer file is passed over. The names of HTML (``&nbsp;``) are known. Raises RuleBroken with the code
    ``xml_large``, ``xml_encoding``, ``xml_entities``, ``xml_broken`` or ``xml_deep``.
    """
    if len(data) > LARGEST_BYTES:
        raise _large()
    text = _ILLEGAL.sub("", _text(data)).removeprefix("\ufeff")
    text = _without_doctype(_DECLARATION.sub("", text, count=1))
    try:
        root = _parsed(text)
    except etree.XMLSyntaxError as problem:
        if "xcessive depth" in str(problem):
            raise _deep() from problem
        root = _parsed_again(text, problem)
    _measure(root)
    return root


def _large() -> RuleBroken:
    return RuleBroken(
        "xml_large", _("The XML in this file is too large to be read. Split it into several files.")
    )


def _text(data: bytes) -> str:
    """Text by the byte order mark, else by the declared encoding, else as UTF-8; wrong declarations are put right where one can."""
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            skip = 0 if mark.startswith((b"<", b"\x00<")) else len(mark)
            return data[skip:].decode(encoding, errors="replace")
    declared = _DECLARED.match(data)
    name = declared[1].decode("ascii").lower() if declared else "utf-8"
    if not _ENCODINGS.fullmatch(name):
        raise RuleBroken(
            "xml_encoding",
            _("The XML is written in an encoding that is not read (%(name)s). Save it as UTF-8.", name=name),
        )
    if name in {"gb2312", "gbk"}:
        name = "gb18030"  # what programs call GB 2312 holds signs of its successors
    if _ONE_BYTE.match(name) and _is_utf8(data):
        name = "utf-8"  # text in one of these is never by chance UTF-8
    try:
        return data.decode("utf-8" if name.startswith("utf") else name)
    except (UnicodeDecodeError, LookupError):
        return decoded(data)


def _is_utf8(data: bytes) -> bool:
    try:
        return not data.decode("utf-8").isascii()
    except UnicodeDecodeError:
        return False


def _without_doctype(text: str) -> str:
    """The text without a document type that only names things; one with declarations is refused."""
    prolog = _PROLOG.match(text)
    start = prolog.end() if prolog else 0
    if text[start : start + 9].upper() == "<!DOCTYPE":
        doctype = _DOCTYPE.match(text, start)
        if doctype is None:
            raise _entities()
        return text[:start] + text[doctype.end() :]
    if text[start : start + 8].upper() == "<!ENTITY":
        raise _entities()
    return text


def _entities() -> RuleBroken:
    return RuleBroken(
        "xml_entities",
        _("The XML declares entities or a document type of its own. For safety such files are not read."),
    )


def _parser() -> Any:
    return etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        strip_cdata=True,
    )


def _parsed(text: str) -> Element:
    return etree.fromstring(text.encode("utf-8"), _parser())


def _parsed_again(text: str, problem: Any) -> Element:
    """The root once the entities that HTML knows by name are signs; what then is left is an error of the file."""
    mended = _NAMED.sub(_sign, text)
    unknown = next((one[1] for one in _NAMED.finditer(_cdata_away(mended)) if one[1] not in _OWN), None)
    if unknown is not None:
        raise _entities() from problem
    if mended != text:
        try:
            return _parsed(mended)
        except etree.XMLSyntaxError as again:
            problem = again
    raise RuleBroken(
        "xml_broken",
        _("The file is no well-formed XML: see line %(line)s.", line=getattr(problem, "lineno", None) or 1),
    ) from problem


def _sign(found: re.Match[str]) -> str:
    name = found[1]
    return found[0] if name in _OWN else html.entities.html5.get(f"{name};", found[0])


def _cdata_away(text: str) -> str:
    kept, at = [], 0
    while (start := text.find("<![CDATA[", at)) >= 0:
        kept.append(text[at:start])
        at = text.find("]]>", start)
        if at < 0:
            break
    return "".join([*kept, text[at:] if at >= 0 else ""])


def _deep() -> RuleBroken:
    return RuleBroken("xml_deep", _("The XML is nested too deeply to be a file of questions."))


def _measure(root: Element) -> None:
    depth = count = 0
    for event, _node in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        count += event == "start"
        if depth > DEEPEST:
            raise _deep()
        if count > MOST_ELEMENTS:
            raise _large()


# ---------------------------------------------------------------- looking


def local(node: Element) -> str:
    """The name of an element without its namespace; empty for what is no element."""
    tag = node.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def namespace(node: Element) -> str:
    """The namespace of an element; empty if it has none."""
    tag = node.tag
    return tag[1:].partition("}")[0] if isinstance(tag, str) and tag.startswith("{") else ""


def children(node: Element, *names: str) -> list[Element]:
    """The child elements of these names (any, if none is given), whatever their namespace."""
    return [one for one in node if local(one) and (not names or local(one) in names)]


def child(node: Element, name: str) -> Element | None:
    """The first child element of a name, whatever its namespace."""
    return next(iter(children(node, name)), None)


def descendants(node: Element, *names: str) -> Iterator[Element]:
    """The elements of these names within an element, in the order of the file."""
    return (one for one in node.iterdescendants() if local(one) in names)


def said(node: Element | None) -> str:
    """All the text within an element, its ends trimmed; empty for None."""
    return "" if node is None else "".join(node.itertext()).strip()


def counted(text: object, default: int = 0) -> int:
    """The whole number of an attribute, of eight digits at most; ``default`` for whatever else stands there."""
    plain = str(text or "").strip()
    return int(plain) if plain.isascii() and plain.isdigit() and len(plain) <= 8 else default


# ---------------------------------------------------------------- writing


def node(name: str, attributes: dict[str, str] | None = None, *content: Element | str) -> Element:
    """A new element with its attributes and content."""
    made = etree.Element(name)
    for attribute, value in (attributes or {}).items():
        made.set(attribute, _ILLEGAL.sub("", value))
    return extend(made, *content)


def extend(parent: Element, *content: Element | str) -> Element:
    """Put elements and texts at the end of an element."""
    for one in content:
        if isinstance(one, str):
            plain = _ILLEGAL.sub("", one)
            if len(parent):
                parent[-1].tail = (parent[-1].tail or "") + plain
            else:
                parent.text = (parent.text or "") + plain
        else:
            parent.append(one)
    return parent


def detach(one: Element) -> None:
    """Take an element out of its parent; the text behind it stays."""
    parent, before = one.getparent(), one.getprevious()
    if parent is None:
        return
    if one.tail:
        if before is not None:
            before.tail = (before.tail or "") + one.tail
        else:
            parent.text = (parent.text or "") + one.tail
    parent.remove(one)


def cdata(text: str) -> Any:
    """A text as a CDATA section; only for ``node.text``."""
    return etree.CDATA(_ILLEGAL.sub("", text).replace("]]>", "]]&gt;"))


def rooted(name: str, namespaces: dict[str | None, str], attributes: dict[str, str] | None = None) -> Element:
    """A new root in its default namespace. ``namespaces``: prefix (None: the default) → namespace."""
    made = etree.Element(f"{{{namespaces[None]}}}{name}", nsmap=namespaces)
    for attribute, value in (attributes or {}).items():
        made.set(attribute, _ILLEGAL.sub("", value))
    return made


def written(root: Element) -> bytes:
    """The file of a root; elements without a namespace take that of the root."""
    home = namespace(root)
    if home:
        for one in root.iter():
            if isinstance(one.tag, str) and not one.tag.startswith("{"):
                one.tag = f"{{{home}}}{one.tag}"
        etree.cleanup_namespaces(root, keep_ns_prefixes=[prefix for prefix in root.nsmap if prefix])
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
