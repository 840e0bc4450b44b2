"""Security headers, caching and compression of pages, on every answer."""

import gzip
import hashlib

from flask import Flask, Response, g, request

COMPRESSIBLE = (
    "text/",
    "application/json",
    "application/problem+json",
    "application/manifest+json",
    "image/svg+xml",
)
GZIP_FROM = 600


def init_app(app: Flask) -> None:
    """Join the headers to the app."""

    @app.after_request
    def _seal(response: Response) -> Response:
        headers = response.headers
        own = g.get("plain_hash") or g.get("style_hash")
        style = f" '{own}'" if own else ""
        headers.setdefault(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'self'; "
            f"style-src 'self'{style}; img-src 'self' data: blob:; font-src 'self'; "
            "media-src 'self' blob:; connect-src 'self'; manifest-src 'self'; worker-src 'self' blob:; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        )
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
        if app.config["SESSION_COOKIE_SECURE"]:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        if response.is_streamed or response.direct_passthrough or response.status_code == 304:
            return response
        if response.mimetype == "text/html":
            headers.setdefault("Cache-Control", "private, no-cache")
            headers.add("Vary", "Cookie")
        return _pack(response)

    def _pack(response: Response) -> Response:
        """ETag, 304 and gzip: a repeated visit costs a few hundred bytes."""
        body = response.get_data()
        if response.status_code == 200 and request.method in {"GET", "HEAD"} and not response.get_etag()[0]:
            response.set_etag(hashlib.sha256(body).hexdigest()[:20], weak=True)
        if (
            len(body) >= GZIP_FROM
            and (response.mimetype or "").startswith(COMPRESSIBLE)
            and "gzip" in request.headers.get("Accept-Encoding", "")
            and "Content-Encoding" not in response.headers
        ):
            response.set_data(gzip.compress(body, 5, mtime=0))
            response.headers["Content-Encoding"] = "gzip"
            response.headers.add("Vary", "Accept-Encoding")
        response.make_conditional(request)
        return response
