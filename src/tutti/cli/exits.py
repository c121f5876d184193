"""Exit codes: one table for all commands."""

from __future__ import annotations

OK, FAILED, USAGE, NOT_FOUND, NO_ACCESS, UNREACHABLE, CONFLICT, UNVERIFIED, NEEDS_A_HUMAN, TIMEOUT, INTERRUPTED = 0, 1, 2, 3, 4, 5, 6, 7, 8, 124, 130

MEANING = {
    OK: "done",
    FAILED: "it was tried and failed",
    USAGE: "the command or its input is wrong",
    NOT_FOUND: "no such task, agent, skill, workspace or file",
    NO_ACCESS: "a policy, a key or a file's rights say no",
    UNREACHABLE: "the process that has the workspace does not answer",
    CONFLICT: "it has changed meanwhile, or was answered already",
    UNVERIFIED: "the record does not verify, or the replay differs",
    NEEDS_A_HUMAN: "it waits for a person (`run`)",
    TIMEOUT: "the time was over before it ended",
    INTERRUPTED: "interrupted (Ctrl-C)",
}

_BY_CODE = {
    "invalid": USAGE, "not_found": NOT_FOUND, "no_route": NOT_FOUND, "refused": NO_ACCESS, "unauthenticated": NO_ACCESS, "unreachable": UNREACHABLE, "conflict": CONFLICT,
    "journal_broken": UNVERIFIED, "deadline_passed": TIMEOUT,
}  # fmt: skip


def of(code: str) -> int:
    """The exit code for the code of an error's family."""
    return _BY_CODE.get(code, FAILED)
