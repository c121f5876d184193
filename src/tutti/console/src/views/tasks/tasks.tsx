/** All tasks, newest first: filters stand in the address, rows change where they stand, new ones wait until they are asked for. */
import { useCallback, useMemo, useRef } from "react";
import { useLocation } from "wouter";
import { useRead } from "../../api/queries.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Empty, FailureNote, Head, Loading } from "../../parts/frame.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useParams } from "../../url/state.ts";
import { count, duration, money, plural, quality, short } from "../../words/format.ts";
import { type Status, STATUSES, WORDS } from "../../words/status.ts";
import type { TaskRow } from "./rows.ts";
import { useRows, WINDOW } from "./use-rows.ts";

interface Counts {
  by_status: Record<Status, number>;
  retrying: number;
  all: number;
  without: Record<string, number>;
}

const FILTERS = ["status", "q", "skill", "agent", "department", "nature", "since", "until"] as const;
const SHOWN = FILTERS.filter((name) => name !== "status" && name !== "q");

function took(row: TaskRow): number | null {
  if (!row.started_at) return null;
  return (row.finished_at ? Date.parse(row.finished_at) : Date.now()) - Date.parse(row.started_at);
}

const COLUMNS: Column<TaskRow>[] = [
  { name: "State", width: "150px", cell: (row) => <StatusTag status={row.status}>{row.retrying ? "retrying" : undefined}</StatusTag>, title: (row) => row.reason ?? row.stage },
  { name: "Task", width: "96px", cell: (row) => <span className="mono">{short(row.id)}</span>, title: (row) => row.id },
  { name: "Skill", width: "minmax(120px, 1.2fr)", cell: (row) => row.skill, title: (row) => row.skill },
  { name: "About", width: "minmax(110px, 1fr)", cell: (row) => row.subject ?? "", title: (row) => row.subject ?? "" },
  { name: "Now with", width: "minmax(110px, 1fr)", cell: (row) => row.with ?? row.agent ?? "", title: (row) => row.with ?? row.agent ?? "" },
  { name: "Came in", width: "112px", cell: (row) => <At at={row.submitted_at} exact /> },
  { name: "Running for", width: "96px", num: true, cell: (row) => duration(took(row)) },
  { name: "Amount", width: "88px", num: true, cell: (row) => (row.amount === null ? "" : money(row.amount, row.currency)) },
  { name: "Cost", width: "76px", num: true, cell: (row) => (row.cost ? money(row.cost, row.currency) : "") },
  { name: "Quality", width: "66px", num: true, cell: (row) => (row.quality === null ? "" : quality(row.quality)) },
];

export default function Tasks() {
  const [, go] = useLocation();
  const [params, change] = useParams([...FILTERS, "sel"]);
  const { sel, ...filters } = params;
  const { rows, fresh, more, loading, failure, loadMore, reload } = useRows(filters);
  const { data: counts } = useRead<Counts>("/tasks/counts", filters, { every: 5_000 });
  const search = useRef<HTMLInputElement>(null);
  const open = useCallback((row: TaskRow) => go(`/tasks/${encodeURIComponent(row.id)}`), [go]);
  const select = useCallback((id: string) => change({ sel: id }), [change]);
  const wanted = useMemo(() => new Set(filters.status.split(",").filter(Boolean)), [filters.status]);
  useKeys({ f: () => search.current?.focus(), w: () => sel && go(`/why/${encodeURIComponent(sel)}`) });

  const toggle = (status: Status) => {
    const next = new Set(wanted);
    if (!next.delete(status)) next.add(status);
    change({ status: STATUSES.filter((each) => next.has(each)).join(",") }, true);
  };
  const set = SHOWN.filter((name) => params[name]);
  const emptied = Object.entries(counts?.without ?? {}).filter(([, found]) => found > 0);

  return (
    <>
      <Head title="Tasks" sub={<>{counts ? plural(counts.all, "task") : "…"}{counts?.retrying ? ` · ${count(counts.retrying)} retrying` : ""} · newest first · <ZoneNote /></>}>
        <CopyAs path={`/tasks?${new URLSearchParams(Object.entries(filters).filter(([, value]) => value))}`} command={`tutti tasks${filters.status ? ` --status ${filters.status}` : ""}`} />
      </Head>
      <div className="chips" role="group" aria-label="Filter">
        {STATUSES.map((status) => (
          <button key={status} type="button" className="chip" aria-pressed={wanted.has(status)} onClick={() => toggle(status)}>
            <StatusTag status={status}>{WORDS[status]}</StatusTag> {counts && count(counts.by_status[status])}
          </button>
        ))}
        {set.map((name) => <button key={name} type="button" className="chip" aria-pressed="true" onClick={() => change({ [name]: null }, true)}><b>{name}</b> {params[name]} ✕<span className="vh"> take this filter away</span></button>)}
        <input ref={search} className="field" aria-label="Task id, subject or skill" placeholder="id, subject or skill  (f)" value={filters.q} onChange={(event) => change({ q: event.target.value })} />
        {fresh > 0 && <button type="button" className="chip" onClick={reload}>{plural(fresh, "new task")}, show {fresh === 1 ? "it" : "them"}</button>}
      </div>
      {failure && <FailureNote error={failure} retry={reload} />}
      {rows.length > 0 ? <Grid label="Tasks" rows={rows} columns={COLUMNS} id={(row) => row.id} selected={sel} onSelect={select} onOpen={open} {...(more ? { onEnd: loadMore } : {})} />
        : loading ? <Loading rows={12} />
        : !failure && (set.length || filters.status || filters.q ? (
          <Empty act={<button type="button" className="b" onClick={() => change(Object.fromEntries(FILTERS.map((name) => [name, null])), true)}>Take all filters away</button>}>
            No task is like that. {emptied.map(([name, found]) => `Without the filter "${name}" there would be ${plural(found, "task")}.`).join(" ")}
          </Empty>
        ) : <Empty command="tutti demo">Tasks appear here as soon as somebody sends a signal or gives the fleet something to do.</Empty>)}
      <p className="sub small mt">{plural(rows.length, "row")} here{rows.length >= WINDOW ? `; the list stops at ${count(WINDOW)}: narrow it with a filter` : more ? ", more as you scroll" : ""} · Enter opens, w asks why</p>
    </>
  );
}
