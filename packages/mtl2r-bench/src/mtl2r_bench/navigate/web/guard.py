"""Who may use the page: whoever has its address, from a page of this server.

The server listens on 127.0.0.1, where every user and every program of the machine can reach it, and
every web page that is open in a browser there can try. Hence

* the first part of the path is a random token, compared in constant time;
* the Host header must name this server, so that a foreign name that points to 127.0.0.1 (DNS
  rebinding) gets nothing;
* a request that changes something must come from a page of this server (Origin);
* the page loads nothing from elsewhere and cannot be framed (Content-Security-Policy).
"""

import hmac
import secrets
from collections.abc import Sequence

from flask import Flask, Request, Response, request

_SAFE = ("GET", "HEAD")


def new_token() -> str:
    """Make a token that cannot be guessed."""
    return secrets.token_urlsafe(24)


def protect(server: Flask, token: str, port: int, script_hashes: Sequence[str]) -> None:
    """Refuse requests that are not from the page with 403, and send headers that confine it."""
    hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
    policy = "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' {' '.join(script_hashes)}",
            "style-src 'self' 'unsafe-inline'",  # plotly and dash style their elements in place
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )

    def check() -> Response | None:
        reason = _refusal(request, token, hosts)
        return None if reason is None else Response(f"403: {reason}\n", 403, mimetype="text/plain")

    def confine(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
        response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
        response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        if response.mimetype in ("text/html", "application/json"):
            response.headers["Cache-Control"] = "no-store"
        return response

    server.before_request(check)
    server.after_request(confine)


def _refusal(asked: Request, token: str, hosts: set[str]) -> str | None:
    """Return why a request is refused, or None."""
    host = asked.headers.get("Host", "")
    if host not in hosts:
        return "this server does not go by that name"
    if asked.method not in _SAFE and asked.headers.get("Origin") != f"http://{host}":
        return "the request is not from this server's page"
    given = asked.path.split("/")[1]
    if not hmac.compare_digest(given.encode(), token.encode()):
        return "the address has no valid token: use the one that mtl2r-bench printed"
    return None
