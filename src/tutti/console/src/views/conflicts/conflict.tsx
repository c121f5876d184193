/** One conflict: both sides, the rule they would break together, who goes first, by what and why; and a person's decision where one is wanted. */
import { useState } from "react";
import { useParams as usePath } from "wouter";
import { part, post } from "../../api/client.ts";
import { outOfDate, useRead } from "../../api/queries.ts";
import type { ConflictSeen, ConflictSide } from "../../api/schema.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Head, Shown } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Id, Json } from "../../parts/text.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { may, useWho } from "../../shell/session.ts";
import { say } from "../../shell/toasts.ts";
import { duration, money } from "../../words/format.ts";
import { statusOf as statusOfTask } from "../../words/status.ts";
import { statusOf } from "./conflicts.tsx";
import { RULES, RUNGS, sentenceOf, side as sideWords } from "./words.ts";
import "./conflicts.css";

function Side({ side, decided, onChoose }: { side: ConflictSide; decided: boolean; onChoose: (() => void) | null }) {
  return (
    <Card title={sideWords(side)} sub={side.department ?? ""} className={side.wins ? "wins" : ""} act={decided ? (side.wins ? <StatusTag status="done">goes first</StatusTag> : <span className="sub">second</span>) : undefined}>
      <div className="facts">
        <span>task <b><Id id={side.task} /></b></span>
        {side.agent && <span>proposed by <b>{side.agent}</b></span>}
        {side.amount !== null && <span>amount <b>{money(side.amount)}</b></span>}
        {side.state && <span>now <b><StatusTag status={statusOfTask(side.state, side.stage)}>{side.state === "input-required" ? side.stage ?? side.state : side.state}</StatusTag></b></span>}
        {side.holds && <span>holds it{side.holds_until && <> until <b><At at={side.holds_until} /></b></>}</span>}
      </div>
      <p className="sub small mt">What it would do, exactly</p>
      {side.input === null ? <p className="sub">Not for you to read.</p> : <Json value={side.input} />}
      {onChoose && <p className="mt"><button type="button" className="b p" onClick={onChoose}>Let {side.skill} go first</button></p>}
    </Card>
  );
}

function One({ conflict }: { conflict: ConflictSeen }) {
  const who = useWho();
  const [choice, setChoice] = useState<ConflictSide | null>(null);
  const decided = conflict.state === "resolved";
  const settles = !decided && conflict.sides.every((each) => may(who, "tasks:settle", each.department));
  const [status, words] = statusOf(conflict.state);
  const settle = async ({ task, skill }: ConflictSide) => {
    await post<ConflictSeen>(`/conflicts/${part(conflict.id)}/settle`, { winner: task });
    say(`${skill} goes first.`);
    outOfDate("/conflicts", "/attention", "/approvals");
  };
  const other = conflict.sides.find((each) => each.task !== choice?.task);
  return (
    <>
      <Card>
        <p className="say">{sentenceOf(conflict)}</p>
        <div className="facts">
          <span><StatusTag status={status}>{words}</StatusTag></span>
          <span>rule <b>{conflict.rule}</b> ({RULES[conflict.rule] ?? "see the resource"})</span>
          {conflict.rung && <span>decided by <b>{RUNGS[conflict.rung] ?? conflict.rung}</b></span>}
          {conflict.outcome && <span>for the other one: <b>{conflict.outcome}</b></span>}
          <span>found <b><At at={conflict.found_at} /></b></span>
          {conflict.resolved_at && <span>resolved <b><At at={conflict.resolved_at} /></b>, after {duration(Date.parse(conflict.resolved_at) - Date.parse(conflict.found_at))}</span>}
        </div>
      </Card>
      <div className="g c11 mt top-align">{conflict.sides.map((each) => <Side key={each.task} side={each} decided={decided} onChoose={settles ? () => setChoice(each) : null} />)}</div>
      {!decided && !settles && <p className="sub mt">Who may settle the tasks of both sides decides this.</p>}
      {choice && <Confirm open onClose={() => setChoice(null)} title={`Let ${choice.skill} go first?`} act={`${choice.skill} goes first`} run={() => settle(choice)} says={`${other?.skill ?? "The other one"} waits for it, takes an alternative, or is told why it cannot be. The decision is recorded with your name.`} />}
    </>
  );
}

export default function Conflict() {
  const { id = "" } = usePath<{ id: string }>();
  const read = useRead<ConflictSeen>(`/conflicts/${part(id)}`, {}, { keep: false });
  return (
    <>
      <Head title={read.data ? `Conflict over ${read.data.resource}` : "Conflict"} sub={<><span className="mono">{id}</span> · <ZoneNote /></>}>
        <CopyAs path={`/conflicts/${id}`} command={`tutti conflicts show ${id}`} data={read.data} />
      </Head>
      <Shown of={read} rows={8}>{(conflict) => <One conflict={conflict} />}</Shown>
    </>
  );
}
