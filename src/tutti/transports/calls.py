"""Calls over HTTP to agents outside: one request with its limits, and what its failing says about whether anything happened.

`AgentFailed` means that certainly nothing happened; everything else may have come after the effect.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import orjson

from tutti import telemetry
from tutti.errors import AgentFailed, Invalid, Refused, TuttiError
from tutti.transports.exchange import Cut, Exchange, NotReached, TooLarge
from tutti.transports.inprocess import Context
from tutti.transports.outside import KEPT_S, Outside

T = TypeVar("T")
ANSWER = 8 * 1024 * 1024  # bytes of one answer, and of one event of a stream
STREAM = 64 * 1024 * 1024  # bytes of one stream
EVENTS = 10_000  # of one stream
PROCESS = "Tutti-Process"  # which process of a service answers; in a request: which one it is for
_PROCESS_KEY = PROCESS.lower()
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
    """What came back: status, headers (their names in small letters), and the whole body."""

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
    try:
        if total is None:
            return await _asked(outside, method, url, headers, body, cap, link)
        async with asyncio.timeout(total):
            return await _asked(outside, method, url, headers, body, cap, link)
    except (Refused, OSError, ValueError) as error:
        if isinstance(error, TuttiError) and not isinstance(error, Refused):
            raise
        raise _told(error, url) from error


async def _asked(outside: Outside, method: str, url: str, headers: Mapping[str, str], body: bytes | None, cap: int, link: Link) -> Answer:
    exchange = await _sent(outside, method, url, headers, body, link, cap)
    try:
        _stays(exchange)
        return Answer(exchange.status, exchange.headers, await exchange.whole(cap))
    finally:
        exchange.close()


@asynccontextmanager
async def stream(outside: Outside, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None, link: Link = PLAIN) -> AsyncIterator[Any]:
    """A request whose answer may be a stream: yields (answer, None) for a whole one, (answer without body, events) for server-sent events."""
    try:
        exchange = await _sent(outside, method, url, headers, body, link, None)
        try:
            _stays(exchange)
            if exchange.status == 200 and exchange.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/event-stream":
                yield Answer(200, exchange.headers, b""), _events(exchange, url)
            else:
                yield Answer(exchange.status, exchange.headers, await exchange.whole(ANSWER)), None
        finally:
            exchange.close()
    except (Refused, OSError, ValueError) as error:
        if isinstance(error, TuttiError) and not isinstance(error, Refused):
            raise
        raise _told(error, url) from error


def turned_away(answer: Answer, words: str = "") -> Exception:
    """What an answer that is no success means: `AgentFailed` where the agent turned the request away, else `OutcomeUnknown`."""
    said = f"The agent answered {answer.status}{': ' + words if words else ''}."
    if answer.status == 429 or (answer.status == 503 and "retry-after" in answer.headers):
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


def _told(error: Exception, url: str) -> Exception:
    """What the failing of an exchange means."""
    match error:
        case Refused():
            return AgentFailed(error.message, hint=error.hint, retry=False)
        case NotReached():
            return AgentFailed(f"The agent does not answer at {_place(url)}.", hint="See whether it runs.", retry=True, busy=True, away=True)
        case TooLarge():
            return Invalid(f"The agent's answer is too large: {error}", code="wrong_output")
        case OSError():
            return OutcomeUnknown(f"The connection to {_place(url)} broke: {error or type(error).__name__}.")
        case _:
            return AgentFailed(f"The request to {_place(url)} cannot be sent: {error}.", retry=False)


def _stays(exchange: Exchange) -> None:
    """Refuse an answer that sends the caller elsewhere, or is coded. Raises: `OutcomeUnknown`, `Invalid` (code wrong_output)."""
    if 300 <= exchange.status < 400 and exchange.status != 304:
        raise OutcomeUnknown("The agent sends callers elsewhere, and redirects are not followed.", hint="Declare the address it means.", retry=False)
    coding = exchange.headers.get("content-encoding", "").lower()
    if coding not in ("", "identity"):
        raise Invalid(f"The agent's answer is coded ({coding[:20]}), which nobody asked for.", code="wrong_output")


async def _sent(outside: Outside, method: str, url: str, headers: Mapping[str, str], body: bytes | None, link: Link, cap: int | None) -> Exchange:
    """A request whose answer is there (as far as its head without a `cap`); it is sent a second time where that is safe and a kept connection was closed before any answer."""
    pool, headers = outside.pool, {**headers, **telemetry.headers()}
    exchange = await pool.send(method, url, headers, body, keep=link.keep, vouch=link.vouch)
    try:
        await (exchange.head() if cap is None else exchange.whole(cap))
    except Cut as error:
        exchange.close()
        process = exchange.marks.get(PROCESS, "")
        if not error.unanswered or not exchange.reused or not (link.durable or (link.processes and process)):
            raise
        try:
            exchange = await pool.send(method, url, headers | {PROCESS: process}, body, keep=0, vouch=link.vouch)
            await (exchange.head() if cap is None else exchange.whole(cap))
        except (OSError, TuttiError):
            raise error from None  # nobody is there any more: what came of the first is not known
        if not link.durable and exchange.headers.get(_PROCESS_KEY) != process:
            exchange.close()
            raise error from None
    except BaseException:
        exchange.close()
        raise
    if link.processes and _PROCESS_KEY in exchange.headers:
        exchange.marks[PROCESS] = exchange.headers[_PROCESS_KEY]
    return exchange


def _place(url: str) -> str:
    """Scheme, host and port: a path or query may hold a token."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0].rpartition('@')[2]}"


async def _events(exchange: Exchange, url: str) -> AsyncIterator[bytes]:
    """The data of server-sent events, one by one. Source: WHATWG HTML, 9.2 (comments, ids and names are passed over)."""
    rest, data, size, count = b"", [], 0, 0
    while True:
        try:
            chunk = await exchange.some()
        except Cut as error:
            raise _told(error, url) from error
        if not chunk:
            return
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
