"""Agent cards: fetched, checked, read into skills, signed.

A card is fetched when an agent is met and when it is looked at again, never for a call. It is what a stranger says of itself: its addresses
go through the egress rule, its schemas are tamed, and with a pinned key it must be signed with that key.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import orjson

from tutti.errors import AgentFailed, Invalid, Refused
from tutti.model import party
from tutti.model.agent import Endpoint, Nature, Skill
from tutti.model.negotiation import Level
from tutti.security import SigningKey, verify
from tutti.transports import calls
from tutti.transports.a2a import wire
from tutti.transports.outside import Found, Outside
from tutti.transports.schemas import tame

Json = dict[str, Any]
_CAP = 1024 * 1024  # bytes of a card
_PATIENCE_S = 10.0
_MOST = 500  # skills of one card
_BINDINGS = ("JSONRPC", "HTTP+JSON")
_CANDOUR = (Level.TABLE.value, Level.SCORE.value, Level.RANK.value, Level.ANSWER.value)  # levels that can be asked over a wire
_ALGORITHMS = ("EdDSA", "Ed25519")
_TIMES = ("timeout", "latency", "fresh_for")
_LONGEST = timedelta(days=30)  # that a card may say of a time


@dataclass(slots=True)
class Cached:
    """A card as it was last seen at an address."""

    etag: str
    card: Json


async def discover(endpoint: Endpoint, outside: Outside) -> Found:
    """Ask an A2A agent who it is. `endpoint.url` is its card's address, or the service's, whose card is then where A2A says.

    Raises: `AgentFailed` when it does not answer, `Invalid` when that is no card, `Refused` for a signature or an address that does not hold.
    """
    card = await _card(endpoint, outside)
    if endpoint.key and not signed_by(card, endpoint.key):
        raise Refused(
            f"The card at {_origin(endpoint.url)} is not signed with this agent's key.",
            hint="Somebody else may answer there; enrol the agent anew if it has a new key.",
        )
    return read(card, endpoint, outside)


async def _card(endpoint: Endpoint, outside: Outside) -> Json:
    cards: dict[str, Cached] = outside.shared.setdefault("a2a.cards", {})
    headers = {"Accept": "application/json", "A2A-Version": wire.VERSION}
    link = calls.Link(keep=0) if endpoint.key else calls.PLAIN  # nobody has vouched for a connection that was only asked for its card
    if endpoint.options.get("auth"):
        headers["Authorization"] = outside.secrets.resolve(endpoint.options["auth"])
    url = endpoint.url.rstrip("/")
    places = [url] if url.endswith(".json") else [url + wire.WELL_KNOWN, endpoint.url, _origin(url) + wire.WELL_KNOWN]
    failure: Exception = AgentFailed(f"There is no agent card at {_origin(url)}.", hint="Give the address of the card.", retry=True)
    for place in dict.fromkeys(places):
        known = cards.get(place)
        try:
            answer = await calls.ask(
                outside, "GET", place, headers=headers | ({"If-None-Match": known.etag} if known and known.etag else {}), cap=_CAP, total=_PATIENCE_S, link=link
            )
        except calls.OutcomeUnknown as error:
            raise AgentFailed(error.message, hint=error.hint, retry=True) from error
        except TimeoutError:
            raise AgentFailed(f"No card came from {_origin(url)} within {_PATIENCE_S:g} s.", retry=True) from None
        if answer.status == 304 and known is not None:
            return known.card
        if answer.status != 200:
            if answer.status in (401, 403):
                failure = calls.turned_away(answer)
            continue
        try:
            card = answer.json()
        except Invalid:
            continue
        if isinstance(card, dict) and isinstance(card.get("name"), str) and isinstance(card.get("skills"), list):
            cards[place] = Cached(answer.headers.get("ETag", ""), card)
            return card
    raise failure


def read(card: Json, endpoint: Endpoint, outside: Outside) -> Found:
    """A card as what the house knows of an agent. Raises: `Invalid`, `Refused`."""
    interface = _interface(card, endpoint, outside)
    capabilities = _object(card.get("capabilities"), "capabilities")
    extensions = {each["uri"]: each for each in capabilities.get("extensions") or [] if isinstance(each, dict) and isinstance(each.get("uri"), str)}
    for uri, extension in extensions.items():
        if extension.get("required") and uri not in (wire.SKILL, wire.PROOF, wire.IDEMPOTENCY, wire.NEGOTIATION):
            raise Invalid(f"The agent demands the extension {uri[:200]}, which Tutti does not know.")
    described = _object(extensions.get(wire.SKILL, {}).get("params"), "params").get("skills")
    known = _object(described, "skills")
    skills: dict[str, Skill] = {}
    ids: dict[str, str] = {}
    if len(card["skills"]) > _MOST:
        raise Invalid(f"The card has more than {_MOST} skills.")
    for entry in card["skills"]:
        id = _object(entry, "a skill").get("id")
        if not isinstance(id, str) or not id or len(id) > 200:
            raise Invalid("A skill of the card has no id.")
        skills[id] = _skill(id, entry, _object(known.get(id), id))
        ids[skills[id].name] = id
    if wire.NEGOTIATION in extensions:
        _join(_object(extensions[wire.NEGOTIATION].get("params"), "params"), skills, ids)
    if not skills:
        raise Invalid("The card has no skill.")
    version = card.get("version") if isinstance(card.get("version"), str) else ""
    options = {"interface": interface, "streaming": capabilities.get("streaming") is True, "ids": ids, "extended": wire.SKILL in extensions}
    if wire.IDEMPOTENCY in extensions:
        options["keys"] = "durable" if _object(extensions[wire.IDEMPOTENCY].get("params"), "params").get("durable") is True else "process"
    if wire.PROOF in extensions:
        options["proves"] = True
    return Found(_name(card["name"]), (version or "1").replace("@", "-").replace("+", "-")[:60], skills, fingerprint(card), options)


def negotiates(skills: Iterable[Skill]) -> list[Json]:
    """The extension by which a card says that its agent takes part in negotiations; nothing where it does not."""
    level = next((skill.level for skill in skills if skill.name == party.SKILL and skill.level), None)
    if level is None:
        return []
    told = Level.SCORE.value if level == Level.FUNCTION.value else level
    params = {"level": told, "schema": party.SCHEMA, "skill": party.SKILL}
    return [{"uri": wire.NEGOTIATION, "description": "It takes part in negotiations: data parts of this schema come in and go out.", "params": params}]


def _join(said: Json, skills: dict[str, Skill], ids: dict[str, str]) -> None:
    """Add what an agent offers by the extension for negotiations; one of another schema is not understood, and so not asked."""
    if said.get("schema") != party.SCHEMA:
        return
    id = said["skill"] if isinstance(said.get("skill"), str) and 0 < len(said["skill"]) <= 200 else party.SKILL
    level = said.get("level") if said.get("level") in _CANDOUR else Level.ANSWER.value
    known = skills.get(id)
    if known is not None:
        ids.pop(known.name, None)
    skills[id] = replace(known or Skill(party.SKILL, Nature.ADVICE, {}, {}), name=party.SKILL, nature=Nature.ADVICE, level=level)
    ids[party.SKILL] = id


async def vouch(endpoint: Endpoint, outside: Outside) -> None:
    """Make sure that whoever answers for an enrolled agent just now has its key; nothing that is kept is believed. Raises: `Refused`, `AgentFailed`.

    An agent whose card says so signs a challenge; of others the card is looked at, which somebody else might show, too.
    """
    if not endpoint.options.get("proves"):
        outside.shared.get("a2a.cards", {}).clear()
        await discover(endpoint, outside)
        return
    challenge = outside.ids.bytes(24).hex()
    url = endpoint.options["interface"]["url"].rstrip("/") + wire.WELL_KNOWN
    try:
        answer = await calls.ask(outside, "GET", url, headers={wire.CHALLENGE: challenge}, cap=_CAP, total=_PATIENCE_S, link=calls.Link(keep=0))
    except (calls.OutcomeUnknown, Invalid, TimeoutError) as error:
        raise AgentFailed(f"Who answers at {_origin(url)} does not show this agent's key: {error or 'no answer'}", retry=True) from error
    try:
        proof = bytes.fromhex(answer.headers.get(wire.PROVEN, ""))
    except ValueError:
        proof = b""
    if not verify(bytes.fromhex(endpoint.key), wire.proof_statement(challenge), proof):
        raise Refused(
            f"Who answers at {_origin(url)} has not this agent's key.", hint="Somebody else may listen there; enrol the agent anew if it has a new key."
        )


def fingerprint(card: Json) -> str:
    """The digest of all that a card says, its signatures left out: they may be made anew without anything having changed."""
    return sha256(orjson.dumps({name: value for name, value in card.items() if name != "signatures"}, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _name(name: str) -> str:
    said = "-".join(name.replace("@", " ").split())[:100]
    if not said:
        raise Invalid("The card's name is empty.")
    return said


def _object(value: Any, what: str) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid(f"The card is no card: {what[:60]} is an object.")
    return value


def _interface(card: Json, endpoint: Endpoint, outside: Outside) -> Json:
    """The first interface of the card that this client speaks; newer versions before older ones.

    The secret that calls carry goes to the host that the operator wrote down, or that a pinned key vouches for, and to no other.
    """
    offers = card.get("supportedInterfaces")
    found = [each for each in offers if isinstance(each, dict)] if isinstance(offers, list) else []
    if not found and isinstance(card.get("url"), str):
        legacy = [{"url": card["url"], "protocolBinding": card.get("preferredTransport") or "JSONRPC"}]
        legacy += [
            {"url": each.get("url"), "protocolBinding": each.get("transport")} for each in card.get("additionalInterfaces") or [] if isinstance(each, dict)
        ]
        found = [{**each, "protocolVersion": card.get("protocolVersion") or wire.LEGACY} for each in legacy]
    spoken = []
    for each in found:
        major, _, minor = str(each.get("protocolVersion") or wire.VERSION).partition(".")
        legacy_wire = (major, minor.partition(".")[0]) == ("0", "3")
        if isinstance(each.get("url"), str) and each.get("protocolBinding") in (("JSONRPC",) if legacy_wire else _BINDINGS) and (legacy_wire or major == "1"):
            spoken.append(
                (legacy_wire, {"url": each["url"], "binding": each["protocolBinding"], "legacy": legacy_wire, "tenant": str(each.get("tenant") or "")})
            )
    if not spoken:
        raise Invalid("The card names no interface that Tutti speaks.", hint="Tutti speaks A2A 1.x over JSONRPC and HTTP+JSON, and 0.3 over JSONRPC.")
    chosen = min(spoken, key=lambda pair: pair[0])[1]
    outside.egress.check(chosen["url"])
    if endpoint.options.get("auth") and not endpoint.key and _origin(chosen["url"]) != _origin(endpoint.url):
        raise Refused(
            f"The card of {_origin(endpoint.url)} has its calls sent to {_origin(chosen['url'])}, and they carry a secret.",
            hint="Declare the agent by the address where it answers, or pin its key.",
        )
    return chosen


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}".lower()


def _skill(id: str, entry: Json, said: Json) -> Skill:
    """A skill of a card; what the extension says of it is taken where it has the right form."""
    name = "-".join(id.split())
    description = str(entry.get("description") or "")[:2000]
    examples = [str(example)[:300] for example in entry.get("examples") or []][:5]
    if examples:
        description += "\nFor example: " + " · ".join(examples)
    values: Json = {"description": description}
    for field in ("input_schema", "output_schema"):
        values[field] = tame(said.get(field) or {}, f"{id}, {field}")
    if said.get("nature") == Nature.ACTION.value:
        values["nature"], values["idempotent"] = Nature.ACTION, said.get("idempotent") is True
        values["reversible"] = said.get("reversible") is True
        values |= {field: said[field] for field in ("amount", "currency", "says") if isinstance(said.get(field), str)}
    for field in _TIMES:
        ms = said.get(f"{field}_ms")
        if isinstance(ms, int | float) and not isinstance(ms, bool) and 0 < ms <= _LONGEST / timedelta(milliseconds=1):
            values[field] = timedelta(milliseconds=ms)
    if isinstance(said.get("cost"), int | float) and not isinstance(said["cost"], bool) and 0 <= said["cost"] < 1e6:
        values["cost"] = float(said["cost"])
    if isinstance(said.get("attempts"), int) and 1 <= said["attempts"] <= 20:
        values["attempts"] = int(said["attempts"])
    return Skill(**{"name": name, "nature": Nature.ADVICE, **values})


# --- signatures -----------------------------------------------------------------------------------------------------


def sign(card: Json, key: SigningKey, kid: str) -> Json:
    """The card, signed: a detached JWS over its RFC 8785 form. Source: A2A 1.0, 8.4; RFC 7515, appendix F.

    Other libraries drop empty texts, lists and objects before they verify; where the card has some, a second signature is over that form.
    """
    forms = dict.fromkeys((_canonical(card), _canonical(_pruned(card) or {})))
    protected = _base64(orjson.dumps({"alg": "EdDSA", "kid": kid, "typ": "JOSE"}))
    made = [{"protected": protected, "signature": _base64(key.sign(f"{protected}.{_base64(form)}".encode()))} for form in forms]
    return {**card, "signatures": made}


def _pruned(value: Any) -> Any:
    """A value without what is empty in it; None where nothing is left."""
    if isinstance(value, dict):
        return {name: kept for name, item in value.items() if (kept := _pruned(item)) is not None} or None
    if isinstance(value, list):
        return [kept for item in value if (kept := _pruned(item)) is not None] or None
    return None if value == "" else value


def signed_by(card: Json, key: str) -> bool:
    """Whether one of the card's signatures is made with the key whose public half this is (hex), over the form that the specification
    has or, failing that, the one that the Python SDK signs. What a signature says about where its key is, is never looked at."""
    return any(_holds(signature, key, _canonical(card)) for signature in _signatures(card)) or _holds_in_sdk_form(card, key)


def _signatures(card: Json) -> list[tuple[str, bytes]]:
    """The protected headers and signatures that name one of our algorithms and are not malformed."""
    found = []
    listed = card.get("signatures")
    for each in listed if isinstance(listed, list) else []:
        try:
            header = orjson.loads(_unbase64(each["protected"]))
            if header["alg"] in _ALGORITHMS and "crit" not in header and "b64" not in header:
                found.append((each["protected"], _unbase64(each["signature"])))
        except (TypeError, KeyError, ValueError, AttributeError):
            continue
    return found


def _holds(signature: tuple[str, bytes], key: str, payload: bytes) -> bool:
    protected, made = signature
    return verify(bytes.fromhex(key), f"{protected}.{_base64(payload)}".encode(), made)


def _holds_in_sdk_form(card: Json, key: str) -> bool:
    if not _signatures(card):
        return False
    from a2a.client.card_resolver import parse_agent_card
    from a2a.utils.signing import SignatureVerificationError, create_signature_verifier
    from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]
    from jwt import PyJWK

    own = PyJWK.from_dict({"kty": "OKP", "crv": "Ed25519", "x": _base64(bytes.fromhex(key))}, "EdDSA")
    try:
        create_signature_verifier(lambda kid, jku: own, ["EdDSA"])(parse_agent_card(card))
    except (SignatureVerificationError, ParseError, ValueError):
        return False
    return True


def _canonical(card: Json) -> bytes:
    import rfc8785

    try:
        return rfc8785.dumps({name: value for name, value in card.items() if name != "signatures"})
    except rfc8785.CanonicalizationError as error:
        raise Invalid(f"The card has no canonical form: {error}") from None


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unbase64(text: str) -> bytes:
    return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
