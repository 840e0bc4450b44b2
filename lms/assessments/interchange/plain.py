"""Marked-up texts of other systems as plain text, and the bytes of a text file as text."""

import base64
import binascii
import contextlib
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

OBJECT = "\ufffc"
"""Stands in a text where a picture stood, until somebody decides what becomes of it."""

LARGEST_TEXT = 2_000_000
"""Characters of marked-up text that are read; what is longer is no text of a question."""


@dataclass(frozen=True)
class Embedded:
    """A picture, sound or film that a marked-up text names."""

    kind: str
    """``image``, ``audio`` or ``video``."""
    source: str
    """An address, a path in a package, or a ``data:`` address."""
    alt: str = ""

    @property
    def content(self) -> bytes | None:
        """What it holds, where the address itself carries it."""
        head, comma, data = self.source.partition(",")
        if not comma or not head.lower().startswith("data:"):
            return None
        try:
            if head.lower().endswith(";base64"):
                return base64.b64decode(
                    "".join(unquote_to_bytes(data).decode("ascii").split()), validate=True
                )
            return unquote_to_bytes(data)
        except (ValueError, binascii.Error):
            return None


@dataclass(frozen=True)
class Plain:
    """A marked-up text without its marks."""

    text: str
    """With one OBJECT where each of ``embedded`` stood, in their order."""
    embedded: tuple[Embedded, ...] = ()


# ---------------------------------------------------------------- HTML

_BLOCK_WORDS = """address article aside blockquote center dd details dl dt fieldset figure figcaption footer form h1 h2 h3 h4 h5 h6
header main nav ol p pre section summary table ul caption"""
_LINE_WORDS = "div li tr br hr option tbody thead tfoot"
_INLINE_WORDS = """a abbr acronym applet area audio b base basefont bdi bdo big body button canvas cite code col colgroup data
datalist del dfn dir embed em font frame frameset html i iframe img image input ins kbd label legend link map mark menu meta meter
noscript object optgroup output param picture progress q rb rp rt rtc ruby s samp select small source span strike strong sub sup
svg td template textarea th time title track tt u var video wbr math mi mn mo mrow msup msub msubsup mfrac msqrt mroot mover munder
munderover mtable mtr mtd mtext mspace mstyle mfenced semantics annotation head style script nobr"""
_BLOCKS, _LINES, _INLINE = (frozenset(words.split()) for words in (_BLOCK_WORDS, _LINE_WORDS, _INLINE_WORDS))
_NAMES = _BLOCKS | _LINES | _INLINE
_SILENT = frozenset(
    {"script", "style", "head", "title", "template", "annotation", "noscript", "iframe", "rp"}
)
_TOKEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<!\[CDATA\[(?P<cdata>.*?)\]\]>|<[!?][^<>]*>"
    r"|<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9]*+)(?P<space>:[A-Za-z]+)?(?P<rest>(?:[\s/][^<>]*+)?)>",
    re.DOTALL,
)
_QUOTED = re.compile(r"(?:[^<>\"']++|\"[^\"]*+\"|'[^']*+')*+>")
_ATTRIBUTE = re.compile(r"([A-Za-z][\w:.-]*+)\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)'|([^\s\"'>]++))")
_MOST_REPAIRS = 200
_LONGEST_OPEN_INDEX = 12

