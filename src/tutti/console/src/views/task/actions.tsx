/** What a person may do about a task as it stands: cancel, settle, answer, rate, undo. What they may not is not there. */
import { type FormEvent, useState } from "react";
import { Link, useLocation } from "wouter";
import { type Failure, part, post } from "../../api/client.ts";
import { outOfDate } from "../../api/queries.ts";
import type { WholeTask } from "../../api/schema.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { Card, FailureNote } from "../../parts/frame.tsx";
import { Json } from "../../parts/text.tsx";
import { may, useWho, type Who } from "../../shell/session.ts";
import { say } from "../../shell/toasts.ts";

type Doing = "cancel" | "again" | "happened" | "drop" | "rate" | "undo";

/** Whether they may do this to the task: by their rights, or because they brought it in themselves. */
function mayOn(who: Who, task: WholeTask, action: string): boolean {
  const own = task.caller === who.id && ["tasks:cancel", "tasks:answer"].includes(action) && who.roles.some((role) => /^(sender|agent)(@|$)/.test(role));
  return own || may(who, action, task.department);
}

export const done = (): void => outOfDate("/tasks", "/why", "/attention", "/approvals");

export function Actions({ task }: { task: WholeTask }) {
  const who = useWho();
  const [, go] = useLocation();
  const [doing, setDoing] = useState<Doing | null>(null);
  const [quality, setQuality] = useState("1");
  const open = !task.finished_at, parked = task.stage === "parked";
  const settles = open && parked && mayOn(who, task, "tasks:settle");
  const path = `/tasks/${part(task.id)}`;
  const close = () => setDoing(null);
  const send = (way: string, body: unknown, said: string) => post(`${path}/${way}`, body).then(() => (done(), say(said)));
  return (
    <>
      {task.undo && may(who, "tasks:submit") && <button type="button" className="b" onClick={() => setDoing("undo")}>Undo by {task.undo}</button>}
      {!open && task.agent && mayOn(who, task, "tasks:rate") && <button type="button" className="b" onClick={() => setDoing("rate")}>Rate</button>}
      {settles && <><button type="button" className="b" onClick={() => setDoing("again")}>Send it on again</button><button type="button" className="b" onClick={() => setDoing("happened")}>It has happened</button><button type="button" className="b x" onClick={() => setDoing("drop")}>Drop it</button></>}
      {open && !parked && mayOn(who, task, "tasks:cancel") && <button type="button" className="b x" onClick={() => setDoing("cancel")}>Cancel</button>}
      {open && task.stage === "approval" && task.approval && may(who, "approvals:read", task.department) && <Link className="b p" href={`/approvals/${part(task.approval)}`}>Review <kbd>a</kbd></Link>}

      <Confirm open={doing === "cancel"} onClose={close} danger title={`Cancel ${task.skill}?`} says="It ends as canceled, and what an agent does for it now is broken off. What has already happened outside stays." act="Cancel the task" reason="Why (goes into the record)" run={(reason) => send("cancel", { reason }, "The task is canceled.")} />
      <Confirm open={doing === "again"} onClose={close} title={`Send ${task.skill} on again?`} says={`It was parked: ${task.reason ?? "no reason given"}. It goes back on the road: an agent is chosen and the gates are asked anew.`} act="Send it on again" reason="Why (goes into the record)" run={(reason) => send("settle", { how: "again", reason }, "The task goes on.")} />
      <Confirm open={doing === "happened"} onClose={close} title={`Has ${task.skill} happened?`} says="You say that its effect is there outside. It ends as completed, and no agent does it again." act="Yes, it has happened" reason="How you know (its output in the record)" run={(reason) => send("settle", { how: "happened", reason }, "The task is completed.")} />
      <Confirm open={doing === "drop"} onClose={close} danger title={`Drop ${task.skill}?`} says="It ends as canceled and gives up the resources that it holds. What has already happened outside stays." act="Drop the task" reason="Why (goes into the record)" run={(reason) => send("settle", { how: "drop", reason }, "The task is dropped.")} />
      <Confirm open={doing === "undo"} onClose={close} title={`Undo ${task.skill}?`} says={`${task.undo ?? "Its inverse"} is proposed with the same input. It goes through the gates like any action, and may ask a person.`} act={`Propose ${task.undo ?? ""}`} run={() => post<{ task: string }>(`${path}/undo`).then((made) => (done(), go(`/tasks/${part(made.task)}`)))} />
      <Confirm open={doing === "rate"} onClose={close} title={`How good was ${task.skill}?`} says={`Your rating of ${task.agent ?? "the agent"} takes the place of what checks said, and moves the next choice of an agent.`} act="Rate it" reason="Note (goes into the record)" run={(note) => send("rating", { quality: Number(quality), note }, "Rated.")}>
        <div><label className="l" htmlFor="quality">Quality, from 0 (useless) to 1 (perfect)</label><input id="quality" className="field" type="number" min="0" max="1" step="0.05" required value={quality} onChange={(event) => setQuality(event.target.value)} /></div>
      </Confirm>
    </>
  );
}

/** A running agent's question, and the answer. What reads as JSON is sent as JSON, all else as text. */
export function Question({ task }: { task: WholeTask }) {
  const who = useWho();
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  if (task.stage !== "asking" || task.finished_at) return null;
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    post(`/tasks/${part(task.id)}/answer`, { value: asValue(text) }).then(() => (setText(""), setBusy(false), setFailure(null), done(), say("Answered; the agent goes on.")), (error: Failure) => (setFailure(error), setBusy(false)));
  };
  return (
    <Card title={`${task.agent ?? "The agent"} asks`} className="asks">
      {typeof task.question === "string" ? <p className="say wrap">{task.question}</p> : <Json value={task.question} />}
      {mayOn(who, task, "tasks:answer") && (
        <form className="g" onSubmit={onSubmit}>
          <div><label className="l" htmlFor="answer">Your answer: text, or JSON</label><textarea id="answer" className="field" rows={2} required value={text} onChange={(event) => setText(event.target.value)} /></div>
          {failure && <FailureNote error={failure} />}
          <div><button type="submit" className="b p" disabled={busy}>Answer {task.agent ?? "it"}</button></div>
        </form>
      )}
    </Card>
  );
}

/** What a person typed, as a value. */
export function asValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
