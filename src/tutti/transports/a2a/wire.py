"""The A2A wire as plain JSON: values and parts, messages, tasks, states and errors. One dialect inside, 1.0; what is older is translated.

Nothing here does I/O. The client, the stand-alone service and the server's door speak through it.
Source: A2A specification 1.0 (ProtoJSON field names); 0.3 for what is called legacy here.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterable, Mapping
from typing import Any

from tutti.errors import Invalid
from tutti.model.task import State

Json = dict[str, Any]

VERSION = "1.0"
LEGACY = "0.3"
WELL_KNOWN = "/.well-known/agent-card.json"
MEDIA_TYPE = "application/a2a+json"
SKILL = "urn:tutti:skill"  # extension of a card: schemas, nature and times of its skills
RUN = "urn:tutti:run"  # in a message's metadata: which run asks, and the leases that it holds
OUTCOME = "urn:tutti:outcome"  # in a task's metadata: what the run proposes and signals besides its output, or how surely it failed
PROOF = "urn:tutti:proof"  # extension of a card: whoever answers proves with each new connection that it has the card's key
CHALLENGE, PROVEN = "Tutti-Challenge", "Tutti-Proof"  # headers: what is to be signed, and the signature in hex
NEGOTIATION = "urn:tutti:negotiation"  # extension of a card: the agent takes part in negotiations, at the level that it says
IDEMPOTENCY = "urn:tutti:idempotency"  # extension of a card: one Idempotency-Key, one effect
PROGRESS = "urn:tutti:progress"  # in a status' metadata: share done, 0..1

STATES: dict[State, str] = {state: f"TASK_STATE_{state.name}" for state in State}
_NAMES = {name: state for state, name in STATES.items()} | {state.value: state for state in State}
INTERRUPTED = frozenset({State.INPUT_REQUIRED, State.AUTH_REQUIRED})

REASONS: dict[int, str] = {
    -32700: "PARSE_ERROR",
    -32600: "INVALID_REQUEST",
    -32601: "METHOD_NOT_FOUND",
    -32602: "INVALID_PARAMS",
    -32603: "INTERNAL_ERROR",
    -32001: "TASK_NOT_FOUND",
    -32002: "TASK_NOT_CANCELABLE",
    -32003: "PUSH_NOTIFICATION_NOT_SUPPORTED",
    -32004: "UNSUPPORTED_OPERATION",
    -32005: "CONTENT_TYPE_NOT_SUPPORTED",
    -32006: "INVALID_AGENT_RESPONSE",
    -32007: "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
    -32008: "EXTENSION_SUPPORT_REQUIRED",
    -32009: "VERSION_NOT_SUPPORTED",
}
CODES: dict[str, int] = {reason: code for code, reason in REASONS.items()}
METHODS: dict[str, str] = {  # the 1.0 names of operations → the 0.3 ones
    "SendMessage": "message/send",
    "SendStreamingMessage": "message/stream",
    "GetTask": "tasks/get",
    "CancelTask": "tasks/cancel",
    "SubscribeToTask": "tasks/resubscribe",
}


def state_of(name: object) -> State:
    """A state by either dialect's name. Raises: `Invalid` (code wrong_output) for one that is none."""
    state = _NAMES.get(name) if isinstance(name, str) else None
    if state is None:
        raise wrong(f"{name!r} is no state of a task")
    return state


def wrong(what: str) -> Invalid:
    """What is raised when an agent's answer is not A2A: nobody knows then what it did."""
    return Invalid(f"The agent's answer is not A2A: {what}.", code="wrong_output")


# --- values and parts -----------------------------------------------------------------------------------------------


def parts_of(value: Any) -> list[Json]:
    """A JSON value as parts: a text as a text part, anything else as a data part."""
    if isinstance(value, str):
        return [{"text": value, "mediaType": "text/plain"}]
    return [{"data": value, "mediaType": "application/json"}]


def value_of(parts: object) -> Any:
    """Parts as a JSON value: data as it is, text as a string, several as a list, none as None. Files stay as they came; none is fetched.

    Raises: `Invalid` (code wrong_output).
    """
    if not isinstance(parts, list):
        raise wrong("parts are a list")
    values = [_value(part) for part in parts]
    return None if not values else values[0] if len(values) == 1 else values


def _is_file(value: Any) -> bool:
    """Whether a value has the form in which files come in (`value_of`), with what kind of file it is: then it is no other object that happens to name an address."""
    if not isinstance(value, dict) or "mediaType" not in value or not all(isinstance(each, str) for each in value.values()):
        return False
    if value.keys() - {"filename", "mediaType"} == {"raw"}:
        try:
            return bool(b64decode(value["raw"], validate=True))
        except ValueError:
            return False
    return value.keys() - {"filename", "mediaType"} == {"url"}


def _value(part: object) -> Any:
    if not isinstance(part, dict):
        raise wrong("a part is an object")
    if "data" in part:
        return part["data"]
    if "text" in part:
        if not isinstance(part["text"], str):
            raise wrong("a text part holds a text")
        return part["text"]
    if "raw" in part or "url" in part:
        return {name: part[name] for name in ("raw", "url", "filename", "mediaType") if name in part}
    raise wrong("a part holds text, data, raw or url")


