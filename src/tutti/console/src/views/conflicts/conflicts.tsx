/** Actions that cannot both be: the list, newest first, and the page of one. */
import { Link, useLocation } from "wouter";
import { useCallback } from "react";
import { useRead } from "../../api/queries.ts";
import type { Conflicts as Page, ConflictSeen } from "../../api/schema.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Empty, Head, Shown } from "../../parts/frame.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { useParams } from "../../url/state.ts";
import { plural } from "../../words/format.ts";
import type { Status } from "../../words/status.ts";
import { RULES, RUNGS, side } from "./words.ts";
import "./conflicts.css";

const STATES = ["open", "asked", "resolved", "all"] as const;
const MOST = 200;

/** What a conflict is at, in the six states that are told apart. */
export const statusOf = (state: string): [Status, string] => (state === "asked" ? ["human", "needs a person"] : state === "resolved" ? ["done", "resolved"] : ["waiting", "not decided"]);

const COLUMNS: Column<ConflictSeen>[] = [
  { name: "State", width: "140px", cell: ({ state }) => <StatusTag status={statusOf(state)[0]}>{statusOf(state)[1]}</StatusTag> },
  { name: "Over", width: "minmax(120px, 1fr)", cell: (each) => <Link href={`/conflicts/${encodeURIComponent(each.id)}`}>{each.resource}</Link>, title: (each) => each.resource },
  { name: "One side", width: "minmax(160px, 1.3fr)", cell: ({ sides: [one] }) => one && side(one), title: ({ sides: [one] }) => one?.task ?? "" },
  { name: "The other", width: "minmax(160px, 1.3fr)", cell: ({ sides: [, other] }) => other && side(other), title: ({ sides: [, other] }) => other?.task ?? "" },
  { name: "Why not both", width: "minmax(150px, 1fr)", cell: ({ rule }) => RULES[rule] ?? rule },
  { name: "Who goes first", width: "minmax(110px, .8fr)", cell: ({ sides, winner }) => sides.find((each) => each.task === winner)?.skill ?? "" },
  { name: "Decided by", width: "minmax(130px, .9fr)", cell: ({ rung }) => (rung ? RUNGS[rung] ?? rung : ""), title: ({ reason }) => reason ?? "" },
  { name: "Found", width: "116px", cell: (each) => <At at={each.found_at} /> },
];

export default function Conflicts() {
  const [, go] = useLocation();
  const [{ state, task, sel }, change] = useParams(["state", "task", "sel"]);
  const wanted = state || "unresolved";
  const list = useRead<Page>("/conflicts", { state: wanted === "unresolved" ? null : wanted, task, limit: MOST });
  const select = useCallback((id: string) => change({ sel: id }), [change]);
  const open = useCallback((each: ConflictSeen) => go(`/conflicts/${encodeURIComponent(each.id)}`), [go]);
  return (
    <>
      <Head title="Conflicts" sub={<>{list.data ? plural(list.data.conflicts.length, "conflict") : "…"}{list.data?.next ? " or more" : ""} · newest first · <ZoneNote /></>}>
        <CopyAs path={`/conflicts${state ? `?state=${state}` : ""}`} command={`tutti conflicts${state ? ` --state ${state}` : ""}`} />
      </Head>
      <div className="chips" role="group" aria-label="Filter">
        <button type="button" className="chip" aria-pressed={!state} onClick={() => change({ state: null }, true)}>unresolved</button>
        {STATES.map((each) => <button key={each} type="button" className="chip" aria-pressed={state === each} onClick={() => change({ state: each }, true)}>{each === "asked" ? "needs a person" : each === "open" ? "not decided" : each}</button>)}
        {task && <button type="button" className="chip" aria-pressed="true" onClick={() => change({ task: null }, true)}><b>task</b> {task} ✕<span className="vh"> take this filter away</span></button>}
      </div>
      <Shown of={list} rows={8}>
        {({ conflicts }) => conflicts.length ? <Grid label="Conflicts" rows={conflicts} columns={COLUMNS} id={(each) => each.id} selected={sel} onSelect={select} onOpen={open} />
          : state === "all" && !task ? <Empty command="tutti demo">Conflicts appear here when two actions mean to touch the same thing and cannot both be.</Empty>
          : <Empty act={<button type="button" className="b" onClick={() => change({ state: "all", task: null }, true)}>Show all</button>}>No conflict is {wanted}{task ? ` for ${task}` : ""}.</Empty>}
      </Shown>
      <p className="sub small mt">Enter opens</p>
    </>
  );
}
