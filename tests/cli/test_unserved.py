"""No `tutti up` runs: commands open the file themselves, or say who has it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from cli_site import Person, environment

from tutti import Settings
from tutti.cli import exits
from tutti.cli.wire import serving


def test_a_fleet_runs_here_for_one_task(person: Person) -> None:
    left = person.run("refund.pay", {"amount": 5})
    assert (left.code, left.out) == (0, "paid 5.00\n")
    folder = person.folder / ".tutti"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not (folder / "shop" / "socket").exists()


def test_what_a_library_writes_by_itself_is_not_among_the_data(person: Person) -> None:
    """A solver in C writes to descriptor 1, and knows nothing of `sys.stdout`; so does what it starts."""
    with person.file.open("a") as file:
        file.write("\nimport os, subprocess\nos.write(1, b'a word of a library\\n')\nsubprocess.run(['echo', 'a word of a child'], check=True)\n")
    started = person.start("run", "refund.pay", '{"amount": 5}', "--fleet", str(person.file), "--json")
    out, err = started.communicate(timeout=60)
    assert (started.returncode, json.loads(out)["output"]) == (0, "paid 5.00")
    assert "a word of a library" in err
    assert "a word of a child" in err


def test_what_is_taken_in_is_kept_until_somebody_runs_it(person: Person) -> None:
    person.run("refund.pay", {"amount": 5})
    sent = person("send", "ticket.opened", '{"text": "hello"}')
    assert (sent.code, "`tutti up` runs" in sent.err) == (0, True)
    left = person("run", "refund.pay", '{"amount": 7}')
    assert (left.code, left.out) == (exits.UNREACHABLE, "")
    assert {task["state"] for task in person("tasks", "--state", "submitted", "--json").data} == {"submitted"}
    assert len(person("tasks", "--state", "submitted", "--json").data) == 2


def test_a_condition_that_could_not_be_evaluated_is_said(person: Person) -> None:
    with person.file.open("a") as file:
        file.write('\nfleet.on("churn.scored", do="ticket.triage", when="data.chrun > 0.5")\n')
    person.run("refund.pay", {"amount": 5})
    words = "ticket.triage: its condition could not be evaluated (no such key: chrun): data.chrun > 0.5"
    sent = person("send", "churn.scored", '{"churn": 0.7}')
    assert (sent.code, words in sent.err, words in sent.out) == (0, True, False)
    why = person("why", sent.out.split()[1])
    assert [line.strip(" ·") for line in why.out.splitlines()[1:]] == [words]


def test_approving_before_it_runs(person: Person) -> None:
    left = person.run("refund.pay", {"amount": 500}, "--json")
    assert (left.code, left.data["stage"]) == (exits.NEEDS_A_HUMAN, "approval")
    said = person("approve", left.data["id"], "--yes")
    assert (said.code, "is done when `tutti up` runs" in said.err) == (0, True)
    person.run("ticket.triage", {"text": "take up what is open"})
    assert person("tasks", "show", left.data["id"], "--json").data["output"] == "paid 500.00"


def test_a_signature_needs_the_owners_key(person: Person) -> None:
    id = person.run("refund.pay", {"amount": 500}, "--json").data["id"]
    key = person.folder / ".tutti/shop/keys/owner.key"
    key.chmod(0o644)
    left = person("approve", id, "--yes")
    assert (left.code, "others may read" in left.err) == (exits.NO_ACCESS, True)
    shutil.rmtree(key.parent)
    left = person("approve", id, "--yes")
    assert (left.code, "keys" in left.err) == (exits.NOT_FOUND, True)
    assert not key.parent.exists()  # nothing makes new keys for an old journal


def test_which_workspace(person: Person) -> None:
    none = person("tasks")
    assert (none.code, "There is no workspace" in none.err) == (exits.NOT_FOUND, True)
    assert not (person.folder / ".tutti").exists()  # asking makes nothing
    person.run("ticket.triage", {"text": "a"})
    person.run("ticket.triage", {"text": "b"}, "--workspace", "other")
    several = person("tasks")
    assert (several.code, "other and shop" in several.err) == (exits.USAGE, True)
    assert [task["state"] for task in person("--workspace", "other", "tasks", "--json").data] == ["completed"]
    assert person("tasks", "--json", TUTTI_WORKSPACE="shop").code == 0
    assert person("tasks", "--workspace", "nope").code == exits.NOT_FOUND
    assert person("tasks", "--workspace", "../shop").code == exits.USAGE
    assert person("tasks", "--folder", str(person.folder), "--workspace", "shop").code == exits.NOT_FOUND


def test_a_file_in_other_hands(person: Person) -> None:
    """Another process has the workspace and serves nothing."""
    person.run("ticket.triage", {"text": "a"})
    code = (
        "import asyncio, sys\nfrom shop import fleet\nfrom tutti import Workspace, Settings\n"
        "async def main():\n"
        "    async with Workspace(fleet, Settings.from_environment('shop')):\n"
        "        print('open', flush=True); await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)\n"
        "asyncio.run(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=person.folder, env=environment(person.folder), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    left = person("tasks")
    process.communicate("")
    assert (left.code, f"Process {process.pid} has the workspace" in left.err) == (exits.UNREACHABLE, True)
    assert person("tasks").code == 0


def test_a_killed_up_leaves_a_socket_that_does_not_matter(person: Person) -> None:
    process = person.start("up", "shop.py", "-o", "ndjson")
    assert process.stdout is not None
    assert '"socket"' in process.stdout.readline()
    assert person("send", "ticket.opened", '{"text": "a"}').code == 0
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (person.folder / ".tutti/shop/socket").exists()
    assert person("tasks", "--json").code == 0
    process = person.start("up", "shop.py", "-o", "ndjson")
    assert process.stdout is not None
    assert '"socket"' in process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "✓ stopped" in err) == (0, True)
    assert not (person.folder / ".tutti/shop/socket").exists()


def test_an_agent_that_asks_a_person_does_not_hold_up_the_end(person: Person) -> None:
    """Its question is durable: nobody waits an hour of grace for a person."""
    process = person.start("run", "ticket.ask", '{"text": "?"}', "--fleet", "shop.py", TUTTI_GRACE_SECONDS="3600")
    try:
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, "Which account?" in err) == (exits.NEEDS_A_HUMAN, True), err
    id = person("tasks", "--waiting", "--json").data[0]["id"]
    assert person("tasks", "answer", id, "account/7").code == 0
    process = person.start("up", "shop.py", "-o", "ndjson")
    assert process.stdout is not None
    assert '"socket"' in process.stdout.readline()
    api = serving(Settings("shop", person.folder / ".tutti"))
    assert api is not None
    with api.client:
        waited = api.get("/v1/tasks/{}/wait", id, timeout_ms=60_000)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert waited["task"]["output"] == "told account/7"


def test_ctrl_c_again_and_again_ends_an_up_in_order(person: Person) -> None:
    """Whatever it is about when one comes: a thread that is broken off while it starts would keep the process for ever."""
    process = person.start("up", "shop.py", "-o", "ndjson")
    assert process.stdout is not None
    assert '"socket"' in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.003)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1].split(";")[0], "Traceback" in err) == (0, "✓ stopped", False), err


def test_an_up_that_hangs_is_told(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tutti.cli.wire._PROBE", 0.3)
    process = person.start("up", "shop.py", "-o", "ndjson")
    assert process.stdout is not None
    assert '"socket"' in process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    left = person("tasks")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (left.code, "does not answer" in left.err) == (exits.UNREACHABLE, True)


def test_verify_names_the_first_bad_record(person: Person) -> None:
    person.run("refund.pay", {"amount": 5})
    good = person("audit", "verify", "--json").data
    assert (good["ok"], good["key_given"]) == (True, True)
    with closing(sqlite3.connect(person.folder / ".tutti/shop.db")) as db:
        db.execute("UPDATE fact SET about = 'agent/evil' WHERE seq = 3")
        db.commit()
    left = person("audit", "verify")
    assert (left.code, left.out.startswith("✗ fact 3 ")) == (exits.UNVERIFIED, True)
    assert "first bad record is 3" in left.err
    assert person("audit", "--json").data["first_bad"] == 3


def test_verify_against_an_earlier_head(person: Person) -> None:
    person.run("refund.pay", {"amount": 5})
    kept = person.folder / "kept.json"
    kept.write_text(person("audit", "verify", "--json").out)
    head = person("audit", "verify", "--json").data["head"]
    person.run("refund.pay", {"amount": 6})
    for given in (str(kept), f"{head['seq']}:{head['root']}", head["root"], str(person.folder / ".tutti/shop/heads.jsonl")):
        assert person("audit", "verify", "--head", given).code == 0, given
    for given in (f"{head['seq'] - 1}:{head['root']}", "ab" * 32):
        assert person("audit", "verify", "--head", given).code == exits.UNVERIFIED, given
    assert person("audit", "verify", "--head", "zzz").code == exits.USAGE
    assert person("audit", "verify", "--public-key", "ab" * 32).code == exits.UNVERIFIED
    assert person("audit", "verify", "--public-key", "no key").code == exits.USAGE
    assert person("audit", "verify", "nothing.db").code == exits.NOT_FOUND


def test_export_and_erase(person: Person, tmp_path: Path) -> None:
    person.run("ticket.triage", {"text": "Grandmother Willow"}, "--subject", "account/7")
    out = tmp_path / "out"
    assert person("audit", "export", str(out)).code == 0
    key = person.folder / ".tutti/shop/keys/journal.pub"
    assert person("audit", "verify", str(out), "--public-key", str(key)).code == 0
    assert person("audit", "export", str(out)).code == exits.USAGE
    assert person("erase", "account/7").code == exits.USAGE
    assert "Grandmother" in person("tasks", "--json").out + person("tasks", "show", person("tasks", "--json").data[0]["id"]).out
    assert person("erase", "account/7", "--yes", "--json").data["payloads"] > 0
    assert b"Willow" not in (person.folder / ".tutti/shop.db").read_bytes()
    assert "Nothing was stored" in person("erase", "account/7", "--yes").out
    assert "erased" in person("tasks", "show", person("tasks", "--json").data[0]["id"]).out
    assert (person("audit").code, person("replay").code) == (0, 0)


def test_a_changed_view_is_found(person: Person) -> None:
    person.run("refund.pay", {"amount": 5})
    with closing(sqlite3.connect(person.folder / ".tutti/shop.db")) as db:
        db.execute("UPDATE task SET state = 'failed'")
        db.commit()
    left = person("replay", "--check")
    assert (left.code, "state is failed, the facts give completed" in left.out) == (exits.UNVERIFIED, True)
    assert person("replay", "--json").data["differences"][0]["table"] == "task"


def test_back_from_a_backup(person: Person) -> None:
    first = person.run("ticket.triage", {"text": "kept"}, "--json").data["id"]
    copy = person.folder / "copy.backup"
    assert person("backup", str(copy)).code == 0
    second = person.run("ticket.triage", {"text": "given up"}, "--json").data["id"]
    assert person("backup", "--restore", str(copy)).code == exits.USAGE  # nobody can be asked
    left = person("backup", "--restore", str(copy), "--yes")
    assert left.code == 0, left.err
    assert person("tasks", "show", first).code == 0
    assert person("tasks", "show", second).code == exits.NOT_FOUND
    assert list((person.folder / ".tutti").glob("shop.db.before-restore-*"))
    assert (person("audit").code, person("replay").code) == (0, 0)
    assert person.run("refund.pay", {"amount": 5}).code == 0


def test_an_older_copy_that_other_tools_put_back_is_taken_as_it_is_when_somebody_says_so(person: Person) -> None:
    person.run("refund.pay", {"amount": 1})
    copy = person.folder / "copy.backup"
    assert person("backup", str(copy)).code == 0
    person.run("refund.pay", {"amount": 2})
    place = person.folder / ".tutti" / "shop.db"
    for file in place.parent.glob("shop.db-*"):
        file.unlink()
    shutil.copyfile(copy, place)
    refused = person("tasks")
    assert (refused.code, "`tutti backup --restored`" in refused.err) == (exits.UNVERIFIED, True), refused.err
    assert person("backup", "--restored").code == exits.USAGE  # nobody can be asked
    assert person("backup", str(copy), "--restored").code == exits.USAGE
    taken = person("backup", "--restored", "--yes")
    assert (taken.code, "goes on as it is" in taken.err) == (0, True), taken.err
    assert len(person("tasks", "--json").data) == 1
    assert person("audit", "verify").code == 0


def test_on_postgres_other_keys_are_refused_until_somebody_says_that_they_are_lost(person: Person, postgres_url: str) -> None:
    there = {"TUTTI_DATABASE": postgres_url}
    words = ("run", "refund.pay", '{"amount": 1}', "--fleet", str(person.file))
    assert person(*words, **there).code == 0
    home = person.folder / ".tutti" / "shop"
    shutil.rmtree(home)  # as on a machine that was given nothing
    refused = person(*words, **there)
    assert (refused.code, "sealed with other keys" in refused.err, "`tutti backup --restored`" in refused.err) == (exits.NO_ACCESS, True, True), refused.err
    taken = person("backup", "--restored", "--yes", "--workspace", "shop", **there)
    assert taken.code == 0, taken.err
    other = person("audit", "verify", "--head", f"1:{'0' * 64}", "--workspace", "shop", **there)
    assert (other.code, "with its own tools" in other.err, "--restore FILE" in other.err) == (exits.UNVERIFIED, True, False), other.err
    assert person(*words, **there).code == 0


def test_a_bad_backup_is_not_restored(person: Person) -> None:
    id = person.run("ticket.triage", {"text": "a"}, "--json").data["id"]
    copy = person.folder / "copy.backup"
    person("backup", str(copy))
    with closing(sqlite3.connect(copy)) as db:
        db.execute("UPDATE fact SET kind = 'task.failed' WHERE kind = 'task.completed'")
        db.commit()
    left = person("backup", "--restore", str(copy), "--yes")
    assert (left.code, "does not verify" in left.err) == (exits.UNVERIFIED, True)
    assert person("backup", "--restore", str(person.folder / ".tutti/shop.db"), "--yes").code == exits.USAGE
    assert person("tasks", "show", id).code == 0


def test_doctor(person: Person) -> None:
    fresh = {check["what"]: check["state"] for check in person("doctor", "--json", "--fleet", str(person.file)).data}
    assert (fresh["fleet"], fresh["folder"]) == ("ok", "warn")
    person.run("ticket.triage", {"text": "a"})
    assert person("doctor").code == 0
    os.chmod(person.folder / ".tutti/shop/keys/owner.key", 0o644)
    left = person("doctor")
    assert (left.code, "others may read owner.key" in left.out) == (exits.FAILED, True)
    person.file.write_text(person.file.read_text() + 'fleet.on("a.b", do="nobody.does")\n')
    done = subprocess.run(
        [sys.executable, "-m", "tutti.cli", "doctor", "--fleet", "shop.py"],
        cwd=person.folder,
        env=environment(person.folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no agent offers nobody.does" in done.stdout
