/** The record: where it stands, whether it holds, and every fact of it, newest first. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { type Failure, getPage, type Query } from "../../api/client.ts";
import { useRead } from "../../api/queries.ts";
import type { Head as ChainHead } from "../../api/schema.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Empty, FailureNote, Head, Loading, Shown } from "../../parts/frame.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { Id, Json, pathOf } from "../../parts/text.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useZone } from "../../shell/prefs.ts";
import { useParams } from "../../url/state.ts";
import { type Fact, told } from "../../words/facts.ts";
import { count, day, hash, plural, short, who } from "../../words/format.ts";
import { Alone, Chain } from "./chain.tsx";
import "./audit.css";

const FILTERS = ["kinds", "about", "by", "since", "until"] as const;
const GROUPS: [name: string, kinds: string][] = [
  ["decisions", "task.routed,task.gated,plan.,conflict.,negotiation.settled,backlog."], ["approvals", "approval."], ["policy and levels", "policy.,autonomy.,budget.,cap."], ["kill switches", "kill."],
  ["agents", "agent."], ["runs", "run."], ["tasks", "task."], ["who may come in", "account.,token.,session.,enrolment."], ["the workspace", "workspace.,subject."],
];
interface Page {
  rows: Fact[];
  next: Query | null;
}

const PAGE = 200;
const NEWEST = Number.MAX_SAFE_INTEGER;
const ABOVE = 6; // records that are shown above the one that was jumped to

/** `days`: whether some records are of another day, so that the day stands beside the time. */
const columns = (days: boolean): Column<Fact>[] => [
  { name: "#", width: "86px", num: true, cell: (fact) => <span className="mono">{count(fact.seq)}</span> },
  { name: "When", width: days ? "184px" : "104px", cell: (fact) => <At at={fact.at} /> },
  { name: "Who", width: "minmax(80px, .7fr)", cell: (fact) => who(fact.by), title: (fact) => fact.by },
  { name: "Did", width: "minmax(124px, .8fr)", cell: (fact) => told(fact).did, title: (fact) => fact.kind },
  { name: "About", width: "minmax(96px, .7fr)", cell: (fact) => <span className="mono">{short(fact.about)}</span>, title: (fact) => fact.about },
  { name: "More", width: "minmax(80px, 2fr)", cell: (fact) => <span className="sub">{told(fact).detail}</span>, title: (fact) => told(fact).detail },
  { name: "Because", width: "80px", num: true, cell: (fact) => (fact.cause ? <span className="mono sub">#{count(fact.cause)}</span> : "") },
  { name: "Hash", width: "98px", cell: (fact) => <span className="mono sub">{hash(fact.leaf)}</span>, title: (fact) => fact.leaf },
];

/** One record whole: what was sealed, and the way to what led to it. */
function Whole({ seq, onGo, onClose }: { seq: number; onGo: (seq: number) => void; onClose: () => void }) {
  const read = useRead<Fact[]>("/journal/facts", { after: seq - 1, limit: 1 });
  return (
    <Card title={`Record #${count(seq)}`} act={<button type="button" className="plain" onClick={onClose} aria-label="Close the record">✕</button>} className="whole">
      <Shown of={read}>
        {([fact]) => !fact || fact.seq !== seq ? <p>There is no record {count(seq)}.</p> : (
          <>
            <p><b>{who(fact.by)}</b> {told(fact).did} {told(fact).detail && <span className="sub wrap">({told(fact).detail})</span>}</p>
            <div className="facts mt">
              <span>kind <b>{fact.kind}</b></span>
              <span>at <b><At at={fact.at} /></b></span>
              <span>by <b>{fact.by}</b></span>
              <span>about <b><Id id={fact.about} /></b></span>
              {fact.cause !== null && <span>because of <button type="button" className="link mono" onClick={() => onGo(fact.cause!)}>#{count(fact.cause)}</button></span>}
            </div>
            <p className="sub small mt">Hash of this leaf</p>
            <p className="mono wrap">{fact.leaf}</p>
            <p className="sub small mt">What was sealed with it</p>
            <Json value={fact.data} />
          </>
        )}
      </Shown>
    </Card>
  );
}

export default function Audit() {
  const [, go] = useLocation();
  const [params, change] = useParams([...FILTERS, "at"]);
  const { at, ...filters } = params;
  const wanted = /^\d+$/.test(at) ? Number(at) : null;
  const { data: head } = useRead<ChainHead>("/journal/head", {}, { every: 5_000 });
  const [anchor, setAnchor] = useState(wanted ? wanted + ABOVE + 1 : NEWEST);
  const [jump, setJump] = useState("");
  const input = useRef<HTMLInputElement>(null);
  const pages = useInfiniteQuery<Page, Failure, { pages: Page[] }, unknown[], Query>({
    queryKey: ["/journal/facts", filters, anchor],
    queryFn: ({ pageParam, signal }) => getPage<Fact[]>("/journal/facts", pageParam, signal),
    initialPageParam: { ...filters, before: anchor, limit: PAGE },
    // A page may be short because the server has looked far enough for once: then it names the rest.
    getNextPageParam: ({ rows, next }) => next ?? (rows.length === PAGE ? { ...filters, before: rows.at(-1)!.seq, limit: PAGE } : undefined),
    staleTime: Infinity, // the past does not change
  });
  const rows = useMemo(() => pages.data?.pages.flatMap((page) => page.rows) ?? [], [pages.data]);
  const zone = useZone();
  const [last, today] = [rows.at(-1)?.at, day(Date.now(), zone)];
  const shown = useMemo(() => columns(last !== undefined && day(last, zone) !== today), [last, today, zone]);
  const here = wanted !== null && rows.some((row) => row.seq === wanted);
  useEffect(() => {
    if (wanted !== null && rows.length && !here && !Object.values(filters).some(Boolean)) setAnchor(wanted + ABOVE + 1);
  }, [wanted, here, rows.length]);
  useKeys({ f: () => input.current?.focus() });

  const select = useCallback((id: string) => change({ at: id }), [change]);
  const open = useCallback((fact: Fact) => {
    const path = pathOf(fact.about);
    if (path) go(path);
    else change({ at: String(fact.seq) });
  }, [go, change]);
  const set = FILTERS.filter((name) => params[name]);
  const newest = rows[0]?.seq ?? 0;
  const fresh = head && anchor === NEWEST && !set.length ? Math.max(head.seq - newest, 0) : 0;
  const toNewest = () => {
    change({ at: null });
    if (anchor === NEWEST) void pages.refetch();
    else setAnchor(NEWEST);
  };

  return (
    <>
      <Head title="Audit log" sub={<>{head ? plural(head.seq, "record") : "…"} · append only · <ZoneNote /></>}>
        <CopyAs path={`/journal/facts?${new URLSearchParams(Object.entries({ ...filters, limit: "200" }).filter(([, value]) => value))}`} command="tutti audit verify" />
      </Head>
      <Chain head={head} />
      <div className="chips mt" role="group" aria-label="Filter">
        {GROUPS.map(([name, kinds]) => (
          <button key={name} type="button" className="chip" aria-pressed={params.kinds === kinds} onClick={() => change({ kinds: params.kinds === kinds ? null : kinds }, true)}>{name}</button>
        ))}
        {set.filter((name) => name !== "kinds" || !GROUPS.some(([, kinds]) => kinds === params.kinds)).map((name) => (
          <button key={name} type="button" className="chip" aria-pressed="true" onClick={() => change({ [name]: null }, true)}><b>{name}</b> <span className="cut">{params[name]}</span> ✕<span className="vh"> take this filter away</span></button>
        ))}
      </div>
      <div className="chips">
        <input ref={input} className="field" aria-label="About: the whole id of a task, an approval, an agent" placeholder="about: a whole id  (f)" value={params.about} onChange={(event) => change({ about: event.target.value.trim() })} />
        <input className="field" aria-label="By whom" placeholder="by: person/ana, agent/pay" value={params.by} onChange={(event) => change({ by: event.target.value.trim() })} />
        <form className="jump" onSubmit={(event) => {
          event.preventDefault();
          const seq = Number(jump.replaceAll(/[#,. ]/g, ""));
          if (Number.isInteger(seq) && seq > 0) change({ at: String(seq) }, true);
          setJump("");
        }}>
          <input className="field" inputMode="numeric" aria-label="Go to a record by its number" placeholder="go to #" value={jump} onChange={(event) => setJump(event.target.value)} />
        </form>
        {fresh > 0 && <button type="button" className="chip" onClick={toNewest}>{plural(fresh, "new record")}, show {fresh === 1 ? "it" : "them"}</button>}
        {anchor !== NEWEST && <button type="button" className="chip" onClick={toNewest}>Show the newest</button>}
      </div>
      {pages.error && <FailureNote error={pages.error} retry={() => void pages.refetch()} />}
      <div className={wanted !== null ? "record-split" : ""}>
        {rows.length > 0 ? (
          <Grid label="Records, newest first" rows={rows} columns={shown} id={(fact) => String(fact.seq)} selected={at} onSelect={select} onOpen={open} height="calc(100vh - 330px)" {...(pages.hasNextPage && !pages.isFetchingNextPage ? { onEnd: () => void pages.fetchNextPage() } : {})} />
        ) : pages.isPending ? <Loading rows={12} /> : !pages.error && (
          pages.hasNextPage ? <Empty act={<button type="button" className="b" disabled={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>Look further back</button>}>None of the newest records is like that.</Empty>
            : set.length ? <Empty act={<button type="button" className="b" onClick={() => change(Object.fromEntries(FILTERS.map((name) => [name, null])), true)}>Take all filters away</button>}>No record is like that.</Empty>
            : <Empty command="tutti demo">Records appear here as soon as anything happens.</Empty>
        )}
        {wanted !== null && <Whole seq={wanted} onGo={(seq) => change({ at: String(seq) }, true)} onClose={() => change({ at: null })} />}
      </div>
      <Alone head={head} />
      <p className="sub small">Names of subjects and payloads stand in no record: <Link href="/signals">signals</Link> and tasks have them, as far as you may read them.</p>
    </>
  );
}
