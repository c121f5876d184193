"""The console's page: the files that the build made, served from this origin alone, with a policy that lets it load and call nothing else.

They are for everybody, like the log-in: the page holds no data, and what it asks for afterwards needs a session. What is served is looked up among the
files that were found, so that no path leads out of their folder.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import Route

from tutti.api.problems import problem

DIST = Path(__file__).parents[1] / "console" / "dist"
INDEX = "index.html"
_MEDIA = {
    ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".png": "image/png",
    ".ico": "image/x-icon", ".webp": "image/webp", ".woff2": "font/woff2", ".json": "application/json", ".map": "application/json",
    ".txt": "text/plain; charset=utf-8", ".webmanifest": "application/manifest+json",
}  # fmt: skip
_PACKED = {".br": "br", ".gz": "gzip"}  # made by the build, in the order of what is preferred
_HASHED = re.compile(r"assets/.*[-.][A-Za-z0-9_-]{8,}\.[a-z0-9]+")  # a name with a digest of its content: another content has another name
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FEATURES = ("accelerometer", "autoplay", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer", "microphone", "midi", "payment", "usb")
HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in _FEATURES),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


@dataclass(slots=True)
class _File:
    """A file of the page as it goes out, plain (under "") and packed."""

    media: str
    tag: str
    bodies: dict[str, bytes] = field(default_factory=dict)


class Page:
    """The files in a folder, read once and again when the build has made them anew."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mark: tuple[int, int] | None = None
        self._files: dict[str, _File] = {}

    async def file(self, path: str, *, navigating: bool) -> _File | None:
        """The file at a path below /console/; the page itself for a view's address, which is everything that names no file of the build."""
        files = await asyncio.to_thread(self._now)
        found = files.get(path)
        if found is None and not path.startswith("assets/") and (navigating or Path(path).suffix not in _MEDIA):
            found = files.get(INDEX)
        return found

    def _now(self) -> dict[str, _File]:
        try:
            stat = (self._folder / INDEX).stat()
        except OSError:
            self._mark, self._files = None, {}
            return self._files
        mark = (stat.st_mtime_ns, stat.st_size)
        if mark != self._mark:
            self._files, self._mark = _read(self._folder), mark
        return self._files


def _read(folder: Path) -> dict[str, _File]:
    files: dict[str, _File] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or path.is_symlink() or not path.is_file() or path.suffix in _PACKED:
            continue
        body = path.read_bytes()
        file = files[name] = _File(_MEDIA.get(path.suffix, "application/octet-stream"), sha256(body).hexdigest()[:32], {"": body})
        for suffix, encoding in _PACKED.items():
            packed = path.with_name(path.name + suffix)
            if packed.is_file() and not packed.is_symlink():
                file.bodies[encoding] = packed.read_bytes()
    return files


def install(app: FastAPI, folder: Path = DIST) -> None:
    """Serve the page in `folder` under /console/, and send browsers there that ask for the root."""
    page = Page(folder)

    async def serve(request: Request) -> Response:
        path = request.path_params["path"]
        found = await page.file(path or INDEX, navigating=_wants_page(request))
        if found is None:
            return _absent(path, built=await page.file(INDEX, navigating=True) is not None)
        return _answer(request, path, found)

    async def root(request: Request) -> Response:
        if not _wants_page(request):
            raise HTTPException(405, headers={"allow": "POST"})
        return RedirectResponse("console/", 307, HEADERS | {"vary": "accept"})

    for path, endpoint in (("/console/{path:path}", serve), ("/console", root), ("/", root)):
        app.router.routes.append(Route(path, endpoint, methods=["GET"], include_in_schema=False))


def _wants_page(request: Request) -> bool:
    """Whether this is a browser that goes somewhere, and no program that asks for data."""
    return "text/html" in request.headers.get("accept", "")


def _absent(path: str, *, built: bool) -> Response:
    if built:
        answer = problem(404, "not_found", f"The console has no file {path}.", "Load the page again: it may be of a version before.")
    else:
        answer = problem(404, "not_found", "The console is not built here.", "`make console` builds it, and so does installing without TUTTI_SKIP_CONSOLE.")
    answer.headers.update(HEADERS | {"cache-control": "no-store"})
    return answer


def _answer(request: Request, path: str, file: _File) -> Response:
    accepted = _accepted(request.headers.get("accept-encoding", ""))
    encoding = next((encoding for encoding in _PACKED.values() if encoding in accepted and encoding in file.bodies), "")
    tag = f'"{file.tag}{f"-{encoding}" if encoding else ""}"'
    page = file.media.startswith("text/html")
    lasts = "no-store" if page else "public, max-age=31536000, immutable" if _HASHED.fullmatch(path) else "no-cache"
    headers: dict[str, Any] = HEADERS | {"cache-control": lasts, "vary": "accept-encoding"}
    if not page:
        headers["etag"] = tag
        if tag in {known.strip().removeprefix("W/") for known in request.headers.get("if-none-match", "").split(",")}:
            return Response(status_code=304, headers=headers)
    if encoding:
        headers["content-encoding"] = encoding
    return Response(file.bodies[encoding], headers=headers, media_type=file.media)


def _accepted(text: str) -> set[str]:
    """The encodings that a client takes: those it names without `q=0`. Source: RFC 9110, 12.5.3."""
    found = set()
    for part in text.lower().split(","):
        name, *more = (piece.strip() for piece in part.split(";"))
        try:
            weight = float(next((piece[2:] for piece in more if piece.startswith("q=")), "1"))
        except ValueError:
            weight = 0.0
        if weight > 0:
            found.add(name)
    return found
