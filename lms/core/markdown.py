"""Formatted text: the doorman of markdown-it-py and nh3. What educators write becomes HTML that can do no harm."""

import re
from collections.abc import Sequence
from functools import lru_cache

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

LIMIT = 200_000
"""Characters; longer text is cut off by nobody: it is refused by the form before it comes here."""

_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "dl", "dt", "em", "h2", "h3", "h4", "h5", "h6", "hr",
    "i", "img", "kbd", "li", "mark", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "small", "span", "strong", "sub", "sup",
    "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "var",
}  # fmt: skip
_ATTRIBUTES = {
    "*": {"lang", "dir"},
    "a": {"href", "title"},
    "abbr": {"title"},
    "img": {"src", "alt", "width", "height", "loading"},
    "ol": {"start"},
    "td": {"colspan", "rowspan", "class"},
    "th": {"colspan", "rowspan", "scope", "class"},
}
_ALIGNED = {"text-align:left": "", "text-align:center": "to-centre", "text-align:right": "to-end"}
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
    return nh3.clean(
        _parser.render(text),
        tags=_TAGS,
        clean_content_tags={"script", "style", "template", "iframe", "object", "svg", "math"},
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


def _attribute(_tag: str, name: str, value: str) -> str | None:
    """The value of an attribute that may stay; None drops it."""
    if name == "src":
        return value if _OWN_PATH.fullmatch(value) else None
    if name == "href":
        return value if _LINK.match(value) else None
    if name == "class":
        return value if value in _ALIGNED.values() else None
    return value


def _heading(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, _env: EnvType
) -> str:
    """One level lower: the page's own title is its only h1."""
    token = tokens[index]
    token.tag = f"h{min(int(token.tag[1]) + 1, 6)}"
    return _default.renderToken(tokens, index, options, _env)


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
    for name in ("heading_open", "heading_close"):
        parser.add_render_rule(name, _heading)
    for name in ("th_open", "td_open"):
        parser.add_render_rule(name, _cell)
    parser.add_render_rule("image", _image)
    return parser


_default = RendererHTML()
_parser = _make_parser()
