/** One task: what its time went into, when what happened to it and to all that followed, what was decided, and what one may do about it. */
import { useEffect, useMemo, useRef } from "react";
import { Link, useLocation, useParams as usePath } from "wouter";
import { part } from "../../api/client.ts";
import { outOfDate, useRead } from "../../api/queries.ts";
import type { Timeline, WholeTask } from "../../api/schema.ts";
import { stream } from "../../live/stream.ts";
import { copy, CopyAs } from "../../parts/copy.tsx";
import { Card, FailureNote, Head, Loading, Shown } from "../../parts/frame.tsx";
import { type Column, Grid } from "../../parts/grid.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Tabs } from "../../parts/tabs.tsx";
import { Id, Json } from "../../parts/text.tsx";
import { At, Since, useNow, ZoneNote } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useMay } from "../../shell/session.ts";
import { useParams } from "../../url/state.ts";
import { count, duration, money, plural, quality, short, who } from "../../words/format.ts";
import { type Status, WORDS } from "../../words/status.ts";
import { Actions, Question } from "./actions.tsx";
import { Facts, type FactOfWhy, Inspector } from "./inspector.tsx";
import { did, look, scale, type Span, took, tree } from "./layout.ts";
import { TimelineChart } from "./timeline.tsx";
import "./task.css";

const VIEWS = ["timeline", "table", "tree", "events", "json"] as const;
const MOST_ZOOM = 64;

/** The height of a list that need not be longer than it is. */
const fit = (rows: number): string => `${Math.min(rows * 32 + 36, 560)}px`;

export default function TaskPage() {
  const { id = "" } = usePath<{ id: string }>();
  const task = useRead<WholeTask>(`/tasks/${part(id)}`, {}, { keep: false });
  const decides = useMay("decisions:read", task.data?.department);
  if (!task.data) return task.error ? <><Head title="Task" /><FailureNote error={task.error} retry={() => void task.refetch()} /></> : <><Head title="Task" /><Loading rows={10} /></>;
  return <Task key={id} task={task.data} decides={decides} />;
}

function Task({ task, decides }: { task: WholeTask; decides: boolean }) {
  const open = !task.finished_at;
  const [, go] = useLocation();
  const line = useRead<Timeline>(`/tasks/${part(task.id)}/timeline`, {}, { enabled: decides, ...(open ? { every: 10_000 } : {}) });
  const [{ view, step, fold, zoom, part: shown }, change] = useParams(["view", "step", "fold", "zoom", "part"]);
  useFollowed(task.id, line.data);
  const asked = open && task.stage === "approval" ? task.approval : null;
  useKeys({ w: () => decides && go(`/why/${part(task.id)}`), a: () => asked && go(`/approvals/${part(asked)}`), t: () => change({ view: view === "table" ? "" : "table" }) });
  const title = `${task.skill}${task.subject ? ` about ${task.subject}` : ""}`;
  const spans = line.data?.spans ?? NONE;
  const picked = spans.find((span) => span.id === step);
  const first = (open ? undefined : spans.findLast((span) => span.task === task.id && span.kind === "run")) ?? spans.findLast((span) => span.task === task.id);
  const pick = picked ?? first;
  const openTask = (other: string) => other !== task.id && go(`/tasks/${part(other)}`);
  return (
    <>
      <Head title={title} sub={<><StatusTag status={task.status as Status}>{task.retrying ? "retrying" : WORDS[task.status as Status]}</StatusTag> · <Id id={task.id} /> · came in <At at={task.submitted_at} />{open ? <> (<Since at={task.submitted_at} /> ago)</> : null} · <ZoneNote /></>}>
        <Actions task={task} />
        {decides && <Link className="b" href={`/why/${part(task.id)}`}>Why <kbd>w</kbd></Link>}
        <CopyAs path={`/tasks/${task.id}`} command={`tutti tasks show ${task.id}`} data={task} />
      </Head>
      <Strip task={task} line={line.data} />
      <Question task={task} />
      {decides && (
        <Shown of={line} rows={6}>{(data) => (
          <>
            <Steps task={task} line={data} view={view} step={pick?.id ?? ""} fold={fold !== "no"} zoom={Math.min(Math.max(Number(zoom) || 1, 1), MOST_ZOOM)} change={change} onOpen={openTask} />
            <div className="g c11 mt top-align">
              <Decisions line={data} />
              <Inspector task={pick?.task ?? task.id} span={pick} shown={shown} onShow={(next) => change({ part: next })} />
            </div>
          </>
        )}</Shown>
      )}
      {!decides && <Inspector task={task.id} span={undefined} shown={shown} onShow={(next) => change({ part: next })} />}
    </>
  );
}

const NONE: Span[] = [];

