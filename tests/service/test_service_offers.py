"""What a service offers, and how it introduces itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from a2a.client.card_resolver import parse_agent_card
from a2a.utils.signing import InvalidSignaturesError, create_signature_verifier
from jwt import PyJWK
from service_site import Product, Shop, serving

import tutti
from tutti import Context, Fleet
from tutti.errors import Conflict, Invalid, Refused, StorageFailed
from tutti.security import SigningKey
from tutti.service import Place, offers_of
from tutti.service.identity import load_or_create
from tutti.transports.a2a import sign, signed_by, wire


def plain(wish: Product) -> dict[str, Any]:
    return {"price": 1, "product": wish.product}


async def with_context(wish: Product, ctx: Context) -> str:
    return ctx.key


class Desk:
    @tutti.skill("desk.read")
    async def read(self, text: str) -> int:
        return len(text)

    @tutti.action("desk.write", amount="amount")
    async def write(self, wish: Product) -> str:
        return "written"


class Called:
    name = "llm"

    async def __call__(self, text: str) -> str:
        return text.upper()


def test_functions_objects_callables_and_fleets_are_offered():
    assert list(offers_of(plain).skills) == ["plain"]
    assert list(offers_of(with_context, skill="key.tell", name="teller").skills) == ["key.tell"]
    offers = offers_of(Desk())
    assert (offers.name, sorted(offers.skills)) == ("desk", ["desk.read", "desk.write"])
    assert offers.skills["desk.write"].skill.is_action
    assert offers_of(Called()).name == "llm"
    assert len(offers_of(Shop().fleet()).skills) == 7


def test_the_version_changes_with_the_code_and_only_with_it():
    def other(wish: Product) -> dict[str, Any]:
        return {"price": 2}

    assert offers_of(plain).version == offers_of(plain).version != offers_of(other).version


@pytest.mark.parametrize(("agent", "more", "complaint"), [(3, {}, "int is no agent"), (plain, {"agents": ("x",)}, "Only a fleet")])
def test_what_is_no_agent_is_said(agent, more, complaint):
    with pytest.raises(Invalid, match=complaint):
        offers_of(agent, **more)


def test_rivals_of_a_fleet_are_served_one_by_one():
    fleet = Fleet("rivals")
    for name in ("a", "b"):
        fleet.agent(skill="price.quote", department="revenue", name=name)(plain)
    with pytest.raises(Invalid, match="Two agents"):
        offers_of(fleet)
    with pytest.raises(Invalid, match="no agent c"):
        offers_of(fleet, agents=("c",))
    assert offers_of(fleet, agents=("a",)).name == "a"


def test_the_key_is_made_once_for_its_owner_only(tmp_path):
    path = tmp_path / "agent.key"
    key = load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_or_create(path).secret == key.secret
    path.chmod(0o644)
    with pytest.raises(Refused, match="Others may read"):
        load_or_create(path)
    path.chmod(0o600)
    path.write_text("beef")
    with pytest.raises(StorageFailed, match="damaged"):
        load_or_create(path)


async def test_the_card_is_signed_so_that_others_can_check_it(tmp_path):
    async with serving(Shop().fleet(), tmp_path) as url, aiohttp.ClientSession() as session:
        async with session.get(url + wire.WELL_KNOWN) as response:
            card, etag = await response.json(), response.headers["ETag"]
        async with session.get(url + wire.WELL_KNOWN, headers={"If-None-Match": etag}) as response:
            assert response.status == 304
    key = load_or_create(tmp_path / "agent.key").public.hex()
    assert signed_by(card, key)
    own = PyJWK.from_dict({"kty": "OKP", "crv": "Ed25519", "x": wire_key(key)}, "EdDSA")
    verifier = create_signature_verifier(lambda kid, jku: own, ["EdDSA"])
    verifier(parse_agent_card(json.loads(json.dumps(card))))
    params = card["capabilities"]["extensions"][0]["params"]["skills"]
    assert params["price.change"]["nature"] == "action"
    assert params["price.quote"]["input_schema"]["required"] == ["product"]
    altered = {**card, "name": "somebody else"}
    assert not signed_by(altered, key)
    with pytest.raises(InvalidSignaturesError):
        verifier(parse_agent_card(altered))


def wire_key(public: str) -> str:
    import base64

    return base64.urlsafe_b64encode(bytes.fromhex(public)).rstrip(b"=").decode()


@pytest.mark.parametrize("field", ["name", "description", "version", "supportedInterfaces", "capabilities", "skills", "defaultInputModes"])
def test_a_card_altered_in_any_field_does_not_hold(field):
    key = SigningKey(b"k" * 32)
    from tutti.service.offers import card_of

    card = sign(card_of(offers_of(plain), "http://127.0.0.1:1", bearer=True), key, "k")
    assert signed_by(card, key.public.hex())
    assert not signed_by(card, SigningKey(b"o" * 32).public.hex())
    assert not signed_by({**card, field: "altered"}, key.public.hex())
    assert not signed_by({name: value for name, value in card.items() if name != field}, key.public.hex())
    assert not signed_by({**card, "signatures": [{"protected": "e30", "signature": "AA"}, "x", {}]}, key.public.hex())


@pytest.mark.parametrize(
    ("place", "complaint"), [({"host": "0.0.0.0"}, "everybody could call"), ({"host": "0.0.0.0", "token": "x"}, "in the clear"), ({"host": "::"}, "everybody")]
)
async def test_it_is_not_reachable_by_others_without_a_token_and_tls(tmp_path, place, complaint):
    with pytest.raises(Refused, match=complaint):
        async with serving(plain, tmp_path, **place):
            pass
    Place(host="0.0.0.0", token="x", behind_proxy=True).check()
    Place(host="localhost").check()


async def test_a_port_that_is_taken_is_said_and_can_be_taken_over(tmp_path):
    async with serving(plain, tmp_path) as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(Conflict, match=str(port)):
            async with serving(plain, tmp_path, port=port):
                pass
        async with serving(plain, tmp_path, port=port, takeover=True) as second:
            assert second == url


def test_the_command_serves_says_where_and_stops_gently(tmp_path):
    (tmp_path / "shop_agent.py").write_text("async def price(product: str) -> str:\n    return f'{product} costs 5'\n")
    command = [str(Path(sys.executable).parent / "tutti"), "serve-agent", "shop_agent:price", "--skill", "price.quote", "-o", "ndjson"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "TUTTI_AGENT_TOKEN": ""})
    try:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert (said["name"], said["skills"]) == ("price", ["price.quote"])
        assert (tmp_path / "price.key").stat().st_mode & 0o777 == 0o600
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("what", "code", "words"), [("nothing", 2, "names no agent"), ("no_such:thing", 3, "no module"), ("json:no_such", 3, "has no no_such")]
)
def test_the_command_says_what_is_wrong_in_one_line(tmp_path, what, code, words):
    command = [str(Path(sys.executable).parent / "tutti"), "serve-agent", what]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, words in done.stderr, "Traceback" in done.stderr) == (code, True, False)


def test_one_that_lives_with_its_parent_ends_with_standard_input(tmp_path):
    (tmp_path / "shop_agent.py").write_text("async def price(product: str) -> str:\n    return f'{product} costs 5'\n")
    command = [str(Path(sys.executable).parent / "tutti"), "serve-agent", "shop_agent:price", "--with-parent", "-o", "ndjson"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    process = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "TUTTI_AGENT_TOKEN": ""}, **pipes)
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline()
        assert process.poll() is None
        process.stdin.close()
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            pipe.close()