_LOW = dict(
    zip("0123456789+-−=()aehijklmnoprstuvxβγρφχ", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵪ", strict=True)
)
_HIGH = dict(
    zip(
        "0123456789+-−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVW°ⓡ®™",
        "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂ°ⓡ®™",
        strict=True,
    )
)


def to_plain(text: str) -> str:
    """HTML as plain text: breaks as lines, paragraphs apart, indices as their Unicode signs, pictures as what they are said to show.

    Anything may be handed in; a ``<`` that begins no tag of HTML is the sign itself.
    """
    plain = read_html(text)
    return with_words(plain)


def with_words(plain: Plain) -> str:
    """The text with the words of its pictures in their places."""
    return filled(plain, [said(one.alt) for one in plain.embedded])


def filled(plain: Plain, words: list[str]) -> str:
    """The text with something in the place of each picture; empty: nothing."""
    if not plain.embedded:
        return plain.text
    left = iter(words)
    found = re.sub(OBJECT, lambda _mark: f"[{word}]" if (word := next(left, "")) else "", plain.text)
    return _tidy(found)


_NO_WORDS = re.compile(
    r"(?:[\w().~ -]{0,80}\.(?:png|jpe?g|gif|bmp|webp|svg|emf|wmf)|[0-9a-fA-F]{8,}"
    r"|(?:图片|图像|图|picture|image|img|graphic)\s*\d{0,6}|[\W\d_]*|upload[\w.-]*)",
    re.IGNORECASE,
)


def said(alt: str) -> str:
    """What a picture is said to show; empty where a program has only written its name or number there."""
    plain = " ".join(clean(alt).split())
    return "" if _NO_WORDS.fullmatch(plain) else plain[:1_000]


def read_html(text: str, *, keeps_lines: bool = False) -> Plain:
    """HTML as plain text with what it embeds. ``keeps_lines``: line ends of the source are breaks, as some systems show them."""
    source = clean(text[:LARGEST_TEXT]).replace(OBJECT, "")
    if "<" not in source and "&" not in source:
        return Plain(_tidy(source if keeps_lines else " ".join(source.split())))
    writer = _Writer(keeps_lines=keeps_lines)
    for kind, name, value in _tokens(source):
        writer.take(kind, name, value)
    return writer.result()


def _tokens(source: str) -> Iterator[tuple[str, str, str]]:
    """``text``, ``start`` and ``end`` with the name of a tag and its attributes or the text."""
    at, repairs, search = 0, 0, 0
    while True:
        found = _TOKEN.search(source, search)
        if found is None:
            break
        name = (found["name"] or "").lower()
        if name and not found["space"] and not _is_tag(name, found["rest"]):
            search = found.start() + 1  # no tag of HTML: the sign "less than"
            continue
        yield "text", "", source[at : found.start()]
        end = found.end()
        if name:
            rest = found["rest"]
            if rest.count('"') % 2 or rest.count("'") % 2:  # a > inside a quoted value
                repairs += 1
                whole = _QUOTED.match(source, found.start("rest")) if repairs < _MOST_REPAIRS else None
                if whole:
                    rest, end = source[found.start("rest") : whole.end() - 1], whole.end()
            yield ("end" if found["end"] else "start"), name, rest
        elif found["cdata"] is not None:
            yield "raw", "", found["cdata"]
        at = search = end
    yield "text", "", source[at:]


def _is_tag(name: str, rest: str) -> bool:
    """Whether it is a tag of HTML and not an inequality such as ``a<b and c>d``."""
    if name not in _NAMES:
        return False
    return len(name) > 1 or not rest.strip(" /\n") or "=" in rest


class _Writer:
    """Puts tokens together to a text."""

    def __init__(self, *, keeps_lines: bool) -> None:
        self._keeps_lines = keeps_lines
        self._parts: list[str] = []
        self._embedded: list[Embedded] = []
        self._silent: list[str] = []
        self._raised: list[tuple[str, int]] = []
        self._lists: list[int | None] = []
        self._pre = 0
        self._cells = 0

    def take(self, kind: str, name: str, value: str) -> None:
        """One token more."""
        if self._silent:
            if kind == "end" and name == self._silent[-1]:
                self._silent.pop()
            return
        if kind in {"text", "raw"}:
            self._text(value if kind == "raw" else html.unescape(value))
        elif kind == "start":
            self._start(name, value)
        else:
            self._end(name)

    def _text(self, value: str) -> None:
        value = value.replace("\xa0", " ")
        if self._pre:  # indented lines stay indented
            value = re.sub(r"(?m)^[ \t]+", lambda blank: "\xa0" * len(blank[0].expandtabs(4)), value)
        elif not self._keeps_lines:
            value = re.sub(r"[ \t\r\n\f\v]+", " ", value)
        self._parts.append(value)

    def _start(self, name: str, rest: str) -> None:
        if name in _SILENT:
            if not rest.endswith("/"):
                self._silent.append(name)
        elif name in {"sub", "sup"}:
            self._raised.append((name, len(self._parts)))
        elif name in {"img", "image", "audio", "video", "source", "embed", "object"}:
            self._embed(name, rest)
        elif name in {"td", "th"}:
            self._parts.append(" | " if self._cells else "")
            self._cells += 1
        elif name in _BLOCKS:
            self._break(2)
            if name in {"ul", "ol"}:
                self._lists.append(0 if name == "ol" else None)
            self._pre += name == "pre"
        elif name in _LINES:
            if name == "br":
                self._parts.append("\n")
                return
            self._break(1)
            self._cells = 0 if name == "tr" else self._cells
            if name == "li":
                self._parts.append(self._bullet())

    def _end(self, name: str) -> None:
        if name in {"sub", "sup"} and self._raised and self._raised[-1][0] == name:
            _name, begun = self._raised.pop()
            inside = "".join(self._parts[begun:])
            self._parts[begun:] = [raised(inside, name)]
        elif name in _BLOCKS:
            self._break(2)
            if name in {"ul", "ol"} and self._lists:
                self._lists.pop()
            self._pre = max(0, self._pre - (name == "pre"))
        elif name in _LINES:
            self._break(1)

    def _bullet(self) -> str:
        if self._lists and (number := self._lists[-1]) is not None:
            self._lists[-1] = number + 1
            return f"{number + 1}. "
        return "• "

    def _break(self, count: int) -> None:
        """At least so many line ends, if anything stands before."""
        self._parts.append("\x0b" if count == 1 else "\x0c")

    def _embed(self, name: str, rest: str) -> None:
        found = {
            one[1].lower(): html.unescape(one[2] or one[3] or one[4] or "")
            for one in _ATTRIBUTE.finditer(rest)
        }
        source = found.get("src") or found.get("href") or found.get("data") or ""
        if not source:
            return
        kind = "image"
        if name in {"audio", "video"}:
            kind = name
        elif name in {"source", "embed", "object"}:
            mime = found.get("type", "").split("/")[0].lower()
            kind = mime if mime in {"audio", "video"} else "image"
        alt = found.get("alt") or found.get("title") or ""
        self._embedded.append(Embedded(kind, source.strip(), alt.strip()))
        self._parts.append(OBJECT)

    def result(self) -> Plain:
        """What the tokens say."""
        while self._raised:  # never closed
            name, begun = self._raised[-1]
            if len("".join(self._parts[begun:])) <= _LONGEST_OPEN_INDEX:
                self._end(name)
            else:
                self._raised.pop()
        text = "".join(self._parts)
        text = re.sub(r"[ \t]*[\x0b\x0c\n \t]*\x0c[\x0b\x0c\n \t]*", "\n\n", text) if "\x0c" in text else text
        text = re.sub(r"[ \t]*\n?[ \t]*\x0b[\x0b \t]*\n?", "\n", text) if "\x0b" in text else text
        return Plain(_tidy(text), tuple(self._embedded))


def raised(inside: str, name: str) -> str:
    """A raised (``sup``) or lowered (``sub``) text in Unicode where it has all the signs; an exponent never becomes a factor."""
    table = _LOW if name == "sub" else _HIGH
    plain = inside.strip()
    if plain and all(sign in table for sign in plain):
        return "".join(table[sign] for sign in plain)
    if name == "sub" or not plain or OBJECT in plain:
        return inside
    return f"^{plain}" if len(plain) == 1 else f"^({plain})"


def _tidy(text: str) -> str:
    """No white space at the ends of lines, no more than one empty line."""
    lines = [re.sub(r"[ \t\f\v\u3000]+\Z|\A[ \t\f\v]+", "", line) for line in text.split("\n")]
    lines = [re.sub(r"[ \t]{2,}", " ", line) for line in lines]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


# ---------------------------------------------------------------- texts

_UNWANTED = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060\ufdd0-\ufdef\ufeff\ufffe\uffff\ud800-\udfff]"
)


