"""Static files: joined, minified, named by their content, served for ever; the icons, the first stylesheet, the service worker.

`init_app` builds `lms/static` into a folder named by its content and hands that folder to WhiteNoise. A page names a file
through `asset('app.js')`, which answers `/static/app.3f2a….js`: a new content is a new name, so browsers may keep the old
one for ever, and pages of an older release still find their files because the last few builds stay served.
"""

import base64
import contextlib
import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from wsgiref.headers import Headers

import brotli
import rcssmin
import rjsmin
from flask import Blueprint, Flask, Response, current_app, g, jsonify, render_template, request
from markupsafe import Markup
from whitenoise import WhiteNoise

from lms.core import i18n
from lms.core.i18n import _
from lms.web.guard import public
from lms.web.texts import js_texts

SOURCE = Path(__file__).resolve().parent.parent / "static"
STYLES = ("tokens", "base", "layout", "ui", "forms", "pages", "util")
"""The rooms of the stylesheet, in the order of its layers."""
PLAIN = "plain"
"""A stylesheet of its own for pages that must be light; always inline, never a file."""
PRECACHED = ("app.css", "outbox.js", "app.js", "delivery.js", "forms.js", "exam.js", "items.js")
"""What the service worker keeps from its first minute, so that every page and a running exam open without a connection."""
UNPUBLISHED = frozenset({"icons", "css", "sw.js"})
"""Read by this module, not served as they are."""
PUBLISHED = frozenset({".css", ".js", ".json", ".svg", ".png", ".webp", ".jpg", ".woff2", ".vtt"})
COMPRESSED = frozenset({".css", ".js", ".svg", ".json", ".txt"})
BUILDS_KEPT = 4
YEAR_S = 365 * 24 * 3600
FINGERPRINT = re.compile(r"\.[0-9a-f]{10}\.[a-z0-9]+$")

assets_bp = Blueprint("assets", __name__)


@dataclass(frozen=True)
class Assets:
    """One build of the static files."""

    files: Mapping[str, str]
    """Name in `lms/static` → published name, which carries the first ten hex digits of its SHA-256."""
    stylesheet: str
    plain: str
    worker: str
    icons: Mapping[str, str]
    version: str

    def url(self, name: str) -> str:
        """The address of a static file. Raises KeyError for a name that does not exist."""
        return f"/static/{self.files[name]}"

    @property
    def style_hash(self) -> str:
        """The CSP source of the one inline style block."""
        return _csp_source(self.stylesheet)


def _csp_source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def minified(name: str, data: bytes) -> bytes:
    """The file as it is sent: CSS and JavaScript without comments and spaces, everything else unchanged.

    Vendored files come minified by their makers and stay byte for byte what their licence and lock name.
    """
    if name.startswith("vendor/"):
        return data
    if name.endswith(".css"):
        return str(rcssmin.cssmin(data.decode())).encode()
    if name.endswith(".js"):
        return str(rjsmin.jsmin(data.decode())).encode()
    return data


def sources(folder: Path = SOURCE) -> dict[str, bytes]:
    """Every file to publish, minified, by its name."""
    found: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.suffix in PUBLISHED and name.split("/")[0] not in UNPUBLISHED:
            found[name] = minified(name, path.read_bytes())
    joined = b"\n".join((folder / "css" / f"{part}.css").read_bytes() for part in STYLES)
    found["app.css"] = minified("app.css", joined)
    return found