/** Read the timeline again when one of its tasks has moved; often at most, not at every change. */
function useFollowed(id: string, line: Timeline | undefined): void {
  const tasks = useRef(new Set<string>());
  tasks.current = useMemo(() => new Set([id, ...(line?.spans.map((span) => span.task) ?? [])]), [id, line]);
  useEffect(() => {
    let waiting: ReturnType<typeof setTimeout> | undefined;
    const stop = stream.read((changes) => {
      if (changes.some((each) => each.task && tasks.current.has(each.task))) waiting ??= setTimeout(() => ((waiting = undefined), outOfDate(`/tasks/${part(id)}/timeline`)), 1_500);
    });
    return () => (clearTimeout(waiting), stop());
  }, [id]);
}

function Strip({ task, line }: { task: WholeTask; line: Timeline | undefined }) {
  const cost = line ? line.cost : task.cost;
  const currency = line?.currency ?? task.currency;
  return (
    <>
      <div className="facts under">
        {line && <><span>Working <b>{duration(line.working_ms)}</b></span><span>Waiting for agents <b>{duration(line.waiting_agents_ms)}</b></span><span>Waiting for people <b>{duration(line.waiting_people_ms)}</b></span></>}
        {line && line.waiting_other_ms > 0 && <span>Waiting otherwise <b>{duration(line.waiting_other_ms)}</b></span>}
        {cost != null && <span>Cost <b>{money(cost, currency)}</b></span>}
        {task.amount != null && <span>Amount <b>{money(task.amount, task.currency)}</b></span>}
        {task.quality != null && <span>Quality <b>{quality(task.quality)}</b> by {task.quality_source}</span>}
        {line && <><span>Agents <b>{count(line.agents.length)}</b></span><span>Decisions <b>{count(line.decisions.length)}</b></span></>}
        {task.attempts > 1 && <span>Attempts <b>{task.attempts}</b></span>}
        {task.deadline_at && <span>Deadline <b><At at={task.deadline_at} /></b></span>}
        {line?.trace && <span>Trace <button type="button" className="plain mono" title={line.trace} onClick={() => void copy(line.trace ?? "", "the trace's id")}>{line.trace.slice(0, 8)}…<span className="vh"> copy</span></button></span>}
        {task.progress != null && <span>{task.doing || "Progress"} <b>{Math.round(task.progress * 100)}%</b></span>}
      </div>
      <div className="facts under">
        <span>{task.nature} of <b>{task.department}</b></span>
        {task.agent && <span>Agent <Link href={`/agents/${part(task.agent)}`}>{task.agent}{task.version ? ` ${task.version}` : ""}</Link></span>}
        {task.signal && <span>From signal <Id id={task.signal} /></span>}
        {task.parent && <span>Asked by <Id id={task.parent} /></span>}
        {line && line.root !== task.id && line.root !== task.parent && <span>All of it began with <Id id={line.root} /></span>}
        {task.plan && <span>Step of plan <b>{task.plan}</b></span>}
        {task.coalesced_into && <span>Same work as <Id id={task.coalesced_into} /></span>}
        {task.caller && <span>Brought in by <b>{who(task.caller)}</b></span>}
        {task.reason && (task.finished_at || task.stage === "parked") && <span className="wrap">Because: <b>{task.reason}</b></span>}
      </div>
    </>
  );
}

interface StepsProps {
  task: WholeTask;
  line: Timeline;
  view: string;
  step: string;
  fold: boolean;
  zoom: number;
  change: (changes: Partial<Record<"view" | "step" | "fold" | "zoom" | "part", string | null>>, push?: boolean) => void;
  onOpen: (task: string) => void;
}

const TREE: Column<ReturnType<typeof tree>[number]>[] = [
  { name: "Step", width: "minmax(180px, 2fr)", cell: (row) => <span style={{ paddingLeft: Math.min(row.depth, 12) * 16 }}>{row.depth > 0 && <span className="sub" aria-hidden="true">└ </span>}{row.skill}</span>, title: (row) => row.skill },
  { name: "Task", width: "104px", cell: (row) => <span className="mono">{short(row.task)}</span>, title: (row) => row.task },
  { name: "Last", width: "140px", cell: (row) => <StatusTag status={row.status as Status} /> },
  { name: "Agent", width: "minmax(110px, 1fr)", cell: (row) => row.agent ?? "", title: (row) => row.agent ?? "" },
  { name: "Began", width: "112px", cell: (row) => <At at={row.from} exact /> },
  { name: "Took", width: "96px", num: true, cell: (row) => duration(row.ms) },
];

