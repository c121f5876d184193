/** All tasks, newest first: filters stand in the address, rows change where they stand, new ones wait until they are asked for. */
import { type FormEvent, useCallback, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { part } from "../../api/client.ts";
import { useRead } from "../../api/queries.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Empty, FailureNote, Head, Loading } from "../../parts/frame.tsx";
import { type Column, Grid, sorted } from "../../parts/grid.tsx";
import { useNarrow } from "../../parts/narrow.ts";
import { StatusTag } from "../../parts/status.tsx";
import { Id } from "../../parts/text.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useMay } from "../../shell/session.ts";
import { useParams } from "../../url/state.ts";
import { count, duration, money, plural, quality } from "../../words/format.ts";
import { type Status, STATUSES, WORDS } from "../../words/status.ts";
import { ADDED, asked, type Filter, FILTERS } from "./filters.ts";
import type { TaskRow } from "./rows.ts";
import { useRows, WINDOW } from "./use-rows.ts";
import "./tasks.css";

interface Counts {
  by_status: Record<Status, number>;
  retrying: number;
  all: number;
  without: Record<string, number>;
  whole: boolean;
}

const SHOWN = Object.keys(ADDED) as (keyof typeof ADDED)[];

function took(row: TaskRow): number | null {
  if (!row.started_at) return null;
  return (row.finished_at ? Date.parse(row.finished_at) : Date.now()) - Date.parse(row.started_at);
}

const held = (row: TaskRow): string => (row.finished_at ? row.agent : row.with ?? row.agent) ?? "";
const WIDE: Column<TaskRow>[] = [
  { name: "State", width: "146px", cell: (row) => <StatusTag status={row.status}>{row.retrying ? "retrying" : undefined}</StatusTag>, title: (row) => row.reason ?? row.stage },
  { name: "Task", width: "96px", cell: (row) => <Id id={row.id} />, title: (row) => row.id },
  { name: "Skill", width: "minmax(130px, 1.3fr)", cell: (row) => <>{row.skill}{row.plan && <span className="sub"> · {row.plan}</span>}</>, title: (row) => `${row.skill}${row.plan ? `, a step of ${row.plan}` : ""}`, by: (row) => row.skill },
  { name: "About", width: "minmax(110px, 1fr)", cell: (row) => row.subject ?? "", title: (row) => row.subject ?? "", by: (row) => row.subject },
  { name: "With", width: "minmax(110px, 1fr)", cell: (row) => (row.with?.startsWith("t-") && !row.finished_at ? <Id id={row.with} /> : held(row)), title: (row) => (row.finished_at ? `done by ${held(row)}` : `now with ${held(row)}`), by: held },
  { name: "Came in", width: "112px", cell: (row) => <At at={row.submitted_at} exact /> },
  { name: "Running for", width: "104px", num: true, cell: (row) => (row.started_at ? duration(took(row)) : ""), by: took },
  { name: "Amount", width: "92px", num: true, cell: (row) => (row.amount === null ? "" : money(row.amount, row.currency)), by: (row) => row.amount },
  { name: "Cost", width: "76px", num: true, cell: (row) => (row.cost ? money(row.cost, row.currency) : ""), by: (row) => row.cost },
  { name: "Quality", width: "76px", num: true, cell: (row) => (row.quality === null ? "" : quality(row.quality)), by: (row) => row.quality },
];
const WHY: Column<TaskRow> = { name: "Decisions", width: "80px", cell: (row) => <Link href={`/why/${part(row.id)}`}>why</Link> };
const NARROW: Column<TaskRow>[] = [
  { name: "Task", width: "minmax(0, 1fr)", cell: (row) => <span className="two"><span>{row.skill}</span><span className="sub small">{row.subject ?? ""} <Id id={row.id} /></span></span>, title: (row) => row.id },
  { name: "State", width: "148px", cell: (row) => <span className="two"><StatusTag status={row.status}>{row.retrying ? "retrying" : undefined}</StatusTag><span className="sub small"><At at={row.submitted_at} exact /></span></span> },
];

export default function Tasks() {
  const [, go] = useLocation();
  const narrow = useNarrow();
  const decides = useMay("decisions:read");
  const [params, change] = useParams([...FILTERS, "sel", "sort"]);
  const { sel, sort, ...filters } = params;
  const key = JSON.stringify(filters);
  const query = useMemo(() => asked(filters, Date.now()), [key]);
  const { rows, fresh, more, loading, failure, loadMore, reload } = useRows(query);
  const { data: counts } = useRead<Counts>("/tasks/counts", query, { every: 5_000 });
  const search = useRef<HTMLInputElement>(null);
  const open = useCallback((row: TaskRow) => go(`/tasks/${part(row.id)}`), [go]);
  const select = useCallback((id: string) => change({ sel: id }), [change]);
  const wanted = useMemo(() => new Set(filters.status.split(",").filter(Boolean)), [filters.status]);
  const columns = narrow ? NARROW : decides ? [...WIDE, WHY] : WIDE;
  // the order is made anew when other rows come in or another column is asked for, not when a row changes: nothing moves under the reader's eyes
  const order = useMemo(() => (sort ? new Map(sorted(rows, WIDE, sort).map((row, place) => [row.id, place])) : null), [sort, rows.length, rows[0]?.id]);
  const shown = useMemo(() => (order ? [...rows].sort((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0)) : rows), [rows, order]);
  const picked = rows.find((row) => row.id === sel);
  const approval = picked?.stage === "approval" ? picked.approval : null;
  useKeys({ f: () => search.current?.focus(), w: () => sel && decides && go(`/why/${part(sel)}`), a: () => approval && go(`/approvals/${part(approval)}`) });

  const toggle = (status: Status) => {
    const next = new Set(wanted);
    if (!next.delete(status)) next.add(status);
    change({ status: STATUSES.filter((each) => next.has(each)).join(",") }, true);
  };
  const set = SHOWN.filter((name) => params[name]);
  const emptied = Object.entries(counts?.without ?? {}).filter(([, found]) => found > 0);

  return (
    <>
      <Head title="Tasks" sub={<>{counts ? plural(counts.all, "task") : "…"}{counts && !counts.whole ? " and older ones" : ""}{counts?.retrying ? ` · ${count(counts.retrying)} retrying` : ""} · {sort ? `${sort.replace("-", "").toLowerCase()} first, of the rows here` : "newest first"} · <ZoneNote /></>}>
        {fresh > 0 && <button type="button" className="chip" onClick={reload}>{plural(fresh, "new task")}, show {fresh === 1 ? "it" : "them"}</button>}
        <CopyAs path={`/tasks?${new URLSearchParams(Object.entries(query).filter(([, value]) => value))}`} command={`tutti tasks${filters.status ? ` --status ${filters.status}` : ""}`} data={rows} />
      </Head>
      <div className="chips" role="group" aria-label="Filter" aria-busy={!counts}>
        {STATUSES.map((status) => (
          <button key={status} type="button" className="chip" aria-pressed={wanted.has(status)} onClick={() => toggle(status)}>
            <StatusTag status={status}>{WORDS[status]}</StatusTag> {counts && count(counts.by_status[status])}
          </button>
        ))}
        {set.map((name) => <button key={name} type="button" className="chip" aria-pressed="true" onClick={() => change({ [name]: null }, true)}><b>{name}</b> {params[name]} ✕<span className="vh"> take this filter away</span></button>)}
        <input ref={search} className="field search-in" type="search" aria-label="Task id, subject or skill" placeholder="id, subject or skill  (f)" value={filters.q} onChange={(event) => change({ q: event.target.value })} />
        <AddFilter onAdd={(name, value) => change({ [name]: value }, true)} />
      </div>
      {failure && <FailureNote error={failure} retry={reload} />}
      {rows.length > 0 ? <Grid key={String(narrow)} label="Tasks" rows={shown} columns={columns} id={(row) => row.id} selected={sel} onSelect={select} onOpen={open} sort={sort} onSort={(next) => change({ sort: next })} rowHeight={narrow ? 52 : 32} {...(narrow ? { height: "max(320px, calc(100vh - 340px))" } : {})} {...(more ? { onEnd: loadMore } : {})} />
        : loading ? <Loading rows={12} />
        : !failure && (set.length || filters.status || filters.q ? (
          <Empty act={<button type="button" className="b" onClick={() => change(Object.fromEntries(FILTERS.map((name) => [name, null])), true)}>Take all filters away</button>}>
            No task is like that. {emptied.map(([name, found]) => `Without the filter "${name}" there would be ${plural(found, "task")}.`).join(" ")}
          </Empty>
        ) : <Empty command="tutti demo">Tasks appear here as soon as somebody sends a signal or gives the fleet something to do.</Empty>)}
      <p className="sub small mt">{plural(rows.length, "row")} here{rows.length >= WINDOW ? `; the list stops at ${count(WINDOW)}: narrow it with a filter` : more ? ", more as you scroll" : ""} · <kbd>j</kbd> <kbd>k</kbd> move · <kbd>Enter</kbd> opens{decides && <> · <kbd>w</kbd> asks why</>} · <kbd>a</kbd> reviews what waits for a yes · <kbd>?</kbd> all keys</p>
    </>
  );
}

/** One more filter: which, and its value. Names that the fleet has are offered. */
function AddFilter({ onAdd }: { onAdd: (name: Filter, value: string) => void }) {
  const agents = useRead<{ name: string; skill: string; department: string }[]>("/agents", {}, { enabled: useMay("agents:read") });
  const [name, setName] = useState<keyof typeof ADDED | "">("");
  const [value, setValue] = useState("");
  const known = { agent: "name", skill: "skill", department: "department" } as const;
  const offered = useMemo(() => {
    if (name === "nature") return ["advice", "action"];
    if (name === "since" || name === "until") return ["30min", "1h", "24h", "7d"];
    return name ? [...new Set(agents.data?.map((agent) => agent[known[name]]))].sort() : [];
  }, [name, agents.data]);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    if (name && value.trim()) onAdd(name, value.trim());
    setName("");
    setValue("");
  };
  return (
    <form className="adds" onSubmit={onSubmit}>
      <select className="field" aria-label="Add a filter" value={name} onChange={(event) => (setName(event.target.value as typeof name), setValue(""))}>
        <option value="">+ Filter</option>
        {SHOWN.map((each) => <option key={each} value={each}>{ADDED[each]}</option>)}
      </select>
      {name && <><input className="field" autoFocus aria-label={ADDED[name]} list="offered" required placeholder={name === "since" || name === "until" ? "24h, or 2026-11-29T14:00" : name} value={value} onChange={(event) => setValue(event.target.value)} /><datalist id="offered">{offered.map((each) => <option key={each} value={each} />)}</datalist><button type="submit" className="b">Filter</button></>}
    </form>
  );
}
