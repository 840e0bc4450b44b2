"""QTI 2.1, 2.2 and 3.0: loose items and content packages."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from lms.assessments.interchange import package, safexml
from lms.assessments.interchange.drafting import Gathered, Refused
from lms.assessments.interchange.drafts import Draft, Place, Reading
from lms.assessments.interchange.package import Package
from lms.assessments.interchange.plain import Embedded
from lms.assessments.interchange.qti.content import source_of
from lms.assessments.interchange.qti.items import draft_of
from lms.assessments.interchange.qti.names import normalise
from lms.assessments.interchange.safexml import Element, child, children, descendants, local, namespace, said
from lms.core.errors import RuleBroken
from lms.core.i18n import _

MOST_ITEMS = 5_000
_FOREIGN = frozenset({"questestinterop", "quiz", "html"})


@dataclass(frozen=True)
class Described:
    """What a manifest says of an item."""

    path: str
    code: str = ""
    topic: str = ""
    tags: tuple[str, ...] = ()
    difficulty: str = ""
    source: str = ""


def read(data: bytes, filename: str) -> Reading:
    """Every item of an XML file or a package as a draft or a problem named by its file; never raises for what it holds."""
    gathered = Gathered()
    versions: set[str] = set()
    try:
        found = package.open(data) if data.startswith(b"PK") else Package({filename or "item.xml": data})
    except RuleBroken as problem:
        gathered.refuse(Place("file"), problem.code, problem.message)
        return Reading("qti_3", (), tuple(gathered.problems))
    is_loose = not data.startswith(b"PK")
    reader = _Reader(found, gathered, versions)
    for one in [Described(filename or "item.xml")] if is_loose else reader.described():
        reader.take(one, Place("file") if is_loose else Place("element", one.path))
    if not gathered.drafts and not gathered.problems:
        gathered.refuse(
            Place("file"), "no_items", _("The package holds no questions of QTI 2.1, 2.2 or 3.0.")
        )
    return Reading(
        "qti_2" if versions == {"qti_2"} else "qti_3", tuple(gathered.drafts), tuple(gathered.problems)
    )


class _Reader:
    def __init__(self, files: Package, gathered: Gathered, versions: set[str]) -> None:
        self.files, self.gathered, self.versions = files, gathered, versions

    # ------------------------------------------------------------ the manifest

    def described(self) -> list[Described]:
        """The items of the package: those of the manifest, or all there are where it names none that is there."""
        name = min(
            (one for one in self.files.files if one.rpartition("/")[2].lower() == "imsmanifest.xml"),
            key=len,
            default="",
        )
        listed = list(self._manifest(name)) if name else []
        present = [one for one in listed if self.files.path(one.path)]
        if not present:
            return [Described(path) for path in sorted(self.files.files) if self._is_item(path)][:MOST_ITEMS]
        for one in listed:
            if one not in present:
                message = _("The manifest names a file that is not in the package.")
                self.gathered.refuse(Place("element", one.path), "file_missing", message)
        return [replace(one, path=self.files.path(one.path)) for one in present][:MOST_ITEMS]

    def _manifest(self, name: str) -> Iterator[Described]:
        try:
            root = safexml.parse(self.files.files[name])
        except RuleBroken:
            return
        seen = set()
        for resource in descendants(root, "resource"):
            kind = str(resource.get("type") or "").lower()
            href = str(resource.get("href") or "") or str(
                next((one.get("href") for one in children(resource, "file")), "") or ""
            )
            if not ("imsqti_" in kind and "item" in kind) or not href:
                continue
            path = self.files.path(href, name) or href
            if path not in seen:
                seen.add(path)
                yield _described(path, resource)

    def _is_item(self, path: str) -> bool:
        content = self.files.files[path]
        if (
            not path.lower().endswith((".xml", ".qti"))
            or path.rpartition("/")[2].lower() == "imsmanifest.xml"
        ):
            return False
        try:
            return bool(_items_in(safexml.parse(content)))
        except RuleBroken:
            return b"assessmentItem" in content or b"assessment-item" in content

    # ------------------------------------------------------------ items

    def take(self, described: Described, place: Place) -> None:
        """The items of one file."""
        try:
            root = safexml.parse(self.files.files[described.path])
        except RuleBroken as problem:
            self.gathered.refuse(place, problem.code, problem.message)
            return
        items = _items_in(root)
        if not items:
            self.gathered.refuse(place, *_no_item(root))
            return
        self.versions.add(
            "qti_3" if "v3p0" in namespace(items[0]) or local(items[0]).startswith("qti-") else "qti_2"
        )
        for item in items[:MOST_ITEMS]:
            self._draft(item, described, place)

    def _draft(self, item: Element, described: Described, place: Place) -> None:
        try:
            normalise(item)
            stimuli = self._stimuli(item, described.path, place)
            draft = draft_of(
                item, lambda source: self._file(source, described.path), place, self.gathered, stimuli
            )
        except Refused as refusal:
            self.gathered.refuse(place, refusal.code, refusal.message)
            return
        except (ArithmeticError, LookupError, RecursionError, ValueError):
            # Hostile values beyond all that is foreseen must not hold up the other items.
            self.gathered.refuse(place, "unreadable", _("This question cannot be read."))
            return
        for _path, problem in self.gathered.take(_with(draft, described))[:1]:
            self.gathered.problems.append(problem)

    def _file(self, source: str, base: str) -> bytes | None:
        if source.lower().startswith("data:"):
            return Embedded("image", source).content
        return None if "://" in source else self.files.content(source, base)

    def _stimuli(self, item: Element, base: str, place: Place) -> list[Element]:
        """The texts that the item refers to, each as an element of its own."""
        found = []
        for reference in descendants(item, "assessmentStimulusRef"):
            path = self.files.path(str(reference.get("href") or ""), base)
            try:
                root = normalise(safexml.parse(self.files.files[path])) if path else None
            except RuleBroken:
                root = None
            body = next(descendants(root, "stimulusBody"), None) if root is not None else None
            if body is None:
                message = _(
                    "The shared text “%(source)s” is not in the file.",
                    source=str(reference.get("href") or "")[:80],
                )
                raise Refused("stimulus_missing", message)
            for one in body.iter():
                for name in ("src", "data"):
                    if one.get(name) and (whole := self.files.path(source_of(one), path)):
                        one.set(name, f"/{whole}")
            body.tag = "section"
            found.append(body)
        return found


def _items_in(root: Element) -> list[Element]:
    names = ("assessmentItem", "qti-assessment-item")
    return [root] if local(root) in names else list(descendants(root, *names))


def _no_item(root: Element) -> tuple[str, str]:
    if local(root) == "questestinterop":
        return "qti_1", _(
            "This is QTI 1.2, which is not read. Export the questions as QTI 2.1 or later, or as Moodle XML."
        )
    return "no_items", _("The file holds no question of QTI 2.1, 2.2 or 3.0.")


def _with(draft: Draft, described: Described) -> Draft:
    return replace(
        draft,
        code=described.code or draft.code,
        topic=described.topic,
        tags=described.tags,
        difficulty=described.difficulty,
        source=described.source,
    )


# ---------------------------------------------------------------- metadata


def _described(path: str, resource: Element) -> Described:
    metadata = child(resource, "metadata")
    if metadata is None:
        return Described(path)
    general = next(descendants(metadata, "general"), None)
    identifier = child(general, "identifier") if general is not None else None
    entry = child(identifier, "entry") if identifier is not None else None
    topic = next(
        (
            said(one)
            for group in descendants(metadata, "classification")
            if said(next(descendants(group, "purpose"), None)).lower().endswith("discipline")
            for one in list(descendants(group, "entry"))[-1:]
        ),
        "",
    )
    relation = next(
        (
            one
            for one in descendants(metadata, "relation")
            if said(child(one, "kind")).lower().endswith("isbasedon")
        ),
        None,
    )
    return Described(
        path,
        code=said(entry) if _is_ours(entry) else "",
        topic=_one_line(topic),
        tags=tuple(
            _one_line(said(one))
            for one in (children(general, "keyword") if general is not None else ())
            if said(one)
        ),
        difficulty=_one_line(said(next(descendants(metadata, "difficulty"), None)).removeprefix("LOMv1.0")),
        source=_one_line(said(next(descendants(relation, "description"), None)))
        if relation is not None
        else "",
    )


def _is_ours(entry: Element | None) -> bool:
    return entry is not None and "firefly" in said(child(entry.getparent(), "catalog")).lower()


def _one_line(text: str) -> str:
    return " ".join(text.split())
