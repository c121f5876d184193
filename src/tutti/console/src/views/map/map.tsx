/** The live map: who is at work, and what moves between them, now or in the last hour played again. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { outOfDate, useRead } from "../../api/queries.ts";
import type { Hop, Signals, Traffic, TrafficNode } from "../../api/watching.ts";
import { stream } from "../../live/stream.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Empty, Head, Shown } from "../../parts/frame.tsx";
import { At, Since, ZoneNote } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useMay } from "../../shell/session.ts";
import { useStanding } from "../../shell/shell.tsx";
import { useParams } from "../../url/state.ts";
import { duration, plural, who } from "../../words/format.ts";
import { nodeName } from "../../words/nodes.ts";
import { Canvas, type Moving } from "./canvas.tsx";
import { arrivals, asPlayed, graphOf, type Graph } from "./graph.ts";
import { Follower, Rate } from "./hops.ts";
import { layOut, type Layout } from "./layout.ts";
import { Panel } from "./panel.tsx";
import { Replay } from "./replay.tsx";
import { Tables } from "./table.tsx";
import "./map.css";

const HOUR = 3_600_000;
const EVERY_MS = 10_000;
const STRANGE_MS = 5_000;

export default function LiveMap() {
  const [params, change] = useParams(["as", "at", "department", "replay", "sel", "speed"]);
  const { as, department, replay, sel } = params;
  const asTable = as === "table";
  const { connection } = useStanding();
  const paused = connection === "paused";
  const now = useRead<Traffic>("/traffic", { limit: 1 }, { every: EVERY_MS, enabled: !paused && !replay });
  const until = Date.parse(replay);
  const past = useRead<Traffic>("/traffic", Number.isNaN(until) ? {} : { from_at: new Date(until - HOUR).toISOString(), until_at: new Date(until).toISOString(), limit: 20_000 }, { enabled: Boolean(replay) && !Number.isNaN(until), keep: false });
  const shown = replay ? past : now;

  const pause = useCallback(() => (stream.now().connection === "paused" ? stream.start() : stream.stop("paused")), []);
  useEffect(() => () => {
    if (stream.now().connection === "paused") stream.start(); // other pages are live; the pause was this map's
  }, []);
  const toReplay = () => change(replay ? { replay: null, at: null, speed: null } : { replay: new Date().toISOString() }, true);
  useKeys({ t: () => change({ as: asTable ? null : "table" }, true), ...(replay ? {} : { " ": pause }) });

  return (
    <>
      <Head title="Live map" sub={<Told traffic={shown.data} replay={Boolean(replay)} />}>
        {!replay && <button type="button" className="b" aria-pressed={paused} onClick={pause}>{paused ? "Go on" : "Pause"} <kbd>space</kbd></button>}
        <button type="button" className="b" onClick={toReplay}>{replay ? "Back to now" : "Replay last hour"}</button>
        <button type="button" className="b" aria-pressed={asTable} onClick={() => change({ as: asTable ? null : "table" }, true)}>{asTable ? "Map" : "Table view"} <kbd>t</kbd></button>
        <CopyAs path={replay && past.data ? `/traffic?${new URLSearchParams({ from_at: past.data.from_at, until_at: past.data.until_at })}` : "/traffic"} />
      </Head>
      <Shown of={shown} rows={10}>
        {(traffic) => !traffic.nodes.length ? <Card><Empty command="tutti demo">Agents appear here when they are registered, and lines between them when work goes from one to another.</Empty></Card>
          : asTable ? <Tables traffic={traffic} selected={sel} onSelect={(name) => change({ sel: name })} />
          : <Picture key={replay} traffic={traffic} replay={replay} department={department} selected={sel} params={params} change={change} paused={paused} />}
      </Shown>
    </>
  );
}

/** The head's line: how many agents, and how much moves. */
function Told({ traffic, replay }: { traffic: Traffic | undefined; replay: boolean }) {
  const [rate, setRate] = useState<number | null>(null);
  useEffect(() => {
    if (replay) return setRate(null);
    const seen = new Rate();
    const stop = stream.read((changes) => seen.add(changes.filter((change) => change.kind === "run.started").length, Date.now()));
    const timer = setInterval(() => setRate(seen.perSecond(Date.now())), 1_000);
    return () => (stop(), clearInterval(timer));
  }, [replay]);
  if (!traffic) return <>…</>;
  const agents = traffic.nodes.filter((node) => node.kind === "agent").length;
  const hops = traffic.edges.reduce((sum, edge) => sum + edge.count, 0);
  return <>{plural(agents, "agent")}{rate !== null && ` · ${rate.toFixed(1)} starts/s now`} · {plural(hops, "hop")} in {replay ? "that hour" : "the last hour"} · <ZoneNote /></>;
}

interface PictureProps {
  traffic: Traffic;
  replay: string;
  department: string;
  selected: string;
  params: Record<"at" | "speed", string>;
  change: (changes: Partial<Record<"at" | "department" | "sel" | "speed", string | null>>, push?: boolean) => void;
  paused: boolean;
}

