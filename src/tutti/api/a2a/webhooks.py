"""Webhooks: where clients want to be told of a task. Kept in the journal, told from it: at least once each, in order, however often we restart.

A slow webhook keeps nobody waiting but itself: each has a courier of its own, and tasks never wait for one.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
from collections.abc import Mapping
from typing import Any

import orjson

from tutti import dialogue
from tutti.api.a2a.cards import thumbprint
from tutti.api.a2a.telling import Teller
from tutti.app import Workspace
from tutti.clock import MICROS
from tutti.errors import Conflict, Invalid, NotFound, Refused, TuttiError
from tutti.model.dialogue import MESSAGE
from tutti.model.fact import Draft, Fact
from tutti.reception import Bundle
from tutti.transports.a2a import wire

log = logging.getLogger("tutti.api")
Row = Mapping[str, Any]
Json = dict[str, Any]
_MOST = 16  # webhooks of one task
_WORDS = 4096  # characters of a credential
_TRIES = 12  # before a webhook is given up: about five minutes
_PATIENCE_S = 15.0  # for one delivery; A2A says 10 to 30
_TOGETHER = 64  # deliveries under way at a time
_AGAIN = frozenset({408, 425, 429})  # answers that ask to come again


class Webhooks:
    """The webhooks of one workspace, and their couriers."""

    def __init__(self, workspace: Workspace, teller: Teller) -> None:
        self._workspace = workspace
        self._teller = teller
        self._known: dict[str, set[str]] = {}  # task → its open webhooks
        self._couriers: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._due: set[tuple[str, str]] = set()  # something has happened since its courier last looked
        self._together = asyncio.Semaphore(_TOGETHER)
        self._open = False

    # --- configurations -----------------------------------------------------------------------------------------

    def read(self, params: Any) -> Json:
        """A configuration as a client gives it. Raises: `Invalid`, also for an address that is not called."""
        try:
            self._workspace.outside.egress.check(params.url)
        except Refused as error:
            raise Invalid(f"url: {error.message}", hint=error.hint) from error
        scheme, credentials = params.authentication.scheme, params.authentication.credentials
        for words in (params.url, params.token, params.id, scheme, credentials):
            if len(words) > _WORDS or any(not " " <= letter <= "~" for letter in words):
                raise Invalid("A webhook's texts are printable ASCII of at most 4,096 characters.")
        if scheme and not scheme.replace("-", "").isalnum():
            raise Invalid("authentication: scheme is one word, such as Bearer.")
        config: Json = {"id": params.id or self._workspace.ids.new("w"), "url": params.url}
        if params.token:
            config["token"] = params.token
        if scheme:
            config["authentication"] = {"scheme": scheme, "credentials": credentials}
        return config

    def set(self, bundle: Bundle, task: str, config: Json, subject: str | None, after: int, by: str) -> None:
        """Add a webhook to an append. It is told what happens after the fact `after`."""
        sealed = self._workspace.journal.seal({"id": config["id"], "locked": self._lock(config)}, subject)
        bundle.payloads.append(sealed)
        bundle.add(Draft("push.set", task, by, {"config": self._key(config["id"]), "sealed": sealed.id, "after": after}, -1 if bundle.drafts else None))

    async def create(self, row: Row, config: Json, by: str) -> Json:
        """Set a webhook of a task, in the place of one with the same id."""
        journal, id = self._workspace.journal, row["id"]
        there = await journal.rows("push", {"task": id, "removed": 0}, limit=_MOST + 1)
        if len(there) >= _MOST and self._key(config["id"]) not in {each["config"] for each in there}:
            raise Invalid(f"A task has at most {_MOST} webhooks.", hint="Remove one first.")
        after = journal.hot.seq
        if not row["open"]:
            ends = await journal.facts(about=id, kind=[kind for kind in dialogue.KINDS if kind.startswith("task.")])
            after = ends[-1].seq - 1
        bundle = Bundle()
        self.set(bundle, id, config, await self._workspace.house.subject(row), after, by)
        await self._workspace.corridor.record(bundle)
        return {**config, "taskId": id}

    async def get(self, task: str, id: str) -> Json:
        """One webhook of a task. Raises: `NotFound`."""
        row = await self._workspace.journal.row("push", (task, self._key(id)))
        if row is None or row["removed"] or (config := await self._config(row)) is None:
            raise NotFound(f"{task} has no webhook {id}.")
        return {**config, "taskId": task}

    async def of(self, task: str) -> list[Json]:
        """The webhooks of a task, in the order they came."""
        rows = await self._workspace.journal.rows("push", {"task": task, "removed": 0})
        configs = [await self._config(row) for row in rows]
        return [{**config, "taskId": task} for config in configs if config is not None]

    async def remove(self, task: str, id: str, by: str) -> None:
        """Tell a webhook nothing more."""
        row = await self._workspace.journal.row("push", (task, self._key(id)))
        if row is None or row["removed"]:
            return
        bundle = Bundle()
        bundle.add(Draft("push.removed", task, by, {"config": row["config"]}))
        await self._workspace.corridor.record(bundle)

    def _key(self, id: str) -> str:
        """What stands for a webhook's id in facts: clients choose it, and may write anything."""
        return hmac.digest(self._workspace.journal.keys.subject, f"webhook/{id}".encode(), "sha256").hex()[:32]

    async def _config(self, row: Row) -> Json | None:
        kept = await self._workspace.journal.payload(row["sealed"])
        return None if kept is None else {"id": kept["id"], **self._unlock(kept["locked"], kept["id"])}

    def _lock(self, config: Json) -> str:
        """Address and credentials, unreadable without the workspace's keys."""
        nonce = self._workspace.ids.bytes(12)
        body = orjson.dumps({name: value for name, value in config.items() if name != "id"})
        return base64.b64encode(nonce + self._cipher().encrypt(nonce, body, config["id"].encode())).decode()

    def _unlock(self, locked: str, id: str) -> Json:
        data = base64.b64decode(locked)
        found: Json = orjson.loads(self._cipher().decrypt(data[:12], data[12:], id.encode()))
        return found

    def _cipher(self) -> Any:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(hmac.digest(self._workspace.journal.keys.subject, b"webhooks", "sha256"))

    # --- telling ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Go on where an earlier process stopped."""
        self._open = True
        self._workspace.journal.on_facts.append(self._follow)
        for task, config in self._workspace.journal.hot.table("push"):
            self._known.setdefault(task, set()).add(config)
            self._call(task, config)

    async def close(self) -> None:
        """Stop telling. What was not told is told by the next process."""
        if not self._open:
            return
        self._open = False
        self._workspace.journal.on_facts.remove(self._follow)
        couriers = list(self._couriers.values())
        for courier in couriers:
            courier.cancel()
        await asyncio.gather(*couriers, return_exceptions=True)

    def _follow(self, facts: list[Fact]) -> None:
        for fact in facts:
            if fact.kind == "push.set":
                self._known.setdefault(fact.about, set()).add(fact.data["config"])
            elif fact.kind in ("push.removed", "push.failed") or (fact.kind == "push.delivered" and fact.data["done"]):
                known = self._known.get(fact.about)
                if known is not None:
                    known.discard(fact.data["config"])
                    if not known:
                        del self._known[fact.about]
                continue
            elif not self._known or fact.kind not in dialogue.KINDS:
                continue
            task = fact.data["task"] if fact.kind.startswith("approval.") else fact.about
            for config in self._known.get(task, ()):
                self._call(task, config)

    def _call(self, task: str, config: str) -> None:
        key = (task, config)
        self._due.add(key)
        if self._open and key not in self._couriers:
            self._couriers[key] = asyncio.get_running_loop().create_task(self._courier(key))

    async def _courier(self, key: tuple[str, str]) -> None:
        failures = 0
        try:
            while key in self._due:
                self._due.discard(key)
                try:
                    await self._deliver(*key)
                    failures = 0
                except Conflict:
                    self._due.add(key)  # set anew meanwhile
                except TuttiError as error:  # the database cannot just now
                    failures += 1
                    log.warning("a webhook of %s waits: %s", key[0], error.message)
                    await asyncio.sleep(dialogue.delay(failures))
                    self._due.add(key)
        except Exception:
            log.exception("a webhook of %s met a defect", key[0])
        finally:
            del self._couriers[key]

    async def _deliver(self, task: str, config: str) -> None:
        """Tell one webhook all that it has not been told yet."""
        journal = self._workspace.journal
        push = journal.hot.table("push").get((task, config))
        row = await journal.row("task", (task,))
        if push is None or row is None:
            return
        approvals = await journal.select("SELECT id FROM approval WHERE task = ?", (task,))
        facts = await journal.facts(push["cursor"], [task, *(approval["id"] for approval in approvals)], dialogue.KINDS)
        told = await self._config(push)
        if told is None:  # its subject was erased, and where to tell of it with it
            await self._record(push, {"seq": push["cursor"], "attempts": 0, "status": "erased"}, failed=True)
            return
        memo = await journal.row("memo", (task, MESSAGE)) if row["context"] else None
        message = await journal.payload(memo["value"]) if memo else None
        context = message["contextId"] if isinstance(message, dict) else f"c{task[1:]}"
        for event in dialogue.events(facts):
            body = orjson.dumps(await self._teller.update(row, context, event))
            for attempt in range(1, _TRIES + 1):
                failure, again = await self._post(told, f"{task}/{event.seq}{'' if event.state else '/output'}", body)
                if not failure:
                    break
                if not again or attempt == _TRIES:
                    log.warning("a webhook of %s is given up after %d attempts: %s", task, attempt, failure)
                    await self._record(push, {"seq": event.seq, "attempts": attempt, "status": failure}, failed=True)
                    return
                await asyncio.sleep(dialogue.delay(attempt))
                now = journal.hot.table("push").get((task, config))
                if now is None or now["version"] != push["version"] or await self._config(push) is None:
                    self._due.add((task, config))  # removed, set anew or erased meanwhile: look again
                    return
        if facts:
            done = any(event.last for event in dialogue.events(facts))
            await self._record(push, {"seq": facts[-1].seq, "done": done})

    async def _record(self, push: Row, data: Json, *, failed: bool = False) -> None:
        bundle = Bundle(expect={("push", (push["task"], push["config"])): push["version"]})
        data = {"config": push["config"], **data}
        bundle.add(Draft("push.failed", push["task"], "tutti", data) if failed else Draft("push.delivered", push["task"], "tutti", data))
        await self._workspace.corridor.record(bundle)

    async def _post(self, config: Json, id: str, body: bytes) -> tuple[str, bool]:
        """One delivery: what went wrong (nothing: empty), and whether another attempt may go right."""
        import aiohttp

        outside = self._workspace.outside
        headers = {"content-type": wire.MEDIA_TYPE, "a2a-version": wire.VERSION, "x-tutti-delivery": id, **self.signature(body)}
        if config.get("token"):
            headers["x-a2a-notification-token"] = config["token"]
        if config.get("authentication"):
            headers["authorization"] = f"{config['authentication']['scheme']} {config['authentication']['credentials']}".strip()
        try:
            async with (
                self._together,
                asyncio.timeout(_PATIENCE_S),
                outside.session.post(config["url"], data=body, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except Refused:
            return "refused", False
        except TimeoutError:
            return "timeout", True
        except (aiohttp.ClientError, OSError, TuttiError) as error:
            return type(error).__name__, True
        if 200 <= status < 300:
            return "", False
        return str(status), status >= 500 or status in _AGAIN

    def signature(self, body: bytes) -> dict[str, str]:
        """Headers by which a webhook knows who calls: an Ed25519 signature over time and body, with the key that signs the card."""
        key = self._workspace.journal.keys.journal
        at = str(self._workspace.clock.now() // MICROS)
        made = base64.urlsafe_b64encode(key.sign(f"{at}.".encode() + body)).rstrip(b"=").decode()
        return {"x-tutti-timestamp": at, "x-tutti-signature": f"ed25519={made}", "x-tutti-key": thumbprint(key.public)}
