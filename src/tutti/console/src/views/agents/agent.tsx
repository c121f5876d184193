/** One agent: its versions with what their cards say, where it stands at each skill, what it has in hand, and what stops it. */
import { useState } from "react";
import { Link, useParams as usePath } from "wouter";
import { part, post } from "../../api/client.ts";
import { outOfDate, useRead } from "../../api/queries.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Empty, FailureNote, Head, Loading, Shown } from "../../parts/frame.tsx";
import { RangeSwitch } from "../../parts/range.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Id, Json } from "../../parts/text.tsx";
import { At } from "../../parts/time.tsx";
import { useMay, useWho } from "../../shell/session.ts";
import { say } from "../../shell/toasts.ts";
import { useParam } from "../../url/state.ts";
import { count, duration, hash, money, percent, plural, quality, who } from "../../words/format.ts";
import { rangeOf } from "../../words/range.ts";
import type { Thrown } from "../../api/schema.ts";
import type { TaskRow } from "../tasks/rows.ts";
import type { Standing } from "./standing.ts";
import { StateTag, Standings } from "./table.tsx";
import "./agents.css";

interface SkillCard {
  name: string;
  nature: string;
  description: string | null;
  when: string | null;
  says: string | null;
  undo?: string | null;
  reversible: boolean;
  cost: number;
  currency: string | null;
  latency_ms: number;
  timeout_ms: number;
  attempts: number;
  idempotent: boolean;
  fresh_for_ms: number | null;
  quality: number;
}

interface Version {
  state: string;
  since: string;
  digest: string;
  version: string;
  department: string;
  owner: string;
  concurrency: number;
  skills: Record<string, SkillCard>;
  endpoint?: { transport?: string; url?: string };
}

export default function Agent() {
  const { name: given = "" } = usePath<{ name: string }>();
  const name = decoded(given);
  const of = useRead<{ name: string; versions: Version[] }>(`/agents/${part(name)}`, {}, { keep: false });
  if (of.error) return <><Head title={name} /><FailureNote error={of.error} retry={() => void of.refetch()} /></>;
  if (!of.data) return <><Head title={name} /><Loading rows={8} /></>;
  return <Shape name={name} versions={[...of.data.versions].sort((a, b) => (a.since < b.since ? 1 : -1))} />;
}