def published_name(name: str, data: bytes) -> str:
    """`player.js` → `player.<10 hex digits of its SHA-256>.js`."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}.{hashlib.sha256(data).hexdigest()[:10]}{path.suffix}"))


def build(folder: Path) -> tuple[Path, dict[str, bytes]]:
    """Write the static files into a subfolder named by their content and answer it, with what was written.

    The subfolder appears by one rename, so several processes may start at once and none ever serves half a build.
    """
    found = sources()
    version = hashlib.sha256(
        b"".join(published_name(n, d).encode() for n, d in sorted(found.items()))
    ).hexdigest()[:12]
    home = folder / version
    if home.is_dir():
        with contextlib.suppress(
            PermissionError
        ):  # built by the site's other user, who is the one to touch it
            os.utime(home)
        return home, found
    folder.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    for name, data in found.items():
        target = fresh / published_name(name, data)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        if target.suffix in COMPRESSED:
            target.with_name(target.name + ".gz").write_bytes(gzip.compress(data, 9, mtime=0))
            target.with_name(target.name + ".br").write_bytes(brotli.compress(data, quality=9))
    fresh.chmod(0o755)
    try:
        fresh.rename(home)
    except OSError:  # another process was first, with the same bytes
        shutil.rmtree(fresh)
    return home, found


def older_builds(folder: Path, current: Path) -> list[Path]:
    """The builds of earlier releases that are still served, oldest first; those beyond BUILDS_KEPT are removed."""
    others = sorted(
        (p for p in folder.iterdir() if p.is_dir() and p != current and not p.name.startswith(".")),
        key=lambda p: p.stat().st_mtime,
    )
    for stale in others[: -(BUILDS_KEPT - 1)]:
        shutil.rmtree(stale, ignore_errors=True)
    return others[-(BUILDS_KEPT - 1) :]


def init_app(app: Flask, *, folder: Path) -> None:
    """Build the static files below `folder`, serve them at `/static/`, and give the templates their functions."""
    home, found = build(folder)
    assets = Assets(
        files={name: published_name(name, data) for name, data in found.items()},
        stylesheet=found["app.css"].decode(),
        plain=minified("plain.css", (SOURCE / "css" / f"{PLAIN}.css").read_bytes()).decode(),
        worker=minified("sw.js", (SOURCE / "sw.js").read_bytes()).decode(),
        icons=json.loads((SOURCE / "icons" / "icons.json").read_text(encoding="utf-8")),
        version=home.name,
    )
    noise = WhiteNoise(
        app.wsgi_app,
        immutable_file_test=FINGERPRINT.pattern,
        allow_all_origins=False,
        add_headers_function=_seal_file,
    )
    for build_folder in [*older_builds(folder, home), home]:
        noise.add_files(str(build_folder), prefix="static/")
    app.wsgi_app = noise  # type: ignore[method-assign]
    app.extensions["assets"] = assets
    app.jinja_env.globals.update(
        asset=asset,
        icon=icon,
        drawing=drawing,
        sprite=sprite,
        stylesheet=stylesheet,
        plain_style=plain_style,
        js_texts=js_texts,
    )
    app.register_blueprint(assets_bp)
    app.after_request(_remember_stylesheet)


def _seal_file(headers: Headers, _path: str, _url: str) -> None:
    """Files do not pass through the app's own headers."""
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"


def _assets() -> Assets:
    found = current_app.extensions["assets"]
    if not isinstance(found, Assets):
        raise TypeError("assets.init_app has not been called")
    return found


def asset(name: str) -> str:
    """The address of a static file, for templates."""
    return _assets().url(name)


def inline(name: str) -> tuple[Markup, str]:
    """A script of ours for a page that is saved and opened without a site: its text, and the CSP source that allows it."""
    text = minified(name, (SOURCE / name).read_bytes()).decode()
    return Markup(text), _csp_source(text)  # noqa: S704 (our own file)


def inline_style() -> tuple[Markup, str]:
    """The whole stylesheet for such a page, and the CSP source that allows it."""
    return Markup(_assets().stylesheet), _assets().style_hash  # noqa: S704 (our own file)


def icon(name: str, label: str | None = None, *, size: str = "") -> Markup:
    """An icon of the page's sprite. With `label` it speaks; without, it is decoration. `size` is a class of the stylesheet."""
    g.setdefault("icons", set()).add(name)
    if label is None:
        return _decoration(name, f"icon {size}".strip())
    _require_icon(name)
    return Markup('<svg class="{}" role="img" aria-label="{}"><use href="#i-{}"/></svg>').format(
        f"icon {size}".strip(), label, name
    )


@cache
def _decoration(name: str, css: str) -> Markup:
    _require_icon(name)
    return Markup('<svg class="{}" aria-hidden="true"><use href="#i-{}"/></svg>').format(css, name)


