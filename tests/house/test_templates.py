"""Templates keep to the content security policy and to sentences that can be translated and formatted."""

import io
import re

import pytest
from jinja2 import Environment
from jinja2.ext import babel_extract

OWN_STYLE = ("certificates/", "emails/", "upgrading.html")
"""Print templates and mails, which never meet the policy of our pages, and the page that stands alone under its own."""

HASHED_STYLE = "base.html"
"""Carries the one hashed style block of a first visit."""

KEYWORDS = ["_", "gettext", "ngettext", "_n"]


def pages(templates):
    """Templates that become pages."""
    return {
        name: text
        for name, text in templates.items()
        if name.endswith(".html") and not name.startswith(OWN_STYLE)
    }


def test_no_inline_style_attributes(templates):
    assert not [
        name for name, text in pages(templates).items() if re.search(r"<[a-zA-Z][^<>]*\sstyle\s*=", text)
    ]


def test_no_style_blocks_but_the_hashed_one(templates):
    assert not [name for name, text in pages(templates).items() if "<style" in text and name != HASHED_STYLE]


def test_no_inline_scripts(templates):
    found = []
    for name, text in pages(templates).items():
        for attributes in re.findall(r"<script\b([^>]*)>", text):
            data = re.search(r'type="application/(ld\+)?json"', attributes)
            if "src=" not in attributes and not data:
                found.append(name)
    assert not found


def test_no_handlers_in_attributes_and_no_script_addresses(templates):
    handler = re.compile(r"<[a-zA-Z][^<>]*\son[a-z]+\s*=", re.IGNORECASE)
    assert not [
        name for name, text in pages(templates).items() if handler.search(text) or "javascript:" in text
    ]


def test_nothing_is_loaded_from_elsewhere(templates):
    elsewhere = re.compile(
        r"""<(?:script|link|img|video|audio|source|iframe)\b[^>]*\b(?:src|href)\s*=\s*["'](?:https?:)?//"""
    )
    assert not [name for name, text in templates.items() if elsewhere.search(text)]


def sentences(text):
    """Every text of a template that goes through gettext, with its line."""
    for line, _function, message, _comments in babel_extract(
        io.BytesIO(text.encode()), KEYWORDS, [], {"silent": "false"}
    ):
        for sentence in message if isinstance(message, tuple) else (message,):
            if sentence:
                yield line, sentence


def test_every_sentence_of_a_template_formats(templates):
    """Texts of templates are always formatted: a bare percent sign is an error 500, and only in that sentence."""
    assert not [
        f"{name}:{line} {sentence!r}"
        for name, text in templates.items()
        for line, sentence in sentences(text)
        if "%" in re.sub(r"%%|%\(\w+\)[sd]", "", sentence)
    ]


def test_every_template_parses_and_every_template_it_names_exists(templates):
    environment = Environment(
        extensions=["jinja2.ext.i18n", "jinja2.ext.do", "jinja2.ext.loopcontrols"], autoescape=True
    )
    own = "certificates/print/"  # a root of its own: lms/certificates/rendering.py
    names = re.compile(r"""\{%-?\s*(?:extends|include|import|from)\s+["']([^"']+)["']""")
    for name, text in templates.items():
        environment.parse(text, name)
    assert not [
        f"{name}: {target}"
        for name, text in templates.items()
        for target in names.findall(text)
        if (own if name.startswith(own) else "") + target not in templates
    ]


def test_no_template_is_left_over(templates, modules):
    """Every template is named somewhere: by code, or by another template (pictures of print templates by their file's name)."""
    named = "\n".join([*(module.text for module in modules), *templates.values()])
    assert not [name for name in templates if name not in named and name.rsplit("/", 1)[-1] not in named]


def test_nothing_is_marked_safe_in_a_template(templates):
    assert not [name for name, text in templates.items() if re.search(r"\|\s*safe\b", text)]


def test_no_page_reloads_itself_where_a_script_can_do_it_better(templates):
    refresh = re.compile(r"(?<!<noscript>)<meta[^>]*http-equiv=.refresh", re.IGNORECASE)
    assert not [name for name, text in pages(templates).items() if refresh.search(text)]


@pytest.mark.parametrize(("lang", "other", "word"), [("zh", "en", "English"), ("en", "zh-Hans", "中文")])
def test_the_link_to_the_other_language_leads_there(browser, cast, lang, other, word):
    for client in (browser(lang=lang), browser(cast.trainee, lang=lang)):
        page = client.get("/account", follow_redirects=True).text
        found = re.search(r'href="/language/([^?"]*)[^>]*>(?:<svg.*?</svg>)?([^<]+)</a>', page)
        assert found is not None
        assert found.groups() == (other, word)
