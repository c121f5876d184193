/** Negotiations, newest first: who with whom, how far, and what they ended with. */
import { useCallback, useMemo } from "react";
import { Link, useLocation } from "wouter";
import { useRead } from "../../api/queries.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Empty, Head, Shown } from "../../parts/frame.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { At, Since, ZoneNote } from "../../parts/time.tsx";
import { useParams } from "../../url/state.ts";
import { count, duration, plural, short } from "../../words/format.ts";
import type { Status } from "../../words/status.ts";
import type { Brief } from "./told.ts";
import "./negotiations.css";

const MOST = 500;
const ENDS = ["going on", "settled", "fallback", "person"] as const;

/** What a negotiation is at, in the states that a person tells apart. */
export function statusOf({ state, how }: Pick<Brief, "state" | "how">): [Status, string] {
  if (how === "settled") return ["done", "settled"];
  if (how === "fallback") return ["done", "fallback"];
  if (how === "person") return ["done", "ended by a person"];
  if (state === "input-required") return ["human", "needs a person"];
  if (state === "completed") return ["done", "ended"];
  return state === "failed" || state === "canceled" || state === "rejected" ? ["failed", state] : state === "submitted" ? ["queued", "not begun"] : ["running", "going on"];
}

const COLUMNS: Column<Brief>[] = [
  { name: "State", width: "160px", cell: (each) => <StatusTag status={statusOf(each)[0]}>{statusOf(each)[1]}</StatusTag> },
  { name: "Negotiation", width: "104px", cell: (each) => <Link href={`/negotiations/${encodeURIComponent(each.id)}`} className="mono">{short(each.id)}</Link>, title: (each) => each.id },
  { name: "Parties", width: "minmax(180px, 2fr)", cell: (each) => each.parties.join(" ⇄ "), title: (each) => each.parties.join(" ⇄ ") },
  { name: "Issues", width: "64px", num: true, cell: (each) => count(each.issues) },
  { name: "Rounds", width: "70px", num: true, cell: (each) => count(each.rounds) },
  { name: "Questions", width: "86px", num: true, cell: (each) => <>{count(each.messages)}{each.missing > 0 && <span className="failed" title={`${plural(each.missing, "question")} without an answer`}> −{each.missing}</span>}</> },
  { name: "Better, if approved", width: "minmax(130px, 1fr)", cell: (each) => (each.better ? (each.adopted_at ? <StatusTag status="done">adopted</StatusTag> : <StatusTag status="human">there is one</StatusTag>) : "") },
  { name: "Opened", width: "minmax(116px, 1fr)", cell: (each) => <At at={each.opened_at} /> },
  { name: "Took", width: "86px", num: true, cell: (each) => (each.settled_at && each.opened_at ? duration(Date.parse(each.settled_at) - Date.parse(each.opened_at)) : <Since at={each.opened_at} />) },
];

export default function Negotiations() {
  const [, go] = useLocation();
  const [{ how, sel }, change] = useParams(["how", "sel"]);
  const list = useRead<{ negotiations: Brief[]; next: number | null }>("/negotiations", { limit: MOST });
  const all = list.data?.negotiations;
  const rows = useMemo(() => (all ?? []).filter((each) => !how || (how === "going on" ? each.how === null : each.how === how)), [all, how]);
  const select = useCallback((id: string) => change({ sel: id }), [change]);
  const open = useCallback((each: Brief) => go(`/negotiations/${encodeURIComponent(each.id)}`), [go]);
  return (
    <>
      <Head title="Negotiations" sub={<>{all ? plural(all.length, "negotiation") : "…"}{list.data?.next ? ` (the newest ${MOST})` : ""} · newest first · <ZoneNote /></>}>
        <CopyAs path={`/negotiations?limit=${MOST}`} command="tutti negotiations" />
      </Head>
      <div className="chips" role="group" aria-label="Filter">
        {ENDS.map((each) => <button key={each} type="button" className="chip" aria-pressed={how === each} onClick={() => change({ how: how === each ? null : each }, true)}>{each === "person" ? "ended by a person" : each} {all && count(all.filter((one) => (each === "going on" ? one.how === null : one.how === each)).length)}</button>)}
      </div>
      <Shown of={list} rows={8}>
        {({ negotiations }) => rows.length ? <Grid label="Negotiations" rows={rows} columns={COLUMNS} id={(each) => each.id} selected={sel} onSelect={select} onOpen={open} />
          : negotiations.length ? <Empty act={<button type="button" className="b" onClick={() => change({ how: null }, true)}>Show all</button>}>None of them is like that.</Empty>
          : <Empty command="tutti negotiate @case.json">Negotiations appear here when agents with different aims have to come to one decision.</Empty>}
      </Shown>
      <p className="sub small mt">Enter opens</p>
    </>
  );
}