def output_of(artifacts: Iterable[object]) -> Any:
    """The values of all artifacts: one as it is, several as a list, none as None."""
    values = []
    for artifact in artifacts:
        if not isinstance(artifact, dict):
            raise wrong("an artifact is an object")
        values.append(value_of(artifact.get("parts") or []))
    return None if not values else values[0] if len(values) == 1 else values


def words_of(message: object) -> str:
    """The text of a message, for people; empty where it has none."""
    if not isinstance(message, dict) or not isinstance(message.get("parts"), list):
        return ""
    words = []
    for part in message["parts"]:
        if isinstance(part, dict):
            if isinstance(part.get("text"), str):
                words.append(part["text"])
            elif "data" in part:
                words.append(str(part["data"]))
    return "\n".join(words)[:4000]


# --- what is sent ---------------------------------------------------------------------------------------------------


def message(parts: list[Json], *, id: str, role: str = "ROLE_USER", context: str = "", task: str = "", metadata: Mapping[str, Any] | None = None) -> Json:
    """A message."""
    made: Json = {"messageId": id, "role": role, "parts": parts}
    if context:
        made["contextId"] = context
    if task:
        made["taskId"] = task
    if metadata:
        made["metadata"] = dict(metadata)
    return made


def status(state: State, at: str, said: Json | None = None) -> Json:
    """A task's status; `at` is ISO 8601 in UTC."""
    made: Json = {"state": STATES[state], "timestamp": at}
    if said is not None:
        made["message"] = said
    return made


def artifact(id: str, value: Any, *, name: str = "output") -> Json:
    """A value as an artifact; what is a file in it, alone or in a list with others, is a file part."""
    several = isinstance(value, list) and len(value) > 1 and any(map(_is_file, value))
    parts = [part for item in (value if several else [value]) for part in ([item] if _is_file(item) else parts_of(item))]
    return {"artifactId": id, "name": name, "parts": parts}


def task(
    id: str,
    context: str,
    status: Json,
    *,
    artifacts: list[Json] | None = None,
    history: list[Json] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Json:
    """A task."""
    made: Json = {"id": id, "contextId": context, "status": status}
    if artifacts:
        made["artifacts"] = artifacts
    if history:
        made["history"] = history
    if metadata:
        made["metadata"] = dict(metadata)
    return made


def proof_statement(challenge: str) -> bytes:
    """What a service signs to prove that it has its key."""
    return b"tutti proof 1\n" + challenge.encode()


def error_info(reason: str, metadata: Mapping[str, str] | None = None) -> Json:
    """A google.rpc ErrorInfo, as errors carry it."""
    made: Json = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "a2a-protocol.org"}
    if metadata:
        made["metadata"] = dict(metadata)
    return made


# --- legacy ---------------------------------------------------------------------------------------------------------

_ROLES = {"ROLE_USER": "user", "ROLE_AGENT": "agent"}
_KINDS = {"task": "task", "message": "message", "status-update": "statusUpdate", "artifact-update": "artifactUpdate"}


def to_legacy_message(made: Json) -> Json:
    """A 1.0 message as 0.3 has it."""
    told = {**made, "kind": "message", "role": _ROLES[made["role"]], "parts": []}
    for part in made["parts"]:
        metadata = {"metadata": part["metadata"]} if "metadata" in part else {}
        if "text" in part:
            told["parts"].append({"kind": "text", "text": part["text"], **metadata})
        elif "data" in part:
            data = part["data"] if isinstance(part["data"], dict) else {"value": part["data"]}  # 0.3 knows objects only
            told["parts"].append({"kind": "data", "data": data, **metadata})
        else:
            file = {"bytes": part["raw"]} if "raw" in part else {"uri": part["url"]}
            file |= {new: part[old] for old, new in (("filename", "name"), ("mediaType", "mimeType")) if old in part}
            told["parts"].append({"kind": "file", "file": file, **metadata})
    return told


def from_legacy(event: object) -> Json:
    """A 0.3 task, message or update, told by its kind, as a 1.0 response of one member. Raises: `Invalid` (code wrong_output)."""
    if not isinstance(event, dict):
        raise wrong("an answer is an object")
    kind = event.get("kind") or ("message" if "messageId" in event else "task" if "id" in event else "")
    member = _KINDS.get(kind)
    if member is None:
        raise wrong(f"{kind!r} is no kind of answer")
    return {member: _from_legacy(event)}


def _from_legacy(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_legacy(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") in ("text", "data", "file") and "messageId" not in value:
        return _part_from_legacy(value)
    return {name: item if name == "metadata" else _from_legacy(item) for name, item in value.items() if name not in ("kind", "final")}


def _part_from_legacy(part: Json) -> Json:
    if part["kind"] != "file":
        return {name: item for name, item in part.items() if name != "kind"}
    file = part.get("file")
    if not isinstance(file, dict):
        raise wrong("a file part holds a file")
    named = (("bytes", "raw"), ("uri", "url"), ("name", "filename"), ("mimeType", "mediaType"))
    return {new: file[old] for old, new in named if old in file}
