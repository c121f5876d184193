"""The console's page: served with a strict policy, packed as the browser wants it, from the build's folder and from nowhere else."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from tutti import Workspace
from tutti.api import build, problems
from tutti.api.console import install

PAGE = {"accept": "text/html,application/xhtml+xml;q=0.9"}
SCRIPT = b"console.log('tutti');" * 50


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    folder = tmp_path / "site" / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Tutti</title>")
    (folder / "assets" / "index-Ab3dE6_8.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-Ab3dE6_8.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "assets" / "index-Ab3dE6_8.js.br").write_bytes(b"made by brotli")
    (folder / "icon.svg").write_text("<svg/>")
    (folder / ".sources").write_text("a digest")
    (folder.parent / "secret.txt").write_text("not for you")
    (folder / "assets" / "leak-Ab3dE6_8.js").symlink_to(folder.parent / "secret.txt")
    return folder


@pytest.fixture
def browser(dist: Path) -> httpx.AsyncClient:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    problems.install(app)
    install(app, dist)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tutti", headers={"accept-encoding": ""})


async def test_every_view_is_the_page_and_nothing_is_kept_of_it(browser: httpx.AsyncClient) -> None:
    for path in (
        "/console/",
        "/console/enter",
        "/console/tasks?status=human",
        "/console/agents/claims-triage%205.0",
        "/console/why/t-01J8Z3",
        "/console/a/b/c",
    ):
        got = await browser.get(path, headers=PAGE)
        assert (got.status_code, "Tutti" in got.text, got.headers["cache-control"]) == (200, True, "no-store"), path
        assert got.headers["content-type"] == "text/html; charset=utf-8"
    assert (await browser.head("/console/")).status_code == 200


async def test_the_page_may_load_and_call_this_origin_only(browser: httpx.AsyncClient) -> None:
    for path in ("/console/", "/console/assets/index-Ab3dE6_8.js", "/console/icon.svg", "/console/assets/absent.js"):
        headers = (await browser.get(path)).headers
        policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["font-src"] == "'self'"
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["referrer-policy"], headers["cross-origin-opener-policy"]) == (
            "nosniff",
            "no-referrer",
            "same-origin",
        )
        assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize(
    ("accepts", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"), ("gzip", "gzip"), ("br;q=0, gzip;q=0.5", "gzip"), ("br;q=0", None), ("", None), ("identity", None), ("br;q=x", None),
        ("GZIP", "gzip"), ("brotli", None),
    ],
)  # fmt: skip
async def test_files_are_packed_as_the_client_wants(accepts: str, encoding: str | None, browser: httpx.AsyncClient, dist: Path) -> None:
    async with browser.stream("GET", "/console/assets/index-Ab3dE6_8.js", headers={"accept-encoding": accepts}) as got:
        raw = b"".join([part async for part in got.aiter_raw()])
    plain = dist / "assets" / "index-Ab3dE6_8.js"
    wanted = {"br": plain.with_name(plain.name + ".br"), "gzip": plain.with_name(plain.name + ".gz"), None: plain}[encoding]
    assert (got.headers.get("content-encoding"), raw) == (encoding, wanted.read_bytes())
    assert (got.headers["vary"], got.headers["cache-control"]) == ("accept-encoding", "public, max-age=31536000, immutable")
    assert got.headers["content-type"].startswith("text/javascript")


async def test_what_is_known_is_not_sent_again(browser: httpx.AsyncClient, dist: Path) -> None:
    first = await browser.get("/console/icon.svg")
    assert first.headers["cache-control"] == "no-cache"
    again = await browser.get("/console/icon.svg", headers={"if-none-match": f'"x", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    packed = await browser.head("/console/assets/index-Ab3dE6_8.js", headers={"accept-encoding": "gzip"})
    plain = await browser.head("/console/assets/index-Ab3dE6_8.js")
    assert packed.headers["etag"] != plain.headers["etag"], "two bodies, two tags"
    (dist / "icon.svg").write_text("<svg><!-- new --></svg>")
    os.utime(dist / "index.html", ns=(1, 1))  # as after a build
    assert (await browser.get("/console/icon.svg", headers={"if-none-match": first.headers["etag"]})).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/console/../secret.txt", "/console/assets/../../secret.txt", "/console/%2e%2e/secret.txt", "/console/assets/%2e%2e%2f%2e%2e%2fsecret.txt",
        "/console/..%5csecret.txt", "/console//etc/passwd", "/console/assets//etc/passwd", "/console/%00", "/console/.sources", "/console/assets/leak-Ab3dE6_8.js",
        "/console/assets/index-Ab3dE6_8.js.gz", "/console/assets/", "/console/assets/index-Ab3dE6_8.js/", "/console/secret.txt",
    ],
)  # fmt: skip
async def test_no_path_leads_out_of_the_folder_or_to_what_is_not_for_browsers(path: str, browser: httpx.AsyncClient) -> None:
    got = await browser.send(browser.build_request("GET", httpx.URL("http://tutti", raw_path=path.encode())))
    assert got.status_code == 404 or "<title>Tutti</title>" in got.text, got.text
    for text in ("not for you", "a digest", "root:"):
        assert text not in got.text


async def test_an_old_file_is_absent_and_no_page(browser: httpx.AsyncClient) -> None:
    for path in ("/console/assets/index-OLDOLD12.js", "/console/favicon.ico"):
        got = await browser.get(path)
        assert (got.status_code, got.headers["content-type"], got.headers["cache-control"]) == (404, "application/problem+json", "no-store"), path


async def test_browsers_are_sent_to_the_console_and_programs_are_not(browser: httpx.AsyncClient) -> None:
    for path in ("/", "/console"):
        got = await browser.get(path, headers=PAGE)
        assert (got.status_code, str(got.next_request.url if got.next_request else "")) == (307, "http://tutti/console/")
        assert (await browser.get(path, headers={"accept": "application/json"})).status_code == 405


async def test_without_a_build_it_says_how_to_make_one(tmp_path: Path) -> None:
    app = FastAPI()
    install(app, tmp_path / "nowhere")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tutti") as client:
        got = await client.get("/console/tasks", headers=PAGE)
        assert (got.status_code, got.headers["content-type"]) == (404, "application/problem+json")
        assert "make console" in got.json()["hint"]


async def test_it_needs_no_token_and_leaves_the_root_to_a2a(workspace: Workspace) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(build(workspace)), base_url="http://tutti") as nobody:
        assert (await nobody.get("/console/", headers=PAGE)).status_code in (200, 404)
        assert (await nobody.get("/", headers=PAGE)).status_code == 307
        assert (await nobody.get("/")).status_code == 405
        assert (await nobody.post("/", json={"jsonrpc": "2.0", "id": 1, "method": "nothing"})).status_code == 401
        assert (await nobody.get("/v1/tasks")).status_code == 401
