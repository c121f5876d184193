"""Calls over HTTP to agents outside: one request with its limits, and what its failing says about whether anything happened.

`AgentFailed` means that certainly nothing happened; everything else may have come after the effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import orjson

from tutti import telemetry
from tutti.errors import AgentFailed, Invalid, Refused, TuttiError
from tutti.security import CONNECTING, Connecting
from tutti.transports.inprocess import Context
from tutti.transports.outside import KEPT_S, Outside

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")
ANSWER = 8 * 1024 * 1024  # bytes of one answer, and of one event of a stream
STREAM = 64 * 1024 * 1024  # bytes of one stream
EVENTS = 10_000  # of one stream
PROCESS = "Tutti-Process"  # which process of a service answers; in a request: which one it is for
_PROCESS_SEEN = "_tutti_process"
_CONNECT_S = 10.0
_PATIENCE_S = 3.0  # for an agent that says that it cannot just now; then the task goes back on its road
_AWAY_S = 1.0  # for one that nobody answers for: it may be starting anew
_PAUSE_S = 0.02  # before the first time it is asked again; doubled each time
_CERTAIN = frozenset({400, 401, 403, 404, 405, 406, 409, 410, 413, 414, 415, 422, 429, 501})  # statuses that turn a request away before it is done


class OutcomeUnknown(TuttiError):
    """An agent outside was called, and nobody knows what came of it."""

    code = "outcome_unknown"
    retry = True


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the whole body, or with `lines` still to be read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises: `Invalid` (code wrong_output)."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise Invalid("The agent's answer is not JSON.", code="wrong_output") from None


@dataclass(frozen=True, slots=True)
class Link:
    """How an agent's connections are used.

    A server may close a connection that is kept just when the next request is on its way: nobody knows then whether it was read. Such a request is
    sent once more where the agent promises that a key has one effect: `durable` promises it for ever, `processes` for as long as the process lives
    that had the connection; any other process turns the second one away.
    """

    vouch: Callable[[], Awaitable[None]] | None = None  # asked about every new connection before anything is sent on it
    keep: float = KEPT_S  # seconds that a connection is kept
    processes: bool = False
    durable: bool = False


SURE_S = 2.0  # that a connection is kept for what must not be sent twice: servers close theirs after 5 (uvicorn, Node) or more
PLAIN = Link()


def lease_of(ctx: Context) -> dict[str, str]:
    """The header that carries the token of what the action holds: who guards the resource refuses one that is lower than the last it saw."""
    return {"Tutti-Lease": str(ctx.lease.token)} if ctx.lease is not None else {}


async def ask(
    outside: Outside,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
    cap: int = ANSWER,
    total: float | None = None,
    link: Link = PLAIN,
) -> Answer:
    """One request and its whole answer, whatever its status. `total` are seconds; without it the attempt's own time is the limit.

    Raises: `AgentFailed` when nothing was sent, `OutcomeUnknown`, `Invalid` (code wrong_output) for an answer over the cap or in a coding.
    """
    with _failing(url):
        async with await _answered(outside, method, url, headers, body, total, link) as response:
            return Answer(response.status, response.headers, await _whole(response, cap))


@asynccontextmanager
async def stream(outside: Outside, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, link: Link = PLAIN) -> AsyncIterator[Any]:
    """A request whose answer may be a stream: yields (answer, None) for a whole one, (answer without body, events) for server-sent events."""
    with _failing(url):
        async with await _answered(outside, method, url, headers, body, None, link) as response:
            if response.status == 200 and response.content_type == "text/event-stream":
                _refuse_coding(response)
                yield Answer(200, response.headers, b""), _events(response)
            else:
                yield Answer(response.status, response.headers, await _whole(response, ANSWER)), None


def turned_away(answer: Answer, words: str = "") -> Exception:
    """What an answer that is no success means: `AgentFailed` where the agent turned the request away, else `OutcomeUnknown`."""
    said = f"The agent answered {answer.status}{': ' + words if words else ''}."
    if answer.status == 429 or (answer.status == 503 and "Retry-After" in answer.headers):
        return AgentFailed(said, hint="It has too much to do, or is about to stop.", retry=True, busy=True)
    if answer.status in (401, 403):
        return AgentFailed(said, hint="See the agent's `auth`, and the secret that it names.", retry=False)
    if answer.status in _CERTAIN:
        return AgentFailed(said, retry=False)
    return OutcomeUnknown(said, retry=answer.status >= 500)


async def patiently(outside: Outside, timeout: timedelta, call: Callable[[], Awaitable[T]]) -> T:
    """Call an agent, and for a short while again when it turns the call away because it is busy or about to stop: nothing happened then.

    That while is a quarter of the attempt's time at most, so that this certainty is not lost to its end.
    """
    loop = asyncio.get_running_loop()
    started, pause = loop.time(), _PAUSE_S
    while True:
        try:
            return await call()
        except AgentFailed as error:
            patience = min(_AWAY_S if error.about.get("away") else _PATIENCE_S, timeout.total_seconds() / 4)
            if not error.about.get("busy") or loop.time() - started + pause * 1.5 > patience:
                raise
        await asyncio.sleep(pause * (0.5 + outside.ids.rng.random()))
        pause = min(pause * 2, 0.3)


async def _answered(
    outside: Outside, method: str, url: str, headers: Mapping[str, str], body: bytes | None, total: float | None, link: Link
) -> aiohttp.ClientResponse:
    outside.egress.check(url)
    response = await _sent(outside, method, url, {**headers, **telemetry.headers()}, body, total, link)
    if 300 <= response.status < 400 and response.status != 304:
        response.close()
        raise OutcomeUnknown("The agent sends callers elsewhere, and redirects are not followed.", hint="Declare the address it means.", retry=False)
    return response


@contextmanager
def _failing(url: str) -> Iterator[None]:
    """What a call's failing says about whether anything happened."""
    import aiohttp

    try:
        yield
    except Refused as error:
        raise AgentFailed(error.message, hint=error.hint, retry=False) from error
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError) as error:
        raise AgentFailed(f"The agent does not answer at {_place(url)}.", hint="See whether it runs.", retry=True, busy=True, away=True) from error
    except (aiohttp.InvalidURL, ValueError) as error:
        if isinstance(error, TuttiError):
            raise
        raise AgentFailed(f"{_place(url)} is no address.", retry=False) from error
    except (aiohttp.ClientError, OSError) as error:
        raise OutcomeUnknown(f"The connection to {_place(url)} broke: {type(error).__name__}.") from error