def clean(text: str) -> str:
    """Text that a database can keep: no control or invisible signs, line ends as line ends."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\x0b", "\n")
    return _UNWANTED.sub("", plain)


_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")


def is_chinese(text: str) -> bool:
    """Whether a text is written in Chinese."""
    return bool(_HAN.search(text))


def tongue_of(*texts: str) -> str:
    """``zh`` or ``en``: the language of an item whose texts these are; without letters it is Chinese."""
    whole = "\n".join(texts)
    return "zh" if is_chinese(whole) or not re.search(r"[A-Za-z\u00c0-\u04ff]", whole) else "en"


def bilingual(text: str) -> dict[str, str]:
    """A text of one language as an item keeps it."""
    return {tongue_of(text): text}


# ---------------------------------------------------------------- bytes

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_HIGH_RUNS = re.compile(rb"[\x80-\xff]+")


def decoded(data: bytes) -> str:
    """Text of a file; never raises: what cannot be read becomes U+FFFD."""
    return decode(data)[0]


def decode(data: bytes) -> tuple[str, bool]:
    """Text of a file, and whether its encoding had to be guessed without certainty.

    UTF-8 or UTF-16 by their marks, UTF-8, GB 18030 (Chinese Windows), Windows-1252 where the bytes above 127 stand alone
    between letters, as accents do in Western texts and never in Chinese. UTF-8 with a few broken letters stays UTF-8.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace"), False
    with contextlib.suppress(UnicodeDecodeError):
        return data.decode("utf-8"), False
    broken = data.decode("utf-8", errors="replace")
    if broken.count("\ufffd") * 20 <= sum(sign > "\x7f" for sign in broken):
        return broken, True
    runs = [len(run[0]) for run in _HIGH_RUNS.finditer(data)]
    is_western = sum(length % 2 for length in runs) * 2 > len(runs)
    if not is_western:
        with contextlib.suppress(UnicodeDecodeError):
            return data.decode("gb18030"), False
    return data.decode("cp1252", errors="replace"), True