function Picture({ traffic, replay, department, selected, params, change, paused }: PictureProps) {
  const [, go] = useLocation();
  const moving = useRef<Moving>(null);
  const [counts, setCounts] = useState<ReadonlyMap<string, number>>();
  const [heard, setHeard] = useState<readonly Hop[]>([]);
  const graph = useMemo(() => graphOf(replay ? { ...traffic, nodes: asPlayed(traffic.nodes) } : traffic, department), [traffic, department, replay]);
  const played = useMemo(() => (replay && counts ? { counts, played: arrivals(counts) } : {}), [replay, counts]);
  const layout = useLayout(graph);
  const node = graph.nodes.find((each) => each.name === selected);
  const select = useCallback((name: string) => change({ sel: name }), [change]);
  const openDepartment = useCallback((name: string) => change({ department: name, sel: null }, true), [change]);
  const open = useCallback((each: TrafficNode) => {
    if (each.kind === "agent") go(`/agents/${encodeURIComponent(each.name)}`);
    else if (each.kind === "department") openDepartment(each.department ?? "");
    else if (each.kind === "person") go("/approvals");
    else if (each.name === "signal") go("/signals");
  }, [go, openDepartment]);

  useEffect(() => {
    if (replay) return;
    const follower = new Follower();
    let read = 0;
    return stream.read((changes) => {
      let strange = false;
      for (const { from, to } of follower.take(changes)) strange = moving.current?.move(from, to) === false || strange;
      if (!strange || Date.now() - read < STRANGE_MS) return;
      read = Date.now(); // a way that is new: the record has it by now
      outOfDate("/traffic");
    });
  }, [replay]);
  useEffect(() => {
    if (paused) moving.current?.still();
  }, [paused]);

  return (
    <div className={replay ? "map replaying" : "map"}>
      <section className="card picture" aria-label="Map">
        {department && graph.grouped && <div className="chips" style={{ margin: 8 }}><button type="button" className="chip" aria-pressed="true" onClick={() => change({ department: null }, true)}><b>department</b> {department} ✕<span className="vh"> show departments again</span></button></div>}
        <Canvas graph={graph} layout={layout} {...played} selected={selected} onSelect={select} onOpen={open} moving={moving} />
        {replay && <Replay traffic={traffic} graph={graph} at={params.at} speed={params.speed} onChange={change} onMove={(from, to) => moving.current?.move(from, to)} onStill={() => moving.current?.still()} onCounts={setCounts} onHeard={setHeard} />}
      </section>
      <aside aria-label="Details">
        <Panel graph={graph} node={node} replay={Boolean(replay)} onSelect={select} onOpenDepartment={openDepartment} />
        {replay ? <Heard hops={heard} /> : <JustNow paused={paused} />}
      </aside>
    </div>
  );
}

/** Laid out anew only where there is somebody new or a new way: a map that jumps cannot be read. Ways once seen stay in the layout. */
function useLayout(graph: Graph): Layout {
  const seen = useRef<{ of: boolean; ways: Map<string, { from: string; to: string }> }>({ of: graph.grouped, ways: new Map() });
  const names = graph.nodes.map((node) => node.name).sort();
  if (seen.current.of !== graph.grouped) seen.current = { of: graph.grouped, ways: new Map() };
  for (const { from, to } of [...graph.edges, ...graph.declared]) seen.current.ways.set(`${from}\n${to}`, { from, to });
  const ways = [...seen.current.ways.values()].filter(({ from, to }) => names.includes(from) && names.includes(to));
  const key = `${names.join("\n")}\n\n${ways.map(({ from, to }) => `${from}\t${to}`).sort().join("\n")}`;
  return useMemo(() => layOut(graph.nodes.map((node) => ({ name: node.name, group: node.kind === "agent" ? (node.department ?? "") : "" })), ways), [key]);
}

/** The newest signals, each a link to what it led to. */
function JustNow({ paused }: { paused: boolean }) {
  const may = useMay("tasks:read");
  const signals = useRead<Signals>("/signals", { limit: 7 }, { enabled: may && !paused });
  if (!may) return null;
  return (
    <Card title="Signals just now" act={<Link href="/signals">All</Link>}>
      <Shown of={signals} rows={4}>
        {({ signals: found }) => !found.length ? <p className="sub">None has come in yet.</p> : (
          <table>
            <thead><tr><th>Signal</th><th className="num">Age</th></tr></thead>
            <tbody>{found.map((each) => <tr key={each.id}><td><Link href={`/signals/${encodeURIComponent(each.id)}`}>{each.type}</Link><span className="sub small block">{[each.sent_by ? `from ${who(each.sent_by)}` : "", each.stopped ?? (each.tasks ? plural(each.tasks, "task") : "led to nothing")].filter(Boolean).join(" · ")}</span></td><td className="num"><Since at={each.at} /></td></tr>)}</tbody>
          </table>
        )}
      </Shown>
    </Card>
  );
}

/** The hops that have just been played. */
function Heard({ hops }: { hops: readonly Hop[] }) {
  return (
    <Card title="Just before">
      {!hops.length ? <p className="sub">Nothing moved in the minute before.</p> : (
        <table>
          <thead><tr><th>Hop</th><th className="num">Took</th></tr></thead>
          <tbody>{hops.map((hop) => <tr key={`${hop.task} ${hop.at} ${hop.to}`}><td>{nodeName(hop.from)} → {nodeName(hop.to)}<span className="sub small block"><Link href={`/tasks/${encodeURIComponent(hop.task)}`}>{hop.skill}</Link> · <At at={hop.at} exact /></span></td><td className="num">{duration(hop.took_ms)}</td></tr>)}</tbody>
        </table>
      )}
    </Card>
  );
}