def _require_icon(name: str) -> None:
    if name not in _assets().icons:
        raise KeyError(f"no icon {name!r}: add it in tools/icons.py")


def drawing(name: str) -> Markup:
    """An icon drawn where it stands, for a page with one or two of them and no sprite; it is decoration."""
    _require_icon(name)
    return Markup('<svg viewBox="0 0 24 24" aria-hidden="true">{}</svg>').format(
        Markup(_assets().icons[name])  # noqa: S704 (our own file)
    )


@cache
def _symbol(name: str, drawing: str) -> Markup:
    return Markup('<symbol id="i-{}" viewBox="0 0 24 24">{}</symbol>').format(name, Markup(drawing))  # noqa: S704 (our own file)


def sprite(*more: str) -> Markup:
    """The icons that this page used, once; scripts may name `more` that they swap in. Stands at the end of the body."""
    drawings = _assets().icons
    used = sorted(g.get("icons", set()) | set(more))
    return Markup("<svg hidden>{}</svg>").format(
        Markup("").join(_symbol(name, drawings[name]) for name in used)
    )


def stylesheet() -> Markup:
    """The stylesheet: inline on a first visit, which saves a round trip, and as a file once the browser should have it.

    The browser fetches the file behind the first page (`prefetch`), and a cookie with its name says so.
    """
    assets = _assets()
    url = assets.url("app.css")
    if request.cookies.get("css") == assets.files["app.css"]:
        return Markup('<link rel="stylesheet" href="{}">').format(url)
    g.style_hash = assets.style_hash
    return Markup('<style>{}</style><link rel="prefetch" href="{}" as="style">').format(
        Markup(assets.stylesheet),  # noqa: S704 (our own file)
        url,
    )


def plain_style() -> Markup:
    """The style block of a light page (`css/plain.css`), which asks for no other file."""
    assets = _assets()
    g.plain_hash = _csp_source(assets.plain)
    return Markup("<style>{}</style>").format(Markup(assets.plain))  # noqa: S704 (our own file)


def _remember_stylesheet(response: Response) -> Response:
    if g.get("style_hash"):
        response.set_cookie(
            "css",
            _assets().files["app.css"],
            max_age=YEAR_S,
            samesite="Lax",
            httponly=True,
            secure=request.is_secure,
        )
    return response


@assets_bp.get("/sw.js")
@public
def service_worker() -> Response:
    """The service worker: its script stays, what it keeps is written above it, so a new release is a new worker."""
    assets = _assets()
    config = {
        "version": f"{assets.version}-{i18n.locale()}",
        "outbox": [assets.url("outbox.js"), assets.url("delivery.js")],
        "precache": [assets.url(name) for name in PRECACHED] + ["/offline"],
    }
    response = Response(f"self.FIREFLY={json.dumps(config)};\n{assets.worker}", mimetype="text/javascript")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["Service-Worker-Allowed"] = "/"
    return response


@assets_bp.get("/app.webmanifest")
@public
def manifest() -> Response:
    """What a phone needs to put Firefly on its home screen."""
    response = jsonify(
        id="/",
        name=_("Firefly pediatric training"),
        short_name=_("Firefly"),
        lang=i18n.html_lang(),
        start_url="/",
        scope="/",
        display="standalone",
        theme_color="#0b6a61",
        background_color="#f5f3ee",
        icons=[
            {"src": asset("icon.svg"), "sizes": "any", "type": "image/svg+xml", "purpose": "any"},
            {
                "src": asset("icon-192.png"),
                "sizes": "192x192",
                "type": "image/png",
                "purpose": "any maskable",
            },
            {
                "src": asset("icon-512.png"),
                "sizes": "512x512",
                "type": "image/png",
                "purpose": "any maskable",
            },
        ],
    )
    response.mimetype = "application/manifest+json"
    response.headers["Cache-Control"] = "no-cache"
    return response


@assets_bp.get("/offline")
@public
def offline() -> str:
    """What the service worker shows for a page that is not on this device."""
    return render_template("offline.html")