function Steps({ task, line, view, step, fold, zoom, change, onOpen }: StepsProps) {
  const now = VIEWS.find((each) => each === view) ?? "timeline";
  const spans = line.spans;
  const clock = useNow(5_000);
  const hidden = useMemo(() => scale(spans, clock, true).hidden, [spans, clock]);
  const zoomTo = (to: number) => change({ zoom: to <= 1 ? null : String(Math.min(to, MOST_ZOOM)) });
  useKeys({ "+": () => zoomTo(zoom * 2), "=": () => zoomTo(zoom * 2), "-": () => zoomTo(zoom / 2), "0": () => zoomTo(1) }, now === "timeline");
  const rows = useMemo(() => tree(spans, Date.now()), [spans]);
  const why = useRead<{ facts: FactOfWhy[] }>(`/why/${part(task.id)}`, {}, { enabled: now === "events", keep: false });
  const columns: Column<Span>[] = useMemo(() => [
    { name: "Step", width: "minmax(150px, 1.5fr)", cell: (span) => <span style={{ paddingLeft: Math.min(span.depth, 12) * 12 }}>{span.skill}</span>, title: (span) => span.skill },
    { name: "Agent", width: "minmax(110px, 1fr)", cell: (span) => (span.agent ? `${span.agent} ${span.version ?? ""}` : ""), title: (span) => span.agent ?? "" },
    { name: "What", width: "minmax(170px, 1fr)", cell: (span) => <StatusTag status={look(span)}>{did(span)}</StatusTag> },
    { name: "Attempt", width: "70px", num: true, cell: (span) => span.attempt ?? "" },
    { name: "From", width: "112px", cell: (span) => <At at={span.started_at} exact /> },
    { name: "Took", width: "96px", num: true, cell: (span) => duration(took(span, Date.now())) },
    { name: "Note", width: "minmax(140px, 2fr)", cell: (span) => span.note ?? "", title: (span) => span.note ?? "" },
  ], []);
  const pick = (id: string) => change({ step: id });
  return (
    <Card title="Timeline" sub={<>{plural(rows.length, "task")}, {plural(spans.length, "stretch", "stretches")}{line.hidden > 0 ? `; ${plural(line.hidden, "branch", "branches")} not for you to see` : ""}{line.truncated ? "; there is more than is shown here" : ""}</>}>
      <div className="tools">
        <Tabs label="Shown as" names={VIEWS} shown={now} onShow={(name) => change({ view: name === "timeline" ? null : name })} />
        {now === "timeline" && (
          <span className="end">
            {hidden > 0 && <button type="button" className="chip" aria-pressed={fold} onClick={() => change({ fold: fold ? "no" : null })}>{fold ? <>idle time folded: <b>{duration(hidden)} hidden</b></> : "fold idle time"}</button>}
            <span>zoom {zoom > 1 ? `${zoom}×` : ""}</span>
            <button type="button" className="b" aria-label="Zoom in" onClick={() => zoomTo(zoom * 2)} disabled={zoom >= MOST_ZOOM}>+</button><button type="button" className="b" aria-label="Zoom out" onClick={() => zoomTo(zoom / 2)} disabled={zoom <= 1}>−</button><button type="button" className="b" aria-label="0: all of it" onClick={() => zoomTo(1)} disabled={zoom <= 1}>0</button>
          </span>
        )}
      </div>
      {now === "timeline" && (spans.length ? <TimelineChart spans={spans} step={step} fold={fold} zoom={zoom} onPick={pick} onOpen={onOpen} /> : <p className="sub">Nothing has taken any time yet.</p>)}
      {now === "table" && <Grid label="Stretches of time" rows={spans} columns={columns} id={(span) => span.id} selected={step} onSelect={pick} onOpen={(span) => onOpen(span.task)} height={fit(spans.length)} />}
      {now === "tree" && <Grid label="Tasks that followed" rows={rows} columns={TREE} id={(row) => row.task} selected={spans.find((span) => span.id === step)?.task ?? ""} onSelect={(id) => pick(spans.findLast((span) => span.task === id)?.id ?? "")} onOpen={(row) => onOpen(row.task)} height={fit(rows.length)} />}
      {now === "events" && <Shown of={why}>{(data) => <Facts facts={data.facts} />}</Shown>}
      {now === "json" && <Json value={line} most={200_000} />}
    </Card>
  );
}

const LONG = 50;

/** Words with their ids cut short. */
const shorter = (text: string): string => text.replace(/\b[a-z]-[0-9A-Z]{26}\b/g, short);

function Decisions({ line }: { line: Timeline }) {
  const [{ decisions: all }, change] = useParams(["decisions"]);
  const shown = all ? line.decisions : line.decisions.slice(0, LONG);
  return (
    <Card title="Decisions" sub="every one is recorded">
      {line.decisions.length === 0 ? <p className="sub">Nothing had to be decided yet.</p> : (
        <div className="scroll" tabIndex={0} style={{ maxHeight: 480, overflow: "auto" }}>
          <table>
            <thead><tr><th>When</th><th>Decision</th><th>Chosen</th><th className="num">Margin</th></tr></thead>
            <tbody>
              {shown.map((each) => (
                <tr key={`${each.seq}`} className={each.task === line.task ? "" : "sub"}>
                  <td className="nw"><At at={each.at} exact /></td><td><Link href={`/why/${part(each.task)}`}>{each.question}</Link></td><td className="wrap">{shorter(each.chosen)}</td>
                  <td className="num">{each.margin === null ? (each.kind === "approval" ? "person" : each.kind === "route" ? "only one" : "rule") : each.margin.toFixed(3)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {shown.length < line.decisions.length && <p className="mt"><button type="button" className="b" onClick={() => change({ decisions: "all" })}>Show all {count(line.decisions.length)}</button></p>}
    </Card>
  );
}
