"""One way to name what QTI 2.1, 2.2 and 3.0 name in different ways: ``qti-choice-interaction`` and ``choiceInteraction`` are one."""

import re

from lms.assessments.interchange.safexml import Element, local, namespace

_ELEMENTS = """
and anyN areaMapEntry areaMapping assessmentItem assessmentItemRef assessmentSection assessmentStimulus assessmentStimulusRef
assessmentTest associableHotspot associateInteraction baseValue bodyElement catalog catalogInfo choiceInteraction
companionMaterialsInfo containerSize contains contentBody contextDeclaration correct correctResponse customInteraction
customOperator default defaultValue delete divide drawingInteraction durationGte durationLt endAttemptInteraction equal
equalRounded exitResponse exitTemplate extendedTextInteraction feedbackBlock feedbackInline fieldValue gap gapImg
gapMatchInteraction gapText gcd graphicAssociateInteraction graphicGapMatchInteraction graphicOrderInteraction gt gte
hotspotChoice hotspotInteraction hottext hottextInteraction include index infoControl inlineChoice inlineChoiceInteraction
inside integerDivide integerModulus integerToFloat interactionMarkup interactionModules isNull itemBody itemBodyWrapper lcm
lookupOutcomeValue lt lte mapEntry mapResponse mapResponsePoint mapping matchInteraction matchTable matchTableEntry match
mathConstant mathOperator max mediaInteraction member min modalFeedback multiple not null numberCorrect or ordered
orderInteraction outcomeDeclaration patternMatch portableCustomInteraction positionObjectInteraction positionObjectStage power
printedVariable product prompt random randomFloat randomInteger repeat responseCondition responseDeclaration responseElse
responseElseIf responseIf responseProcessing responseProcessingFragment round roundTo rubricBlock selectPointInteraction
setCorrectResponse setDefaultValue setOutcomeValue setTemplateValue simpleAssociableChoice simpleChoice simpleMatchSet
sliderInteraction statsOperator stimulusBody stringMatch stylesheet substring subtract sum templateBlock templateBlockFeedback
templateCondition templateConstraint templateDeclaration templateElse templateElseIf templateIf templateInline
templateProcessing textEntryInteraction truncate uploadInteraction value variable
"""
_KNOWN = {name.lower(): name for name in _ELEMENTS.split()}
_DASH = re.compile(r"-([a-z0-9])")
_SILENT_SPACES = ("MathML", "SSML", "synthesis", "svg")


def normalise(root: Element) -> Element:
    """The tree with the names of QTI 2, without namespaces; MathML and drawings are named ``math`` and ``svg`` and left as they are."""
    stack = [root]
    while stack:
        node = stack.pop()
        name = local(node)
        if not name:
            continue
        space = namespace(node)
        if any(one in space for one in _SILENT_SPACES):
            if name in {"math", "svg"}:
                node.tag = name
                continue
            node.tag = f"ssml-{name}"
            stack.extend(node)
            continue
        node.tag = _element(name)
        _attributes(node)
        if node.tag not in {"math", "svg"}:
            stack.extend(node)
    return root


def _element(name: str) -> str:
    plain = name.removeprefix("qti-")
    found = _KNOWN.get(plain.replace("-", "").lower())
    return found or (plain.lower() if plain.lower() in _HTML else plain)


_HTML = frozenset(
    [
        "p",
        "div",
        "span",
        "b",
        "i",
        "em",
        "strong",
        "u",
        "s",
        "sub",
        "sup",
        "br",
        "hr",
        "img",
        "table",
        "tbody",
        "thead",
        "tfoot",
        "tr",
        "td",
        "th",
        "caption",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "pre",
        "code",
        "blockquote",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "object",
        "audio",
        "video",
        "source",
        "figure",
        "figcaption",
        "a",
    ]
)


def _attributes(node: Element) -> None:
    for name, value in list(node.attrib.items()):
        if name.startswith(("{", "data-", "aria-")):
            continue
        plain = _DASH.sub(lambda found: found[1].upper(), name)
        if plain != name:
            del node.attrib[name]
            node.set(plain, value)


_ID = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_NAMED = frozenset(
    {
        "simpleChoice",
        "inlineChoice",
        "hottext",
        "simpleAssociableChoice",
        "gapText",
        "gapImg",
        "gap",
        "hotspotChoice",
        "associableHotspot",
    }
)


def tame(item: Element, *, own: bool) -> None:
    """Names of choices become such as an item may have, everywhere in the file. ``own``: a stroke before a digit was put there by us."""
    renamed: dict[str, str] = {}
    named = [one for one in item.iter() if local(one) in _NAMED and one.get("identifier")]
    taken = {str(one.get("identifier")) for one in named}
    for one in named:
        name = str(one.get("identifier"))
        if not _ID.fullmatch(name):
            renamed.setdefault(name, f"o{len(renamed) + 1}")
        elif own and re.fullmatch(r"_[0-9.-].*", name) and name[1:] not in taken:
            renamed[name] = name[1:]
        one.set("identifier", renamed.get(name, name))
    for one in item.iter() if renamed else ():
        if local(one) in {"value", "baseValue"} and one.text:
            one.text = " ".join(renamed.get(part, part) for part in one.text.split())
        if one.get("mapKey"):
            one.set("mapKey", " ".join(renamed.get(part, part) for part in str(one.get("mapKey")).split()))