/** A segment of the address as the name that it was made from. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function Shape({ name, versions }: { name: string; versions: Version[] }) {
  const [chosen, change] = useParam("range", "7d");
  const range = rangeOf(chosen);
  const { currency } = useWho();
  const newest = versions[0]!;
  const skill = Object.keys(newest.skills);
  const of = useRead<Standing[]>("/agents/standings", { skill: skill.length === 1 ? skill[0]! : null, window_ms: range.ms }, { every: 15_000 });
  const rows = of.data?.filter((row) => row.name === name) ?? [];
  const switches = useRead<Thrown[]>("/kill-switches");
  const stopped = switches.data?.find((each) => each.scope === "agent" && each.name === name);
  const live = versions.filter((version) => version.state === "live");
  return (
    <>
      <Head title={name} sub={<>{rows[0] ? <StateTag of={rows[0]} /> : <StatusTag status={live.length ? "done" : "failed"}>{newest.state}</StatusTag>} · {newest.department} · owner {newest.owner || "nobody"} · {plural(versions.length, "version")}</>}>
        <Actions name={name} versions={versions} department={newest.department} stopped={Boolean(stopped)} />
        <CopyAs path={`/agents/${part(name)}`} command={`tutti agents show ${name}`} data={versions} />
      </Head>
      {stopped && <section className="card stopped"><p><StatusTag status="failed">Stopped by its kill switch</StatusTag><span>by {who(stopped.by)} at <At at={stopped.at} />{stopped.reason ? `: ${stopped.reason}` : ""}</span></p></section>}
      <Card title="Where it stands" sub={`what is believed of it, and what it did in the last ${range.words}`} act={<RangeSwitch range={range} onChange={(next) => change(next, true)} names={["1h", "24h", "7d"]} />}>
        <Shown of={of}>{() => rows.length ? <Standings rows={rows} currency={currency} until={of.dataUpdatedAt} windowMs={range.ms} ranked={false} bySkill /> : <p className="sub">It has done nothing in this time.</p>}</Shown>
      </Card>
      <div className="g c11 mt top-align">
        <Card title="Versions" sub="newest first; cards are what it says of itself">
          <div className="versions">{versions.map((version, place) => <VersionCard key={version.version} version={version} open={place === 0} currency={currency} />)}</div>
        </Card>
        <Tasks name={name} skills={new Set(versions.flatMap((version) => Object.keys(version.skills))).size} />
      </div>
    </>
  );
}

type Doing = "stop" | "lift" | "drain" | "retire";

function Actions({ name, versions, department, stopped }: { name: string; versions: Version[]; department: string; stopped: boolean }) {
  const throws = useMay("switches:throw", department), lifts = useMay("switches:lift", department), retires = useMay("agents:retire", department);
  const [doing, setDoing] = useState<Doing | null>(null);
  const [version, setVersion] = useState("");
  const close = () => setDoing(null);
  const after = (text: string) => (outOfDate("/agents", "/kill-switches", "/attention"), say(text));
  const open = versions.filter((each) => each.state !== "retired"), live = versions.filter((each) => each.state === "live");
  const from = doing === "drain" ? live : open;
  const which = from.length > 1 && (
    <div><label className="l" htmlFor="version">Which version</label><select id="version" className="field" value={version} onChange={(event) => setVersion(event.target.value)}><option value="">all of them</option>{from.map((each) => <option key={each.version} value={each.version}>{each.version} ({each.state})</option>)}</select></div>
  );
  return (
    <>
      {stopped ? lifts && <button type="button" className="b p" onClick={() => setDoing("lift")}>Let it go on</button> : throws && open.length > 0 && <button type="button" className="b x" onClick={() => setDoing("stop")}>Stop now</button>}
      {retires && live.length > 0 && <button type="button" className="b" onClick={() => (setVersion(""), setDoing("drain"))}>Drain</button>}
      {retires && open.length > 0 && <button type="button" className="b" onClick={() => (setVersion(""), setDoing("retire"))}>Retire</button>}
      <Confirm open={doing === "stop"} onClose={close} danger title={`Stop ${name} now?`} act={`Stop ${name}`} reason="Why (goes into the record)" needed says="Its kill switch is thrown. Nothing of it starts any more, and what it is doing is broken off; what has already happened outside stays. Tasks that only it could do are parked until the switch is lifted." run={(reason) => post<{ stopped?: number }>("/kill-switches/throw", { scope: "agent", name, reason }).then((answer) => after(`${name} is stopped; ${plural(answer.stopped ?? 0, "run")} broken off.`))} />
      <Confirm open={doing === "lift"} onClose={close} title={`Let ${name} go on?`} act={`Lift the switch of ${name}`} reason="Why (goes into the record)" says="Its kill switch is lifted: it gets tasks again, and those that the switch had parked before they began go on." run={(reason) => post<{ resumed?: number }>("/kill-switches/lift", { scope: "agent", name, reason }).then((answer) => after(`${name} goes on; ${plural(answer.resumed ?? 0, "task")} resumed.`))} />
      <Confirm open={doing === "drain"} onClose={close} title={`Drain ${name}?`} act={`Drain ${name}`} reason="Why (goes into the record)" says="It gets nothing new, and finishes what it has begun. New tasks go to other agents that offer the skill; where there is none, they wait." run={(reason) => post(`/agents/${part(name)}/drain`, { version, reason }).then(() => after(`${name} takes nothing new.`))}>{which}</Confirm>
      <Confirm open={doing === "retire"} onClose={close} danger title={`Retire ${name}?`} act={`Retire ${name}`} reason="Why (goes into the record)" needed says="It is taken out of the fleet: nothing is routed to it any more. Its record stays. An agent of the fleet's file comes back as a new version only; one from outside has to register again." run={(reason) => post(`/agents/${part(name)}/retire`, { version, reason }).then(() => after(`${name} is retired.`))}>{which}</Confirm>
    </>
  );
}

function VersionCard({ version, open, currency }: { version: Version; open: boolean; currency: string | null }) {
  const tag = { live: "done", draining: "waiting", retired: "failed" } as const;
  return (
    <details open={open}>
      <summary><b>{version.version}</b> <StatusTag status={tag[version.state as keyof typeof tag] ?? "queued"}>{version.state}</StatusTag> <span className="sub small">since <At at={version.since} /> · card {hash(version.digest)} · up to {plural(version.concurrency, "run")} at once{version.endpoint?.transport ? ` · ${version.endpoint.transport} ${version.endpoint.url ?? ""}` : " · in this process"}</span></summary>
      {Object.values(version.skills).map((skill) => (
        <dl key={skill.name}>
          <dt>Skill</dt><dd><Link href={`/agents?skill=${part(skill.name)}`}>{skill.name}</Link> <span className="sub">({skill.nature})</span></dd>
          {skill.description && <><dt>Does</dt><dd>{skill.description}</dd></>}
          {skill.when && <><dt>Only when</dt><dd className="mono">{skill.when}</dd></>}
          {skill.says && <><dt>Asks a person</dt><dd>{skill.says}</dd></>}
          {skill.nature === "action" && <><dt>Undone by</dt><dd>{skill.undo ?? (skill.reversible ? "reversible, by no skill of the fleet" : "nothing: it cannot be undone")}</dd></>}
          <dt>Says of itself</dt><dd>{duration(skill.latency_ms)}, {skill.cost ? money(skill.cost, skill.currency ?? currency) : "free"}, quality {quality(skill.quality)}; {plural(skill.attempts, "attempt")} of at most {duration(skill.timeout_ms)}{skill.fresh_for_ms ? `; an answer stays good for ${duration(skill.fresh_for_ms)}` : ""}{skill.idempotent ? "" : "; not to be repeated blindly"}</dd>
        </dl>
      ))}
      <details><summary className="sub small">Its whole card as JSON</summary><Json value={version} /></details>
    </details>
  );
}

function Tasks({ name, skills }: { name: string; skills: number }) {
  const of = useRead<{ tasks: TaskRow[] }>("/tasks", { agent: name, limit: 15 }, { every: 10_000, enabled: useMay("tasks:read") });
  const counts = useRead<{ all: number; by_status: Record<string, number> }>("/tasks/counts", { agent: name }, { every: 10_000, enabled: useMay("tasks:read") });
  const finished = counts.data ? (counts.data.by_status.done ?? 0) + (counts.data.by_status.failed ?? 0) : 0;
  return (
    <Card title="Its tasks" sub={counts.data ? <>{count(counts.data.all)}{finished > 0 && <>, {percent((counts.data.by_status.done ?? 0) / finished)} of the finished ones done</>}</> : undefined} act={<Link href={`/tasks?agent=${part(name)}`}>All of them</Link>}>
      <Shown of={of}>{({ tasks }) => tasks.length === 0 ? <Empty>It has had no task yet.</Empty> : (
        <div className="scroll" tabIndex={0}><table>
          <thead><tr><th>State</th><th>Task</th>{skills > 1 && <th>Skill</th>}<th>About</th><th>Came in</th><th className="num">Quality</th></tr></thead>
          <tbody>{tasks.map((task) => <tr key={task.id}><td><StatusTag status={task.status} /></td><td><Id id={task.id} /></td>{skills > 1 && <td>{task.skill}</td>}<td>{task.subject ?? ""}</td><td><At at={task.submitted_at} /></td><td className="num">{task.quality === null ? "" : quality(task.quality)}</td></tr>)}</tbody>
        </table></div>
      )}</Shown>
    </Card>
  );
}
