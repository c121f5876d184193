"""A service's place in a workspace: it comes in with a one-use code, is known by its key ever after, and knows whose calls to take.

Kept beside its key: which workspace it belongs to, where that is, and the public key that tokens for it are signed with.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from tutti import errors
from tutti.clock import MICROS
from tutti.errors import Invalid, Refused, StorageFailed, TuttiError, Unauthenticated, Unreachable
from tutti.security import SigningKey
from tutti.security.enrolment import is_code, make_assertion, make_proof
from tutti.security.tokens import SKEW_S, thumbprint, unb64, verify_token
from tutti.transports import Outside

Json = dict[str, Any]
_PATIENCE_S = 30.0  # the workspace asks for the card meanwhile
_CAP = 1024 * 1024
_REMEMBERED = 1000  # tokens that were found good
_FAMILIES = {family.code: family for family in vars(errors).values() if isinstance(family, type) and issubclass(family, TuttiError)}


@dataclass(frozen=True, slots=True)
class Known:
    """The workspace that a service belongs to."""

    server: str
    issuer: str
    key: str  # public half (hex) of what the workspace signs tokens with
    name: str

    @property
    def workspace(self) -> str:
        """Its name."""
        return self.issuer.removeprefix("tutti/")


@dataclass(slots=True)
class Membership:
    """What a service does to be in a workspace. Without `code` it must have been taken in before."""

    name: str
    place: Path  # of what is kept
    outside: Outside
    server: str = ""
    code: str = ""
    known: Known | None = None
    _good: OrderedDict[bytes, int] = field(default_factory=OrderedDict)  # digests of tokens → when they end, in seconds

    def __post_init__(self) -> None:
        self.server = self.server.rstrip("/")
        self.known = _read(self.place)
        if self.code:
            if not is_code(self.code):
                raise Invalid("This is no enrolment code.", hint=f"Get one with `tutti agents enrol {self.name} --department …`; it begins with enrol_.")
            if not self.server:
                raise Invalid("An enrolment code is for a workspace that is served.", hint="Say where: --server https://…")
        elif self.known is None:
            raise Invalid(f"{self.name} is not enrolled at {self.server}.", hint=f"Give --enrol CODE, from `tutti agents enrol {self.name} --department …`.")
        elif self.known.name != self.name:
            raise Refused(
                f"This key is enrolled as {self.known.name}, not as {self.name}.", hint="Name another --key, or start it as --name " + self.known.name
            )
        self.server = self.server or (self.known.server if self.known else "")
        _check(self.server)
        self.outside.egress.allow(self.server)

    async def join(self, key: SigningKey, url: str) -> Json:
        """Come in, or come again: what the workspace says of this agent. Its card must be answered at `url` meanwhile.

        Raises: `Unreachable`, `Refused`, `Conflict`, `Unauthenticated`, `Invalid`; each says what to do.
        """
        if (urlsplit(url).hostname or "") in ("0.0.0.0", "::"):
            raise Invalid(f"Nobody can call {url}.", hint="Say where callers find it: --public-url https://…")
        found = await self._keys()
        if not self.code:
            if self.known is not None and (found.issuer, found.key) != (self.known.issuer, self.known.key):
                raise Refused(
                    f"{self.server} is not the workspace that {self.name} is enrolled at.", hint="Give its --server, or enrol anew with --enrol CODE."
                )
            return await self._again(key, found, url)
        proof = make_proof(key, code=self.code, name=self.name, workspace=found.workspace, url=url)
        said = await self._ask("POST", "/v1/enrolments/use", {"code": self.code, "name": self.name, "url": url, "key": key.public.hex(), "proof": proof})
        _write(self.place, found)
        self.known, self.code = found, ""
        return said

    def admits(self, header: str) -> bool:
        """Whether this is a token that the workspace has made for this agent."""
        if self.known is None or not header.startswith("Bearer "):
            return False
        now = self.outside.clock.now()
        digest = sha256(header.encode("latin-1", "replace")).digest()
        until = self._good.get(digest)
        if until is None:
            try:
                token = verify_token(header[7:], bytes.fromhex(self.known.key), issuer=self.known.issuer, audience=f"agent/{self.name}", now=now)
            except Unauthenticated:
                return False
            until = self._good[digest] = token.expires_at
            if len(self._good) > _REMEMBERED:
                self._good.popitem(last=False)
        return until + SKEW_S > now // MICROS

    async def _again(self, key: SigningKey, known: Known, url: str) -> Json:
        outside = self.outside
        assertion = make_assertion(key, agent=self.name, workspace=known.workspace, now=outside.clock.now(), ids=outside.ids)
        token = await self._ask("POST", "/v1/agent-tokens", {"agent": self.name, "assertion": assertion})
        return await self._ask("POST", "/v1/enrolments/again", {"url": url}, token=str(token["access_token"]))

    async def _keys(self) -> Known:
        """Who the workspace says it is: believed when the service is enrolled, and held to ever after."""
        said = await self._ask("GET", "/v1/keys")
        try:
            [key] = said["keys"]
            public, issuer = unb64(key["x"]), said["issuer"]
            if len(public) != 32 or key["kid"] != thumbprint(public) or not issuer.startswith("tutti/"):
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Unreachable(f"No workspace answers at {self.server}.", hint="Does another program listen there?") from None
        return Known(self.server, issuer, public.hex(), self.name)

    async def _ask(self, method: str, path: str, body: Json | None = None, *, token: str = "") -> Json:
        import aiohttp

        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        more: Json = {} if body is None else {"data": orjson.dumps(body)}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            async with self.outside.session_for(0).request(
                method, self.server + path, headers=headers, allow_redirects=False, timeout=aiohttp.ClientTimeout(_PATIENCE_S), **more
            ) as answer:
                status, raw = answer.status, await answer.content.read(_CAP)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{self.server} does not answer ({str(error) or type(error).__name__}).", hint="See whether `tutti up` runs there.") from None
        try:
            said = orjson.loads(raw)
        except orjson.JSONDecodeError:
            said = None
        if status in (200, 201) and isinstance(said, dict):
            return said
        if not isinstance(said, dict) or "detail" not in said:
            raise Unreachable(f"No workspace answers at {self.server} (status {status}).", hint="Does another program listen there?")
        family = Unreachable if status >= 500 and status != 502 else _FAMILIES.get(str(said.get("code")), Refused)
        raise family(f"{self.server} does not take {self.name} in: {said['detail']}", hint=str(said.get("hint", "")))


def _check(server: str) -> None:
    """A code or a token is not sent where everybody on the way can read it. Raises: `Invalid`."""
    parts = urlsplit(server)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.username:
        raise Invalid(f"{server} is no address of a server.", hint="Give https://host, or http://127.0.0.1:port.")
    try:
        loopback = ip_address(parts.hostname).is_loopback
    except ValueError:
        loopback = parts.hostname == "localhost"
    if parts.scheme == "http" and not loopback:
        raise Invalid(f"The code would go to {server} in the clear.", hint="Give its address with https://.")


def _read(place: Path) -> Known | None:
    try:
        if place.stat().st_mode & 0o077:
            raise Refused(f"Others may read {place}.", hint=f"chmod 600 {place}")
        return Known(**orjson.loads(place.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError, TypeError) as error:
        raise StorageFailed(f"{place} cannot be read ({type(error).__name__}).", hint="Put it back, or remove it and enrol anew with --enrol CODE.") from None


def _write(place: Path, known: Known) -> None:
    """Replace what is kept, whole or not at all."""
    fresh = place.with_name(place.name + ".new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(orjson.dumps(asdict(known), option=orjson.OPT_INDENT_2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(place)
    except OSError as error:
        raise StorageFailed(f"{place} cannot be written: {error.strerror or error}.", hint="Put the --key where the service may write.") from error
