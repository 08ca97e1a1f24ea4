"""The playground: a page that needs nothing but this service, and its files in `service/static`.

The files are sent as they lie there; browsers ask each time whether theirs is still the newest.
"""

import os
from functools import cache
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

_FOLDER = Path(__file__).resolve().parents[1] / "static"
_PAGE = "index.html"
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "; ".join(f"{name} {value}" for name, value in _POLICY.items()),
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(self)",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class PlaygroundFiles(StaticFiles):
    """The files of the playground, with the headers that keep it to this service."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file, or 304 for a caller that has it.

        Raises:
            HTTPException: 404 where there is no such file, 405 for what is no reading.
        """
        response = await super().get_response(path, scope)
        response.headers.update(_HEADERS)
        return response

    async def page(self, scope: Scope) -> Response:
        """Return the page itself."""
        response = await self.get_response(_PAGE, scope)
        response.headers["vary"] = "accept"
        return response


@cache
def files() -> PlaygroundFiles:
    """Return the playground's files, as an ASGI app."""
    return PlaygroundFiles(directory=os.fspath(_FOLDER))
