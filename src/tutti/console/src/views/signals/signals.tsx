/** What happened in the company, newest first, and what listens to it. */
import { useCallback, useMemo, useRef } from "react";
import { Link, useLocation } from "wouter";
import { type Pages, usePages, WINDOW } from "../../api/pages.ts";
import { useRead } from "../../api/queries.ts";
import type { Signal, Signals as Page, Subscription } from "../../api/watching.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Empty, FailureNote, Head, Loading, Shown } from "../../parts/frame.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useMay } from "../../shell/session.ts";
import { useParams } from "../../url/state.ts";
import { count, duration, plural, short, who } from "../../words/format.ts";
import { hears } from "./hears.ts";
import "./signals.css";

const FILTERS = ["type", "subject", "task"] as const;
const NAMES: Record<(typeof FILTERS)[number], string> = { type: "type", subject: "about", task: "sent by task" };

export const notEvaluated = (number: number): string => `${plural(number, "condition")} could not be evaluated`;

const COLUMNS: Column<Signal>[] = [
  { name: "At", width: "112px", cell: (row) => <At at={row.at} exact />, title: (row) => row.at },
  { name: "Signal", width: "96px", cell: (row) => <span className="mono">{short(row.id)}</span>, title: (row) => row.id },
  { name: "Type", width: "minmax(150px, 1.4fr)", cell: (row) => row.type, title: (row) => row.type },
  { name: "About", width: "minmax(110px, 1fr)", cell: (row) => row.subject ?? "", title: (row) => row.subject ?? "" },
  { name: "Sent by", width: "minmax(110px, 1fr)", cell: (row) => who(row.sent_by), title: (row) => row.sent_by ?? "" },
  { name: "Department", width: "minmax(90px, .8fr)", cell: (row) => row.department ?? "" },
  { name: "Led to", width: "minmax(120px, 1fr)", cell: (row) => (row.stopped ? <span className="con">{row.stopped}</span> : <>{row.tasks ? plural(row.tasks, "task") : <span className="sub">nothing</span>}{row.undecided.length > 0 && <span className="sub"> · {notEvaluated(row.undecided.length)}</span>}</>), title: (row) => row.stopped ?? row.undecided.map((each) => `${each.condition}: ${each.why}`).join("\n") },
];

export default function Signals() {
  const [params, change] = useParams([...FILTERS, "sel", "show"]);
  const { type, subject, task } = params;
  const listening = params.show === "subscriptions";
  const pages = usePages<Signal, Page>("/signals", { type, subject, task }, { rows: (page) => page.signals, next: (page) => page.next, comes: "signal.received", enabled: !listening });
  const search = useRef<HTMLInputElement>(null);
  useKeys({ f: () => search.current?.focus() });
  const query = new URLSearchParams(Object.entries({ type, subject, task }).filter(([, value]) => value));
  return (
    <>
      <Head title="Signals" sub={<>What happened, as agents and systems told it · <ZoneNote /></>}>
        <div className="dial" role="group" aria-label="Shown">
          <button type="button" aria-pressed={!listening} onClick={() => change({ show: null }, true)}>Received</button>
          <button type="button" aria-pressed={listening} onClick={() => change({ show: "subscriptions" }, true)}>What listens</button>
        </div>
        <CopyAs path={listening ? "/subscriptions" : `/signals${query.size ? `?${query}` : ""}`} />
      </Head>
      {listening ? <Subscriptions /> : (
        <>
          <div className="chips" role="group" aria-label="Filter">
            {FILTERS.map((name) => (
              <input
                key={name} ref={name === "type" ? search : undefined} className="field" aria-label={`Only those whose ${NAMES[name]} is`} placeholder={name === "type" ? "type  (f)" : NAMES[name]} value={params[name]}
                onChange={(event) => change({ [name]: event.target.value })}
              />
            ))}
            {query.size > 0 && <button type="button" className="chip" onClick={() => change({ type: null, subject: null, task: null }, true)}>✕ all filters</button>}
            {pages.fresh > 0 && <button type="button" className="chip" onClick={pages.reload}>{plural(pages.fresh, "new signal")}, read again</button>}
          </div>
          <List pages={pages} filtered={query.size > 0} selected={params.sel} onSelect={(id) => change({ sel: id })} onClear={() => change({ type: null, subject: null, task: null }, true)} />
        </>
      )}
    </>
  );
}

