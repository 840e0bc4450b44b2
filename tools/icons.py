"""Build `lms/static/icons/icons.json` from an unpacked copy of Lucide's static icons.

    npm pack lucide-static && tar xf lucide-static-*.tgz
    python tools/icons.py package

Writes name → the inside of the SVG for the names below, and keeps the licence beside it. Run it when a page needs
an icon that is not in the list, and commit the result: the product itself needs neither Node nor the network.
"""

import json
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent / "lms" / "static" / "icons"

NAMES = (
    "archive",
    "arrow-left",
    "arrow-right",
    "award",
    "baby",
    "badge-check",
    "ban",
    "bell",
    "book-open",
    "building-2",
    "calendar-days",
    "captions",
    "chart-column",
    "check",
    "chevron-down",
    "chevron-left",
    "chevron-right",
    "circle",
    "circle-alert",
    "circle-check",
    "circle-x",
    "clipboard-check",
    "clipboard-list",
    "clock",
    "cloud-check",
    "cloud-upload",
    "copy",
    "database",
    "download",
    "ellipsis",
    "external-link",
    "eye",
    "file-down",
    "file-text",
    "filter",
    "fingerprint-pattern",
    "flag",
    "gauge",
    "git-compare",
    "graduation-cap",
    "grid-3x3",
    "headphones",
    "heart-pulse",
    "history",
    "hospital",
    "house",
    "image",
    "inbox",
    "info",
    "key-round",
    "languages",
    "layers",
    "link",
    "list-checks",
    "lock",
    "lock-open",
    "log-in",
    "log-out",
    "mail",
    "menu",
    "message-square-text",
    "mic",
    "minus",
    "monitor",
    "moon",
    "notebook-pen",
    "paperclip",
    "pause",
    "pen-line",
    "pencil",
    "play",
    "plus",
    "printer",
    "qr-code",
    "refresh-cw",
    "rotate-ccw",
    "scale",
    "search",
    "send",
    "settings",
    "shield-alert",
    "shield-check",
    "smartphone",
    "sparkles",
    "stethoscope",
    "sun",
    "timer",
    "trash-2",
    "triangle-alert",
    "undo-2",
    "upload",
    "user",
    "user-plus",
    "users",
    "video",
    "volume-2",
    "wifi",
    "wifi-off",
    "x",
)

FIREFLY = (
    # Our own mark on the same 24-unit grid: two raised wings and the light. icon.svg is its large sister.
    '<g stroke="none"><path d="M11.4 11.2C6.8 11.3 3.4 8.9 3.2 4.6c4.5-.1 8 2.3 8.2 6.6z'
    'M12.6 11.2c4.6.1 8-2.3 8.2-6.6-4.5-.1-8 2.3-8.2 6.6z" fill="currentColor"/>'
    '<path d="M12 12.7c2.1 0 3.4 1.7 3.4 4.1 0 2.6-1.5 4.7-3.4 4.7s-3.4-2.1-3.4-4.7c0-2.4 1.3-4.1 3.4-4.1z" fill="#ffd25e"/></g>'
)


def inside(svg: str) -> str:
    """The drawing within an SVG file, without its wrapper, its comments and its spaces."""
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    found = re.search(r"<svg[^>]*>(.*)</svg>", svg, flags=re.DOTALL)
    if found is None:
        raise ValueError("not an SVG file")
    flat = re.sub(r"\s+", " ", found.group(1))
    return re.sub(r"\s*/>", "/>", flat).replace("> <", "><").strip()


def main(package: Path) -> None:
    """Read the named icons of an unpacked Lucide package and write them into the static folder."""
    drawn = {name: inside((package / "icons" / f"{name}.svg").read_text(encoding="utf-8")) for name in NAMES}
    drawn["firefly"] = FIREFLY
    lines = [f"{json.dumps(name)}: {json.dumps(drawn[name])}" for name in sorted(drawn)]
    HERE.mkdir(parents=True, exist_ok=True)
    (HERE / "icons.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    shutil.copyfile(package / "LICENSE", HERE / "LICENSE")
    print(len(drawn), "icons")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
