"""The declaration itself: a method for each thing a user can say of their agents. Long by its signatures: every option stands where one looks for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, TypeVar

from tutti.conflicts import check_intent
from tutti.errors import Invalid
from tutti.evaluation import Check
from tutti.fleet.declaration import Declaration
from tutti.fleet.declared import Remote
from tutti.fleet.parties import answering, level_of, methods_of, scorer
from tutti.fleet.playbooks import border, digest_of, playbook_of
from tutti.fleet.resources import listed, plain_intents
from tutti.intake import ALIKE, Subscriptions
from tutti.model.agent import AgentCard, Endpoint, Nature, Skill
from tutti.model.conflict import Intent
from tutti.model.money import to_millionths
from tutti.model.negotiation import Level as Candour
from tutti.model.party import SKILL, PartyAnswer, PartyQuestion
from tutti.model.plan import Step
from tutti.model.route import Bidder
from tutti.model.signal import Subscription
from tutti.model.usage import Price
from tutti.planning import ANSWER, INSTRUCTIONS
from tutti.planning import SKILL as PROPOSE
from tutti.registry import Condition, card_to_json
from tutti.routing import CONDITION_NAMES
from tutti.transports import Bound, Brought, Spec, Tools, bind, bring, framework_of, llm_agent, wanted

F = TypeVar("F", bound=Callable[..., Any])
_DEFAULT_CONCURRENCY = {"async": 64, "thread": 8, "process": 2}


class Fleet(Declaration):
    """A declaration of agents and of what they may do. Nothing runs until a `Workspace` opens it."""

    # --- agents -------------------------------------------------------------------------------------------------

    def agent(
        self,
        *,
        skill: str,
        department: str,
        owner: str = "",
        name: str | None = None,
        version: str = "1",
        quality: float = 0.5,
        cost: float = 0.0,
        latency: timedelta = timedelta(milliseconds=50),
        concurrency: int | None = None,
        timeout: timedelta = timedelta(seconds=30),
        attempts: int = 3,
        cpu: bool = False,
        when: str | None = None,
        shares: str | None = None,
        fresh_for: timedelta | None = None,
        same_by: Literal["exact", "meaning"] = "exact",
        alike: float = ALIKE,
        across_subjects: bool = False,
        bids: Bidder | None = None,
    ) -> Callable[[F], F]:
        """Declare a function as an agent that gives advice: its output is information, it has no effect outside.

        `quality` (0..1), `cost` (in the fleet's currency) and `latency` are what the card claims; judgements correct them. `when` is a CEL
        condition over input, case, subject, priority. `shares` keeps the outcome as what is known of the subject under that topic.
        `fresh_for` lets the same question within that time be answered by the first result; with `same_by="meaning"` also the same question in other
        words (from the similarity `alike` on), about the same subject or with `across_subjects=True` about any. `cpu=True` runs a plain function in a process of its own.
        `bids` is a quick function of a task's input that says what the agent can do for this one (`Bid`), or None where it declines it.
        """
        offer = {
            "quality": quality,
            "cost": cost,
            "latency": latency,
            "timeout": timeout,
            "attempts": attempts,
            "when": when,
            "shares": shares,
            "fresh_for": fresh_for,
            **_alike(skill, fresh_for, same_by, alike, across_subjects),
        }
        return self._declare(skill, Nature.ADVICE, offer, department, owner, name, version, concurrency, cpu, bids)

    def action(
        self,
        skill: str,
        *,
        department: str,
        owner: str = "",
        name: str | None = None,
        version: str = "1",
        amount: str | None = None,
        currency: str | None = None,
        idempotent: bool = False,
        reversible: bool = False,
        says: str | None = None,
        intends: Sequence[Intent] = (),
        undo: str | None = None,
        quality: float = 0.5,
        cost: float = 0.0,
        latency: timedelta = timedelta(milliseconds=50),
        concurrency: int | None = None,
        timeout: timedelta = timedelta(seconds=30),
        attempts: int = 3,
        cpu: bool = False,
        when: str | None = None,
        bids: Bidder | None = None,
    ) -> Callable[[F], F]:
        """Declare a function as an agent that acts: it has an effect outside, and its input is the exact parameters.

        `amount` names the input field that levels and budgets count. `idempotent=True` promises that one key has one effect, however often the
        function is called; without it an unknown outcome is parked for a person, never tried again. `says` is the question put to a person,
        a format string over the input: "Pay {amount:.2f} EUR to account {account}." `intends` says what the action touches, as templates over its
        input: `Intent("price/{account}", effect="discount", lasts=timedelta(days=30))`. `undo` names the action that undoes it, with the same input.
        """
        offer = {
            "quality": quality, "cost": cost, "latency": latency, "timeout": timeout, "attempts": attempts, "when": when,
            "amount": amount, "currency": currency or (self.currency if amount else None), "idempotent": idempotent, "reversible": reversible, "says": says,
            "intends": listed(skill, intends), "undo": undo,
        }  # fmt: skip
        return self._declare(skill, Nature.ACTION, offer, department, owner, name, version, concurrency, cpu, bids)

    def add(
        self,
        agent: object,
        *,
        department: str,
        owner: str = "",
        name: str | None = None,
        version: str = "1",
        concurrency: int | None = None,
        skill: str = "",
        action: str = "",
        input: Any = Any,
        output: Any = Any,
        to: Callable[[Any], Any] | None = None,
        from_: Callable[[Any], Any] | None = None,
        tools: Tools = (),
        **offer: Any,
    ) -> None:
        """Declare an object whose methods carry `@skill` or `@action` as one agent with several skills; or, with `skill=` or `action=`,
        an agent made with LangGraph, CrewAI, OpenAI Agents SDK, Microsoft Agent Framework or pydantic-ai.

        `to` makes the agent's input of the task's, `from_` the output of its result; without them text is a message, and data are the state of
        a graph, the inputs of a crew, or a message in JSON. `tools` are skills of the fleet, through the gates. `offer` takes description,
        quality, cost, latency, timeout, attempts, when, shares, fresh_for, and for actions idempotent, reversible, amount, currency, says, intends, undo.
        What such an agent does with tools of its own goes past the gates: declare it as an action where that has effects.
        """
        if skill or action:
            return self._bring(agent, skill, action, department, owner, name, version, concurrency, input, output, to, from_, tools, offer)
        if framework_of(agent):
            raise Invalid(f"{type(agent).__name__} is to be added without a skill.", hint='Give it skill="noun.verb".')
        found = 0
        for _, method in inspect.getmembers(agent, callable):
            declared = getattr(method, "__tutti__", None)
            if declared is not None:
                found += 1
                kind, skill_name, options = declared
                declare = self.agent if kind == "skill" else self.action
                whole = {
                    **options,
                    "department": department,
                    "owner": owner,
                    "name": name or type(agent).__name__.lower(),
                    "version": version,
                    "concurrency": concurrency,
                }
                declare(skill=skill_name, **whole)(method)
        if not found:
            raise Invalid(f"{type(agent).__name__} has no skill.", hint="Mark its methods with @tutti.skill(...) or @tutti.action(...).")
        return None

    def _bring(
        self,
        agent: object,
        skill: str,
        action: str,
        department: str,
        owner: str,
        name: str | None,
        version: str,
        concurrency: int | None,
        input: Any,
        output: Any,
        to: Callable[[Any], Any] | None,
        from_: Callable[[Any], Any] | None,
        tools: Tools,
        offer: dict[str, Any],
    ) -> None:
        if skill and action:
            raise Invalid(f"{skill} is advice or an action, not both.", hint="Give skill= or action=.")
        offered, nature = skill or action, Nature.ACTION if action else Nature.ADVICE
        said = getattr(agent, "name", None)
        name = name or (said if isinstance(said, str) and said and said != "LangGraph" else offered.replace(".", "-"))  # its default name says nothing
        known = {field for field in Skill.__dataclass_fields__ if field not in ("name", "nature", "input_schema", "output_schema")}
        if set(offer) - known:
            raise Invalid(f"{offered} ({name}): {min(set(offer) - known)} is no option.", hint=f"Options are {', '.join(sorted(known))}.")
        defaults: dict[str, Any] = {"quality": 0.5, "attempts": 3, "timeout": timedelta(seconds=300), "latency": timedelta(seconds=3)}
        if action:
            defaults |= {"idempotent": False, "currency": self.currency if offer.get("amount") else None}
        bound = bring(Brought(agent, name, to, from_, wanted(tools)), input, output, f"{offered} ({name})")
        self._offer(offered, nature, defaults | offer, department, owner, name, version, concurrency, bound)

    # --- agents made elsewhere ----------------------------------------------------------------------------------

    def llm_agent(
        self,
        name: str,
        *,
        instructions: str,
        department: str,
        model: str = "",
        skill: str = "",
        skills: Mapping[str, Any] | None = None,
        output: Any = str,
        input: Any = Any,
        tools: Tools = (),
        base_url: str = "",
        api_key: str = "",
        price: tuple[float | Decimal, ...] | None = None,
        max_tokens: int = 4096,
        temperature: float | None = None,
        mode: str = "tool",
        retries: int = 2,
        max_calls: int = 16,
        stream: bool = False,
        settings: Mapping[str, Any] | None = None,
        owner: str = "",
        description: str = "",
        version: str = "1",
        quality: float = 0.5,
        latency: timedelta = timedelta(seconds=3),
        concurrency: int = 16,
        timeout: timedelta = timedelta(seconds=60),
        attempts: int = 3,
        when: str | None = None,
        shares: str | None = None,
        fresh_for: timedelta | None = None,
        same_by: Literal["exact", "meaning"] = "exact",
        alike: float = ALIKE,
        across_subjects: bool = False,
        negotiates: str = "",
    ) -> None:
        """Declare a language model with instructions as an agent that gives advice; what it wants done it proposes, through the gates.

        `model` is "provider:name", or any name with the `base_url` of an API that speaks as OpenAI's does; `api_key` is a reference
        ("secret://name"), read when it is called. `output` is `str`, a type (pydantic model, dataclass …) or a JSON Schema; an answer that does
        not fit is sent back up to `retries` times. `skills` maps several skills to their outputs. `tools` are skills of the fleet (MCP tools too):
        advice is asked for, an action is proposed, or waited for with {"refund.pay": {"wait": True}}. `price` is (per million tokens in, out), in
        the fleet's currency, with a third number for what the provider's cache served. `max_tokens` is the most that one answer may have,
        `max_calls` the most calls of one run. What makes its answers what they are makes its version: `1+digest`. `negotiates` (score, rank or
        answer) is the level at which it takes part in negotiations: it is asked typed questions and answers in the same form, nothing else.
        """
        if negotiates not in ("", "score", "rank", "answer"):
            raise Invalid(f"LLM agent {name} cannot negotiate at level {negotiates!r}.", hint="Levels are score, rank and answer.")
        outputs = dict(skills or {}) | ({skill: output} if skill else {}) | ({SKILL: PartyAnswer} if negotiates else {})
        if not outputs:
            raise Invalid(f"LLM agent {name} offers no skill.", hint='Give it skill="noun.verb", or skills={"noun.verb": Output}.')
        paid = None
        if price is not None:
            if len(price) not in (2, 3):
                raise Invalid(f"LLM agent {name}: price is (in, out) or (in, out, cached), per million tokens.")
            numbers = [to_millionths(each, f"price of {name}") for each in price]
            if min(numbers) < 0:
                raise Invalid(f"LLM agent {name}: a price is 0 or more.")
            paid = Price(numbers[0], numbers[2] if len(numbers) == 3 else numbers[0], numbers[1])
        specs = {
            offered: Spec(
                name, model, instructions, base_url, api_key, PartyQuestion if offered == SKILL else input, form, mode, wanted(tools), max_tokens, temperature, timeout, retries, max_calls, stream,
                paid, dict(settings or {}),
            )
            for offered, form in outputs.items()
        }  # fmt: skip
        self.models.add(name)
        bound = {offered: llm_agent(spec, f"{offered} ({name})") for offered, spec in specs.items()}
        digest = sha256("".join(spec.digest() for spec in specs.values()).encode()).hexdigest()[:12]
        offer = {
            "description": description or instructions.strip().splitlines()[0][:200], "quality": quality, "latency": latency, "timeout": timeout,
            "attempts": attempts, "when": when, "shares": shares, "fresh_for": fresh_for, **_alike(name, fresh_for, same_by, alike, across_subjects),
        }  # fmt: skip
        for offered, edge in bound.items():
            level = {"level": negotiates or None} if offered == SKILL else {}
            self._offer(offered, Nature.ADVICE, offer | level, department, owner, name, f"{version}+{digest}", concurrency, edge)

    # --- parties to negotiations --------------------------------------------------------------------------------

    def party(
        self,
        party: object,
        *,
        name: str,
        department: str,
        level: str = "",
        owner: str = "",
        version: str = "1",
        cost: float = 0.0,
        latency: timedelta = timedelta(milliseconds=50),
        concurrency: int | None = None,
        timeout: timedelta = timedelta(seconds=30),
    ) -> None:
        """Declare an object (or a mapping of functions) as an agent that takes part in negotiations.

        It has `score(outcomes)`, which gives a number for each (more is better), and `respond(outcome)`, which gives True, False, an outcome that it would
        rather have (one issue changed), or both, (True, outcome); or `rank(outcomes)`, their places best first; or `utility()`, {issue: {value: number}}.
        Outcomes are {issue: value}; None is no agreement. A method that takes `about` is told what the negotiation is about. `level` (table, function,
        score, rank, answer) is how much it says of what it wants; without one, the most that it can.
        """
        methods = methods_of(party, name)
        declared = level_of(methods, level, name)
        answer = answering(methods)
        bound = bind(answer, where=f"{SKILL} ({name})")
        answer.__wrapped__ = next(iter(methods.values())) if isinstance(party, Mapping) else type(party)  # type: ignore[attr-defined]  # its code makes the version
        offer = {
            "description": inspect.getdoc(answer) or "", "level": declared.value, "quality": 0.5, "cost": cost, "latency": latency, "timeout": timeout,
            "attempts": 2,
        }  # fmt: skip
        self._offer(SKILL, Nature.ADVICE, offer, department, owner, name, version, concurrency, bound)
        if declared is Candour.FUNCTION:
            self.scorers[name] = scorer(methods)

    # --- agents outside -----------------------------------------------------------------------------------------

    def remote(
        self,
        card: str,
        *,
        department: str,
        owner: str = "",
        name: str = "",
        skills: Mapping[str, Mapping[str, Any]] | None = None,
        auth: str = "",
        push: bool = False,
        concurrency: int = 16,
    ) -> None:
        """Declare an A2A service by the address of its agent card (or of the service; the card is looked for where A2A says).

        What it offers is advice unless `skills` says otherwise: it maps the service's skill ids to options such as as_, nature ("action"),
        amount, idempotent, timeout, quality; with `skills`, only those are taken. `auth` is a header's value for its calls, for example
        "Bearer secret://pricing". `push=True` has answers pushed here instead of asked for.
        """
        options = {"skills": {id: dict(offer) for id, offer in (skills or {}).items()}, "auth": auth, "push": push}
        self._outside("a2a", card, options, department, owner, name, concurrency)

    def mcp(
        self,
        server: str,
        *,
        department: str,
        owner: str = "",
        name: str = "",
        tools: Mapping[str, Mapping[str, Any]] | None = None,
        auth: str = "",
        concurrency: int = 8,
    ) -> None:
        """Declare an MCP server: each of its tools becomes a skill `name.tool` of one agent, with the gates and budgets of any other.

        Tools are actions that are not idempotent, unless the server marks them as reading only or `tools` says otherwise. With `tools`, only
        those are taken; its options are as in `remote`.
        """
        self._outside("mcp", server, {"skills": {id: dict(offer) for id, offer in (tools or {}).items()}, "auth": auth}, department, owner, name, concurrency)

    def http_agent(
        self,
        name: str,
        *,
        department: str,
        openapi: str | Path | Mapping[str, Any] | None = None,
        operations: Sequence[str] = (),
        base_url: str = "",
        webhook: str = "",
        skill: str = "",
        input: Mapping[str, Any] | None = None,
        output: Mapping[str, Any] | None = None,
        reply: Literal["response", "polling", "callback"] = "response",
        secret: str = "",
        action: bool | None = None,
        skills: Mapping[str, Mapping[str, Any]] | None = None,
        auth: str = "",
        owner: str = "",
        concurrency: int = 16,
    ) -> None:
        """Declare an agent that speaks plain HTTP: operations of an OpenAPI document (a path, a URL or the document), or one webhook.

        Each operation becomes a skill `name.operationId`; a webhook is POSTed the input of `skill`, whose JSON Schemas are `input` and
        `output`. GET is advice, everything else an action that is not idempotent, unless `action` or `skills` (options as in `remote`, by
        operation id or skill) says otherwise. `reply` says how a webhook answers: in the response, by polling (202 and a Location), or by a
        callback signed with `secret` ("secret://…"). `auth` is the value of the header Authorization, secrets by reference.
        """
        from tutti.transports.http_agents import declared

        url, options = declared(name, openapi, operations, base_url, webhook, skill, input, output, reply, secret, action, auth)
        options["skills"] = {id: dict(offer) for id, offer in (skills or {}).items()}
        self._outside("http", url, options, department, owner, name, concurrency)

    def _outside(self, transport: str, url: str, options: dict[str, Any], department: str, owner: str, name: str, concurrency: int) -> None:
        if not url.startswith(("http://", "https://")):
            raise Invalid(f"{url!r} is no address.", hint="Write https://host/path.")
        if concurrency < 1:
            raise Invalid(f"{url}: concurrency is 1 or more.")
        if any(remote.endpoint.url == url and remote.name == name for remote in self.remotes):
            raise Invalid(f"{url} is declared twice.", hint="Remove one of the two lines, or give the second a name= of its own.")
        options["skills"] = {id: plain_intents(offer) for id, offer in options.get("skills", {}).items()}
        self.remotes.append(Remote(Endpoint(transport, url, options), department, owner, name, concurrency))

    def _declare(
        self, skill: str, nature: Nature, offer: dict[str, Any], department: str, owner: str, name: str | None, version: str, concurrency: int | None, cpu: bool,
        bids: Bidder | None,
    ) -> Callable[[F], F]:  # fmt: skip
        self._check_offer(skill, nature, offer, concurrency)

        def decorate(function: F) -> F:
            called = str(getattr(function, "__name__", skill))
            bound = bind(function, cpu=cpu, where=f"{skill} ({called})")
            described = {"description": inspect.getdoc(function) or "", **offer}
            self._offer(skill, nature, described, department, owner, name or called, version, concurrency, bound)
            if bids is not None:
                self.bids[name or called, version, skill] = bids
            return function

        return decorate

    def _check_offer(self, skill: str, nature: Nature, offer: Mapping[str, Any], concurrency: int | None) -> None:
        if not skill or " " in skill:
            raise Invalid(f"{skill!r} is no skill name.", hint="Write noun.verb, for example ticket.triage.")
        if not 0.0 <= offer["quality"] <= 1.0 or offer["attempts"] < 1 or (concurrency is not None and concurrency < 1):
            raise Invalid(f"{skill}: quality is 0..1, attempts and concurrency are 1 or more.")
        rivals = [card.skills[skill] for card in self.cards.values() if skill in card.skills]
        if rivals and rivals[0].nature is not nature:
            raise Invalid(
                f"{skill} is declared as {rivals[0].nature} already.", hint="A skill is advice or an action for all its agents; give this one another name."
            )

    def _offer(
        self, skill: str, nature: Nature, offer: Mapping[str, Any], department: str, owner: str, name: str, version: str, concurrency: int | None, bound: Bound
    ) -> None:
        """Take a bound function in as an agent's skill."""
        self._check_offer(skill, nature, offer, concurrency)
        where = f"{skill} ({name})"
        if offer.get("when") is not None:
            Condition(offer["when"], CONDITION_NAMES, f"{where}: when={offer['when']!r}", "has(case.risk) && case.risk > 0.5")
        _check_amount(where, offer.get("amount"), bound.input_schema)
        rival = next((card.skills[skill] for card in self.cards.values() if skill in card.skills), None)
        if rival is not None and rival.intends != tuple(offer.get("intends", ())):
            raise Invalid(f"{where} does not touch what the other agents of {skill} touch.", hint="Give all of them the same intends=.")
        for intent in offer.get("intends", ()):
            check_intent(intent, bound.input_schema, where)
        described = Skill(skill, nature, bound.input_schema, bound.output_schema, **offer)
        self._take(name, version, department, owner, described, bound, concurrency, bound.function)

    def _take(
        self, name: str, version: str, department: str, owner: str, skill: Skill, bound: Bound, concurrency: int | None, function: Callable[..., Any]
    ) -> None:
        if "@" in name or "@" in version:
            raise Invalid(f"{name} {version}: names and versions have no @.")
        card = self.cards.get((name, version))
        if card is not None and skill.name in card.skills:
            raise Invalid(
                f"Agent {name} {version} offers {skill.name} already.", hint="Give the second one another name=, or another version= if it is a newer one."
            )
        if card is not None and card.department != department:
            raise Invalid(f"Agent {name} {version} is in department {card.department} already.", hint="Give the second one another name=.")
        limit = concurrency or _DEFAULT_CONCURRENCY[bound.mode]
        card = card or AgentCard(name, version, department, owner, {}, limit)
        card = replace(card, skills={**card.skills, skill.name: skill}, digest="")
        source = _source(function)
        digest = sha256((card_to_json(card) + source).encode()).hexdigest()[:16]
        self.cards[name, version] = replace(card, digest=digest)
        self.functions[name, version, skill.name] = bound

    # --- plans --------------------------------------------------------------------------------------------------

    def playbook(
        self,
        skill: str,
        *,
        steps: Sequence[Step],
        department: str,
        input: Any = Any,
        returns: Any = None,
        money: float | None = None,
        description: str = "",
        owner: str = "",
        name: str | None = None,
        version: str = "1",
        when: str | None = None,
        shares: str | None = None,
    ) -> None:
        """Declare a plan with a name: steps (see `step`) that run as tasks of their own, side by side where they do not wait for each other.

        It is a skill like any other: `fleet.on(…, do=skill)` starts it, `tutti run` and other agents ask for it. What it holds is durable: timers,
        questions and results outlive the process. `input` is the type of what it takes; `returns` is a template of what it gives (without
        one: every completed step's output by its name). `money` is what its steps may cost together.
        """
        playbook = playbook_of(skill, steps, returns, money, description)
        called = name or skill.replace(".", "-")
        offer = {"description": description or f"A playbook of {len(steps)} steps.", "quality": 0.5, "attempts": 100, "timeout": timedelta(minutes=5)}
        offer |= {"when": when, "shares": shares}
        self._offer(skill, Nature.ADVICE, offer, department, owner, called, version, 256, border(playbook, input))
        card = self.cards[called, version]
        self.cards[called, version] = replace(card, digest=digest_of(playbook, card.digest))
        self.playbooks[called, version, skill] = playbook

    def planner(self, model: str, *, name: str = "plan-writer", department: str = "planning", **options: Any) -> None:
        """Declare the language model that plans for goals in free words. What it answers is checked as any plan is, and runs only then.

        `options` as in `llm_agent`: base_url, api_key, price, max_tokens, temperature, timeout, and so on.
        """
        given = {"instructions": INSTRUCTIONS, "output": ANSWER, **options}
        self.llm_agent(name, model=model, skill=PROPOSE, department=department, **given)

    # --- work ---------------------------------------------------------------------------------------------------

    def on(
        self,
        type: str,
        *,
        do: str,
        when: str | None = None,
        priority: int = 0,
        deadline: timedelta | None = None,
        gather: Mapping[str, str] | None = None,
    ) -> None:
        """When a signal of this type comes in (and `when` holds), do a skill with the signal's data as input.

        `when` is CEL over type, subject, data, source, time, department, priority; where it cannot be evaluated it does not hold, and the signal's
        record says why. Higher priorities go first. `gather` maps fields of the input to
        skills: those are done first, side by side, and their outputs are put into the input of `do`.
        """
        fields = tuple(sorted((gather or {}).items()))
        stem = "\x1f".join((type, do, when or "", repr(fields)))
        id = f"on-{sha256(stem.encode()).hexdigest()[:12]}"
        subscription = Subscription(id, type, do, when, priority, deadline, fields)
        Subscriptions([subscription])  # refuses a bad pattern or condition at its line
        if id in self.subscriptions:
            raise Invalid(f'fleet.on("{type}", do="{do}") is declared twice.', hint="Remove one of the two lines.")
        self.subscriptions[id] = subscription

    def check(self, skill: str, *, name: str = "check") -> Callable[[F], F]:
        """Declare a check of a skill's outcomes: a function of (input, output) as JSON that gives quality 0..1, or None where it cannot judge."""

        def decorate(function: F) -> F:
            self.checks.setdefault(skill, []).append(Check(name, function))
            return function

        return decorate

    def classify(self, skill: str, expression: str) -> None:
        """Split a skill's tasks into classes that are learned apart: a CEL expression over input, case, subject, priority that gives a text."""
        where = f'fleet.classify("{skill}", "{expression}")'
        self.classes[skill] = Condition(expression, CONDITION_NAMES, where, "has(case.risk) && case.risk > 0.5 ? 'at risk' : 'healthy'")


def _check_amount(where: str, amount: str | None, schema: dict[str, Any]) -> None:
    if amount is not None and "properties" in schema and amount not in schema["properties"]:
        raise Invalid(f"{where}: the input has no field {amount!r} to take the amount from.", hint=f"Its fields are: {', '.join(schema['properties'])}.")


def _alike(where: str, fresh_for: timedelta | None, same_by: str, alike: float, across: bool) -> dict[str, Any]:
    """How the same question is known, as a skill holds it. Raises: `Invalid`."""
    if same_by == "exact":
        return {}
    if same_by != "meaning" or not 0.0 < alike <= 1.0:
        raise Invalid(f"{where}: same_by is exact or meaning, and alike above 0 and up to 1.")
    if fresh_for is None:
        raise Invalid(f"{where}: same_by needs fresh_for.", hint="Say how long a result answers the same question: fresh_for=timedelta(minutes=10).")
    return {"alike": alike, "alike_across": across}


def _source(function: Callable[..., Any]) -> str:
    """The function's source, part of what makes a version; empty where there is none to read (an interactive session)."""
    try:
        return inspect.getsource(function)
    except (OSError, TypeError):
        return ""