async def _sent(
    outside: Outside, method: str, url: str, headers: dict[str, str], body: bytes | None, total: float | None, link: Link
) -> aiohttp.ClientResponse:
    """The answer to a request, which is sent a second time where that is safe and a kept connection was closed before any answer."""
    import aiohttp
    from yarl import URL

    where, timeout = URL(url, encoded=True), aiohttp.ClientTimeout(total=total, connect=_CONNECT_S)
    more: dict[str, Any] = {"data": body, "allow_redirects": False, "timeout": timeout}
    connecting = Connecting(link.vouch)
    mark = CONNECTING.set(connecting)
    try:
        response = await outside.session_for(link.keep).request(method, where, headers=headers, **more)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
        process = getattr(connecting.protocol, _PROCESS_SEEN, "")
        if not connecting.reused or not (link.durable or (link.processes and process)):
            raise
        try:
            response = await outside.session_for(0).request(method, where, headers=headers | {PROCESS: process}, **more)
        except (aiohttp.ClientError, TuttiError):
            raise error from None  # nobody is there any more: what came of the first is not known
        if not link.durable and response.headers.get(PROCESS) != process:
            response.close()
            raise error from None
    finally:
        CONNECTING.reset(mark)
    if link.processes and connecting.protocol is not None and PROCESS in response.headers:
        setattr(connecting.protocol, _PROCESS_SEEN, response.headers[PROCESS])
    return response


def _place(url: str) -> str:
    """Scheme, host and port: a path or query may hold a token."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0].rpartition('@')[2]}"


def _refuse_coding(response: aiohttp.ClientResponse) -> None:
    coding = response.headers.get("Content-Encoding", "identity").lower()
    if coding not in ("", "identity"):
        raise Invalid(f"The agent's answer is coded ({coding[:20]}), which nobody asked for.", code="wrong_output")


async def _whole(response: aiohttp.ClientResponse, cap: int) -> bytes:
    _refuse_coding(response)
    length = response.content_length
    if length is not None and length <= cap:
        return await response.read()
    chunks: list[bytes] = []
    size = length or 0
    while size <= cap:
        chunk = await response.content.readany()
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
        size += len(chunk)
    raise Invalid(f"The agent's answer is larger than {cap:,} bytes.", code="wrong_output")


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The data of server-sent events, one by one. Source: WHATWG HTML, 9.2 (comments, ids and names are passed over)."""
    rest, data, size, count = b"", [], 0, 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        rest += chunk
        if size > STREAM or len(rest) > ANSWER:
            raise Invalid("The agent's stream is larger than a stream may be.", code="wrong_output")
        if b"\n" not in chunk and b"\r" not in chunk:
            continue
        *lines, rest = rest.replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
                if sum(map(len, data)) > ANSWER:
                    raise Invalid("An event of the agent's stream is larger than one may be.", code="wrong_output")
            elif not line and data:
                count += 1
                if count > EVENTS:
                    raise Invalid(f"The agent's stream has more than {EVENTS:,} events.", code="wrong_output")
                yield b"\n".join(data)
                data = []
