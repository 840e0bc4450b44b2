"""Formatted text: the doorman of markdown-it-py, its plug-ins, latex2mathml and nh3.

What educators write becomes HTML that can do no harm: headings, tables, pictures with their words, footnotes, and formulas
between dollar signs, which become MathML here on the server.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote import footnote_plugin

LIMIT = 200_000
"""Characters; longer text is cut off by nobody: it is refused by the form before it comes here."""

_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "dl", "dt", "em", "h2", "h3", "h4", "h5", "h6", "hr",
    "i", "img", "kbd", "li", "mark", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "small", "span", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "var",
}  # fmt: skip
_MATHML = {
    "math", "menclose", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mprescripts", "mroot", "mrow",
    "ms", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr", "munder", "munderover",
}  # fmt: skip
"""Presentation MathML without links, actions or foreign content."""
FORMULA_LIMIT = 2000
_ATTRIBUTES = {
    "*": {"lang", "dir"},
    "a": {"href", "title", "id"},
    "li": {"id"},
    "math": {"display"},
    "mi": {"mathvariant"},
    "mo": {"stretchy", "fence", "form", "lspace", "rspace", "largeop", "movablelimits", "minsize", "maxsize"},
    "mfrac": {"linethickness"},
    "mspace": {"width"},
    "mstyle": {"displaystyle", "scriptlevel", "mathvariant"},
    "mtable": {"columnalign", "rowspacing", "columnspacing"},
    "mtd": {"columnalign"},
    "mover": {"accent"},
    "menclose": {"notation"},
    "abbr": {"title"},
    "img": {"src", "alt", "width", "height", "loading"},
    "ol": {"start"},
    "td": {"colspan", "rowspan", "class"},
    "th": {"colspan", "rowspan", "scope", "class"},
}
_ALIGNED = {"text-align:left": "", "text-align:center": "to-centre", "text-align:right": "to-end"}
_FOOTNOTE = re.compile(r"fn(?:ref)?[0-9]{1,4}(?::[0-9]{1,4})?")
_OWN_PATH = re.compile(r"/(?![/\\])[^\s\\]*")
_LINK = re.compile(r"(?:https?://|mailto:|tel:|#|/(?![/\\])|[\w.~%-]+(?:[/?#]|$))", re.IGNORECASE)


def render(text: str) -> str:
    """Markdown → safe HTML: headings begin at h2, links tell nothing of the page they leave, pictures are the site's own.

    A picture without alternative text, or from another site, is shown as a link's words only. Raises ValueError for text
    longer than LIMIT.
    """
    if len(text) > LIMIT:
        raise ValueError("text too long")
    return _render(text)


@lru_cache(maxsize=256)
def _render(text: str) -> str:
    env: dict[str, Any] = {}
    tokens = _parser.parse(text, env)
    _level_headings(tokens)
    return nh3.clean(
        _parser.renderer.render(tokens, _parser.options, env),
        tags=_TAGS | _MATHML,
        clean_content_tags={"script", "style", "template", "iframe", "object", "svg"},
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noopener noreferrer",
        strip_comments=True,
    )


def plain(text: str, *, limit: int = 200) -> str:
    """The words alone, for lists and search; cut after ``limit`` characters."""
    words = " ".join(nh3.clean(_render(text[:LIMIT]), tags=set()).split())
    for name, letter in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&nbsp;", " "), ("&amp;", "&")):
        words = words.replace(name, letter)
    return words if len(words) <= limit else words[: limit - 1].rstrip() + "…"


@dataclass(frozen=True)
class Fault:
    """What is wrong with a text, so that its writer can put it right."""

    code: str
    """``alt_missing``, ``foreign_picture`` or ``formula``."""
    what: str
    """The picture's address, or the formula."""


def faults(text: str) -> list[Fault]:
    """Pictures without words for those who do not see them, pictures of other sites, formulas that cannot be read."""
    found: list[Fault] = []
    for token in _parser.parse(text[:LIMIT]):
        for one in [token, *(token.children or [])]:
            if one.type == "image":
                source = str(one.attrs.get("src", ""))
                if not "".join(child.content for child in one.children or []).strip():
                    found.append(Fault("alt_missing", source))
                if not _OWN_PATH.fullmatch(source):
                    found.append(Fault("foreign_picture", source))
            elif one.type.startswith("math_") and _mathml(one.content, "inline") is None:
                found.append(Fault("formula", one.content.strip()))
    return found


def pictures(text: str) -> list[str]:
    """The addresses of all pictures of a text."""
    return [
        str(child.attrs.get("src", ""))
        for token in _parser.parse(text[:LIMIT])
        for child in token.children or []
        if child.type == "image"
    ]


def _mathml(formula: str, display: str) -> str | None:
    """A formula as MathML; None where it cannot be read."""
    if len(formula) > FORMULA_LIMIT or formula.count("{") > 200:
        return None
    from latex2mathml.converter import convert

    try:
        return str(convert(formula, display=display))
    except Exception:  # noqa: BLE001 (the library lets any error of its own out for a formula it cannot read)
        return None


def _formula(content: str, options: dict[str, Any]) -> str:
    shown = _mathml(content, "block" if options["display_mode"] else "inline")
    return shown if shown is not None else f"<code>{_escape(content)}</code>"


def _attribute(_tag: str, name: str, value: str) -> str | None:
    """The value of an attribute that may stay; None drops it."""
    if name == "src":
        return value if _OWN_PATH.fullmatch(value) else None
    if name == "href":
        return value if _LINK.match(value) else None
    if name == "id":
        return value if _FOOTNOTE.fullmatch(value) else None
    if name == "class":
        return value if value in _ALIGNED.values() else None
    return value


def _level_headings(tokens: Sequence[Token]) -> None:
    """The page's own title is its only h1: an author's headings begin at h2, however they began, and skip no level."""
    opening = [token for token in tokens if token.type in {"heading_open", "heading_close"}]
    highest = min((int(token.tag[1]) for token in opening), default=1)
    before = 1
    for token in opening:
        if token.type == "heading_open":
            before = min(int(token.tag[1]) - highest + 2, before + 1, 6)
        token.tag = f"h{before}"


def _cell(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Alignment by class instead of style (the page's policy allows no inline style), and a scope for header cells."""
    token = tokens[index]
    style = token.attrs.pop("style", None)
    if style and _ALIGNED.get(str(style)):
        token.attrs["class"] = _ALIGNED[str(style)]
    if token.tag == "th":
        token.attrs["scope"] = "col"
    return _default.renderToken(tokens, index, options, env)


def _image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    words = renderer.renderInlineAsText(token.children or [], options, env).strip()
    source = str(token.attrs.get("src", ""))
    if words and _OWN_PATH.fullmatch(source):
        return f'<img src="{_escape(source)}" alt="{_escape(words)}" loading="lazy">'
    return _escape(words)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _make_parser() -> MarkdownIt:
    # No raw HTML at all; one line break is one line break, as people expect who never heard of Markdown.
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    parser.use(
        dollarmath_plugin, allow_space=False, allow_digits=False, renderer=_formula, allow_labels=False
    )
    parser.use(footnote_plugin)
    for name in ("th_open", "td_open"):
        parser.add_render_rule(name, _cell)
    parser.add_render_rule("image", _image)
    return parser


_default = RendererHTML()
_parser = _make_parser()