function List({ pages, filtered, selected, onSelect, onClear }: { pages: Pages<Signal>; filtered: boolean; selected: string; onSelect: (id: string) => void; onClear: () => void }) {
  const [, go] = useLocation();
  const open = useCallback((row: Signal) => go(`/signals/${encodeURIComponent(row.id)}`), [go]);
  const { rows, more, loading, failure, loadMore, reload } = pages;
  if (failure && !rows.length) return <FailureNote error={failure} retry={reload} />;
  if (!rows.length) {
    if (loading) return <Loading rows={12} />;
    if (filtered) return <Empty act={<button type="button" className="b" onClick={onClear}>Take all filters away</button>}>No signal is like that.</Empty>;
    return <Empty command="tutti send ticket.created --data @ticket.json" act={<Link href="/signals?show=subscriptions">What listens to signals</Link>}>Signals appear here as soon as a system or an agent says that something happened.</Empty>;
  }
  return (
    <>
      {failure && <FailureNote error={failure} retry={reload} />}
      <Grid label="Signals" rows={rows} columns={COLUMNS} id={(row) => row.id} selected={selected} onSelect={onSelect} onOpen={open} {...(more ? { onEnd: loadMore } : {})} />
      <p className="sub small mt">{plural(rows.length, "row")} here{more ? ", more as you scroll" : rows.length >= WINDOW ? `; the list stops at ${count(WINDOW)}: narrow it with a filter` : ""} · Enter opens</p>
    </>
  );
}

/** Which signals become which work. */
function Subscriptions() {
  const subscriptions = useRead<Subscription[]>("/subscriptions");
  return (
    <Card title="What listens" sub="a signal of that type, where the condition holds, becomes a task">
      <Shown of={subscriptions}>{(found) => (found.length ? <Listening found={found} /> : <Empty>No subscription is declared. A fleet declares them with fleet.on(type, skill).</Empty>)}</Shown>
    </Card>
  );
}

export function Listening({ found }: { found: readonly Subscription[] }) {
  return (
    <div className="scroll">
      <table>
        <thead><tr><th>Signal</th><th>Where</th><th>Becomes</th><th className="num">Priority</th><th className="num">Deadline</th></tr></thead>
        <tbody>
          {found.map((each) => (
            <tr key={each.id}>
              <td><Link href={`/signals?${new URLSearchParams({ type: each.type })}`}>{each.type}</Link></td>
              <td className="mono wrap">{each.condition || <span className="sub">always</span>}</td>
              <td><Link href={`/agents?${new URLSearchParams({ skill: each.skill })}`}>{each.skill}</Link>{each.gather.length > 0 && <span className="sub block">with {each.gather.map((part) => `${part.field} from ${part.skill}`).join(", ")}</span>}</td>
              <td className="num">{each.priority}</td>
              <td className="num">{each.deadline_ms === null ? "" : duration(each.deadline_ms)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The subscriptions that a signal of this type meets, if one may know them. */
export function ListeningTo({ type }: { type: string }) {
  const may = useMay("agents:read");
  const subscriptions = useRead<Subscription[]>("/subscriptions", {}, { enabled: may });
  const found = useMemo(() => subscriptions.data?.filter((each) => hears(each.type, type)) ?? [], [subscriptions.data, type]);
  if (!found.length) return null;
  return <Card title="What listens to it" sub={plural(found.length, "subscription")}><Listening found={found} /></Card>;
}

