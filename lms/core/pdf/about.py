"""What a file says about itself: document information and XMP of PDF/A-3a and PDF/UA-1 together."""

from collections.abc import Callable, Mapping
from typing import Any
from xml.sax.saxutils import escape

from lms.core.pdf.order import Facts

_CREATOR = "Firefly LMS"


def finisher(facts: Facts) -> Callable[[Any, Any], None]:
    """WeasyPrint knows one variant at a time and writes XMP of its own; this puts ours in its place."""

    def finish(_document: Any, pdf: Any) -> None:
        import pydyf

        pdf.info.update(information(facts))
        pdf.catalog["Lang"] = pydyf.String(facts.languages[0])
        metadata = pdf.objects[int(pdf.catalog["Metadata"].split()[0])]
        metadata.stream = [xmp(facts, producer=pdf.info["Producer"].string)]
        metadata.compress = False

    return finish


def information(facts: Facts) -> dict[str, Any]:
    """The document information dictionary, as far as it is ours."""
    import pydyf

    stamp = facts.created.strftime("D:%Y%m%d%H%M%SZ")
    texts = {
        "Title": facts.default_title,
        "Author": facts.author,
        "Subject": facts.subject,
        "Keywords": facts.identifier,
        "Creator": _CREATOR,
        "CreationDate": stamp,
        "ModDate": stamp,
    }
    return {name: pydyf.String(text) for name, text in texts.items() if text}


_DESCRIPTION = """<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"
 xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">"""

_UA_SCHEMA = """<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification schema</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name><pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>Indicates which part of ISO 14289 is followed</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"""
"""PDF/A wants every property it does not know described (ISO 19005-3, 6.6.2.3); PDF/UA's is one of them."""


def xmp(facts: Facts, *, producer: str) -> bytes:
    """The XMP packet."""

    def alternatives(tag: str, texts: Mapping[str, str]) -> str:
        items = "".join(
            f'<rdf:li xml:lang="{escape(lang)}">{escape(text)}</rdf:li>' for lang, text in texts.items()
        )
        return f"<{tag}><rdf:Alt>{items}</rdf:Alt></{tag}>"

    when = facts.created.strftime("%Y-%m-%dT%H:%M:%SZ")
    about = [
        "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>A</pdfaid:conformance><pdfuaid:part>1</pdfuaid:part>",
        alternatives("dc:title", {"x-default": facts.default_title} | facts.title),
        f"<dc:identifier>{escape(facts.identifier)}</dc:identifier>",
        "<dc:language><rdf:Bag>"
        + "".join(f"<rdf:li>{escape(x)}</rdf:li>" for x in facts.languages)
        + "</rdf:Bag></dc:language>",
        f"<pdf:Producer>{escape(producer)}</pdf:Producer><pdf:Keywords>{escape(facts.identifier)}</pdf:Keywords>",
        f"<xmp:CreatorTool>{_CREATOR}</xmp:CreatorTool>",
        f"<xmp:CreateDate>{when}</xmp:CreateDate><xmp:ModifyDate>{when}</xmp:ModifyDate>",
    ]
    if facts.author:
        about.append(f"<dc:creator><rdf:Seq><rdf:li>{escape(facts.author)}</rdf:li></rdf:Seq></dc:creator>")
    if facts.subject:
        about.append(alternatives("dc:description", {"x-default": facts.subject}))
    lines = (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>',
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">',
        _DESCRIPTION,
        *about,
        "</rdf:Description>",
        _UA_SCHEMA,
        "</rdf:RDF></x:xmpmeta>",
        '<?xpacket end="r"?>',
    )
    return "\n".join(lines).encode()
