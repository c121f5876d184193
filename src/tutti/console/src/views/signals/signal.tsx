/** One signal: what it said it is about, and everything it led to. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type KeyboardEvent, useMemo, useRef, useState } from "react";
import { Link, useLocation, useParams as useSegments } from "wouter";
import { part } from "../../api/client.ts";
import { useRead } from "../../api/queries.ts";
import type { Signal, SignalNode, Undecided } from "../../api/watching.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Empty, Head, Shown } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Id, pathOf } from "../../parts/text.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { money, plural, who } from "../../words/format.ts";
import { statusOf } from "../../words/status.ts";
import { ListeningTo, notEvaluated } from "./signals.tsx";
import { keyOf, type Row, rowsOf, sums } from "./tree.ts";
import "./signals.css";

export default function SignalPage() {
  const id = decodeURIComponent(useSegments().id ?? "");
  const signal = useRead<Signal>(`/signals/${part(id)}`, {}, { keep: false });
  const lineage = useRead<{ tree: SignalNode }>(`/lineage/${part(id)}`, {}, { keep: false });
  const led = useMemo(() => (lineage.data ? sums(lineage.data.tree) : null), [lineage.data]);
  const said = signal.data;
  return (
    <>
      <Head title={said ? said.type : "Signal"} sub={<><span className="mono">{id}</span>{said && <> · received <At at={said.at} exact /></>} · <ZoneNote /></>}>
        {said && <Link className="b" href={`/signals?${new URLSearchParams({ type: said.type })}`}>More of this type</Link>}
        <CopyAs path={`/lineage/${part(id)}`} command={`tutti why ${id}`} data={lineage.data} />
      </Head>
      <Shown of={signal} rows={2}>
        {(found) => (
          <p className="facts head">
            <span>About <b>{found.subject ?? "nobody in particular"}</b></span>
            {found.department && <span>Department <b>{found.department}</b></span>}
            <span>Sent by <b>{who(found.sent_by)}</b></span>
            {found.task && <span>from its task <Id id={found.task} /></span>}
            {led && <span>Led to <b>{plural(led.tasks, "task")}</b>{led.actions > 0 && <>, <b>{plural(led.actions, "action")}</b> among them</>}{led.signals > 0 && <>, and <b>{plural(led.signals, "further signal")}</b></>}</span>}
            {found.stopped && <span className="con">Went no further: {found.stopped}</span>}
          </p>
        )}
      </Shown>
      <Card title="What it led to" sub="cause above, effect below it and to the right">
        <Shown of={lineage} rows={6}>
          {({ tree }) => (tree.led_to.length ? <Tree key={id} top={tree} /> : <Empty>{tree.stopped ? `It went no further: ${tree.stopped}.` : "No subscription took it, so it led to nothing."}</Empty>)}
        </Shown>
      </Card>
      {said && said.undecided.length > 0 && <div className="mt"><NotEvaluated found={said.undecided} /></div>}
      {said && <div className="mt"><ListeningTo type={said.type} /></div>}
    </>
  );
}

/** Subscriptions that did not take it because their condition could not be evaluated on it. */
function NotEvaluated({ found }: { found: readonly Undecided[] }) {
  return (
    <Card title="What could not be evaluated" sub="such a condition is not met; has(data.x) asks for a field that may be absent">
      <div className="scroll">
        <table>
          <thead><tr><th>Signal</th><th>Where</th><th>Would become</th><th>Why</th></tr></thead>
          <tbody>
            {found.map((each) => (
              <tr key={each.subscription}>
                <td>{each.type}</td>
                <td className="mono wrap">{each.condition}</td>
                <td><Link href={`/agents?${new URLSearchParams({ skill: each.skill })}`}>{each.skill}</Link></td>
                <td>{each.why}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

const ROW = 30;

/** A tree that the keyboard walks: up and down, left shuts, right opens, Enter goes to the task. */
function Tree({ top }: { top: SignalNode }) {
  const [, go] = useLocation();
  const box = useRef<HTMLDivElement>(null);
  const [shut, setShut] = useState<ReadonlySet<string>>(new Set());
  const [here, setHere] = useState(keyOf(top));
  const rows = useMemo(() => rowsOf(top, shut), [top, shut]);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => box.current, estimateSize: () => ROW, overscan: 12, getItemKey: (place) => rows[place]!.key });
  const place = Math.max(rows.findIndex((row) => row.key === here), 0);

  const flip = (row: Row, open: boolean) => setShut((now) => {
    const next = new Set(now);
    if (open) next.delete(row.key);
    else next.add(row.key);
    return next;
  });
  const to = (next: number) => {
    const row = rows[Math.min(Math.max(next, 0), rows.length - 1)];
    if (!row) return;
    setHere(row.key);
    virtual.scrollToIndex(rows.indexOf(row), { align: "auto" });
  };
  const onKey = (event: KeyboardEvent) => {
    const row = rows[place];
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 12, PageUp: -12, Home: -rows.length, End: rows.length }[event.key];
    if (step !== undefined) to(place + step);
    else if (event.key === "ArrowLeft") {
      if (row.open && row.node.led_to.length) flip(row, false);
      else to(rows.findIndex((each) => each.key === row.key.slice(0, row.key.lastIndexOf("/"))));
    } else if (event.key === "ArrowRight" && row.node.led_to.length) {
      if (row.open) to(place + 1);
      else flip(row, true);
    } else if (event.key === "Enter") go(pathOf(keyOf(row.node)) ?? "/signals");
    else return;
    event.preventDefault();
  };
  return (
    <div ref={box} className="tree" role="tree" aria-label="What it led to" tabIndex={0} aria-activedescendant={`led-${place}`} onKeyDown={onKey} style={{ height: `min(${rows.length * ROW + 2}px, calc(100vh - 300px))` }}>
      <div role="presentation" style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {virtual.getVirtualItems().map((item) => {
          const row = rows[item.index]!;
          return (
            <div
              key={row.key} id={`led-${item.index}`} role="treeitem" aria-level={row.depth + 1} aria-selected={item.index === place} {...(row.node.led_to.length ? { "aria-expanded": row.open } : {})}
              className="led" style={{ transform: `translateY(${item.start}px)`, height: ROW, paddingLeft: 8 + row.depth * 22 }} onClick={() => setHere(row.key)}
            >
              {row.node.led_to.length > 0
                ? <span className="twist" aria-hidden="true" onClick={() => flip(row, !row.open)}>{row.open ? "▾" : "▸"}</span>
                : <span className="twist" aria-hidden="true" />}
              <Words row={row} />
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** A row of the tree. Its link is for the mouse; the keyboard opens it with Enter. */
function Words({ row: { node, below, open } }: { row: Row }) {
  const hidden = !open && below > 0 && <span className="sub"> · {below} below</span>;
  if ("signal" in node) return <span className="cut"><b>{node.type}</b> <span className="sub">signal</span> <Link tabIndex={-1} className="mono" href={`/signals/${part(node.signal)}`}>{node.signal.slice(-6)}</Link>{node.subject && <span className="sub"> · {node.subject}</span>}{node.stopped && <span className="con"> · went no further: {node.stopped}</span>}{node.undecided.length > 0 && <span className="sub"> · {notEvaluated(node.undecided.length)}</span>}{hidden}</span>;
  return (
    <span className="cut">
      <StatusTag status={statusOf(node.state)}>{node.state}</StatusTag> <b>{node.skill}</b> <Link tabIndex={-1} className="mono" href={`/tasks/${part(node.task)}`}>{node.task.slice(-6)}</Link>
      <span className="sub">{node.agent && ` · ${node.agent}`}{node.nature === "action" && " · action"}{node.amount !== null && ` · ${money(node.amount)}`}{node.reason && ` · ${node.reason}`}</span>{hidden}
    </span>
  );
}
