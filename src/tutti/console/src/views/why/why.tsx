/** Why a task went as it did: one sentence, and all nine parts of the record behind it. Every word comes from the record, none from a model. */
import { Link, Redirect, useLocation, useParams as usePath } from "wouter";
import { part } from "../../api/client.ts";
import { useRead } from "../../api/queries.ts";
import type { WholeTask } from "../../api/schema.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, FailureNote, Head, Loading } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Tabs } from "../../parts/tabs.tsx";
import { Id, Json } from "../../parts/text.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useParam } from "../../url/state.ts";
import { duration, hash, money, quality, who } from "../../words/format.ts";
import { statusOf, WORDS } from "../../words/status.ts";
import { Facts } from "../task/inspector.tsx";
import { Flag, Replay, ToTask } from "./actions.tsx";
import { BacklogCard, BidsCard, ConflictCard, GateCard, JointCard, NegotiationCard, PlanCard } from "./extras.tsx";
import { Candidates, RuledOut, Score, WouldChange } from "./parts.tsx";
import { markdown } from "./record.ts";
import { type Check, type Input, type Raw, read, type TurnedOut } from "./read.ts";
import "./why.css";

export default function Why() {
  const { id = "" } = usePath<{ id: string }>();
  const of = useRead<Raw>(`/why/${part(id)}`, {}, { keep: false, enabled: !id.startsWith("s-") });
  if (id.startsWith("s-")) return <Redirect to={`/signals/${part(id)}`} />;
  if (of.error) return <><Head title="Why" /><FailureNote error={of.error} retry={() => void of.refetch()} /></>;
  if (!of.data) return <><Head title="Why" /><Loading rows={10} /></>;
  return <Told key={id} raw={of.data} />;
}

function Told({ raw }: { raw: Raw }) {
  const why = read(raw);
  const task = useRead<WholeTask>(`/tasks/${part(why.task)}`);
  const [, go] = useLocation();
  useKeys({ t: () => go(`/tasks/${part(why.task)}`) });
  const currency = task.data?.currency ?? why.gate?.currency ?? null;
  const department = task.data?.department ?? null;
  const approval = task.data?.approval ?? null;
  const status = statusOf(why.state, task.data?.stage);
  const link = `${location.origin}/console/why/${part(why.task)}`;
  const title = why.chosen ? `Why ${why.chosen}?` : `Why ${why.skill} went so`;
  return (
    <div className="why">
      <Head title={title} sub={<><StatusTag status={status}>{WORDS[status]}</StatusTag> · {why.skill} · task <Id id={why.task} /> · <ZoneNote /></>}>
        <ToTask task={why.task} />
        {why.decided_at && <Replay task={why.task} />}
        {task.data?.finished_at && task.data.agent && <Flag task={why.task} agent={task.data.agent} department={department} />}
        <CopyAs path={`/why/${why.task}`} command={`tutti why ${why.task}`} data={raw} markdown={markdown(why, currency, link)} />
      </Head>
      <Card>
        <p className="say wrap">{why.sentence}</p>
        <div className="facts">
          {why.decided_at && <span>Decided <b><At at={why.decided_at} /></b>{why.took_ms !== null && <> in <b>{duration(why.took_ms)}</b></>}</span>}
          {why.policy && <span>Policy <Link href="/policies" className="mono" title={why.policy}>{hash(why.policy)}</Link></span>}
          {why.decided_by && <span>Decided by <b>{why.decided_by}</b></span>}
          {why.margin !== null && <span>Margin <b>{why.margin.toFixed(3)}</b></span>}
          {why.seq !== null && <span>Audit <Id id={String(why.seq)}>{`#${why.seq.toLocaleString("en-GB")}`}</Id>{why.leaf && <> <span className="mono" title={why.leaf}>{hash(why.leaf)}</span></>}</span>}
          {why.trace && <span>Trace <span className="mono" title={why.trace}>{why.trace.slice(0, 8)}…</span></span>}
        </div>
      </Card>
      {why.candidates.length > 0 && (
        <div className={`g mt top-align ${why.parts ? "c2" : ""}`}>
          <Candidates rows={why.candidates} at={why.decided_at} currency={currency} explored={why.explored} />
          {why.parts && <Score parts={why.parts} />}
        </div>
      )}
      <div className="g c3 mt top-align">
        {why.route && <RuledOut rows={why.ruled_out} more={Math.max(why.ruled_out_count - why.ruled_out.length, 0)} />}
        {(why.route || why.gate) && <WouldChange rows={why.would_change} />}
        <Inputs inputs={why.inputs} checks={why.checks} />
        {why.gate && <GateCard gate={why.gate} approval={approval} />}
        {why.joint && <JointCard joint={why.joint} chosen={why.chosen ?? ""} />}
        {why.backlog && <BacklogCard backlog={why.backlog} />}
      </div>
      {why.bids.length > 0 && <div className="mt"><BidsCard bids={why.bids} currency={currency} /></div>}
      {why.conflicts.length > 0 && <div className="mt"><ConflictCard conflicts={why.conflicts} task={why.task} /></div>}
      {why.negotiation.length > 0 && <div className="mt"><NegotiationCard sentences={why.negotiation} task={why.task} /></div>}
      {why.plan && <div className="mt"><PlanCard plan={why.plan} currency={currency} /></div>}
      <div className="g c11 mt top-align">
        <Later out={why.turned_out} currency={currency} finished={task.data?.finished_at ?? null} />
        <Record raw={raw} />
      </div>
    </div>
  );
}

function Inputs({ inputs, checks }: { inputs: readonly Input[]; checks: readonly Check[] }) {
  return (
    <Card title="Inputs and checks">
      {inputs.length === 0 && checks.length === 0 && <p className="sub">Nothing but the task itself was looked at, and no limit applied.</p>}
      {inputs.length > 0 && <ul className="t">{inputs.map((each, place) => <li key={place}>{each.name}{each.value !== null && <>: <span className="wrap">{each.value}</span></>}{each.age_ms !== null && <span className="sub">, {duration(each.age_ms)} old</span>}{each.masked.length > 0 && <span className="sub">, {each.masked.join(", ")} masked</span>}</li>)}</ul>}
      {checks.length > 0 && <ul className="checks mt">{checks.map((each, place) => <li key={place}><StatusTag status={each.ok === null ? "human" : each.ok ? "done" : "failed"}>{each.name}{each.value !== null ? ` ${each.value}` : ""}{each.limit !== null ? ` of ${each.limit}` : ""}</StatusTag>{each.says && <div className="small wrap">{each.says}</div>}</li>)}</ul>}
    </Card>
  );
}

function Later({ out, currency, finished }: { out: TurnedOut; currency: string | null; finished: string | null }) {
  return (
    <Card title="How it turned out" sub={finished ? <>added later, at <At at={finished} /></> : "to be added"} className="later">
      {out.rows.length === 0 && out.judgements.length === 0 ? <p className="sub">It has not ended yet.</p> : (
        <>
          {out.rows.length > 0 && (
            <table>
              <thead><tr><th><span className="vh">What</span></th><th className="num">Came out</th><th className="num">Expected</th></tr></thead>
              <tbody>{out.rows.map((row) => <tr key={row.name}><td>{row.name}</td><td className="num"><b>{row.kind === "money" ? money(row.value, currency) : row.kind === "ms" ? duration(row.value) : row.kind === "count" ? row.value : quality(row.value)}</b></td><td className="num">{row.expected === null ? "–" : row.kind === "money" ? money(row.expected, currency) : row.kind === "ms" ? duration(row.expected) : quality(row.expected)}</td></tr>)}</tbody>
            </table>
          )}
          {out.judgements.length > 0 && <><h3>Judged</h3><ul className="t">{out.judgements.map((each, place) => <li key={place}><b>{quality(each.quality)}</b> by {each.source === "person" ? who(each.by) : each.check ?? each.source} <span className="sub">at <At at={each.at} /></span></li>)}</ul></>}
        </>
      )}
    </Card>
  );
}

const SHOWN = ["facts", "input", "output", "detail"] as const;

function Record({ raw }: { raw: Raw }) {
  const [shown, show] = useParam("record", "facts");
  const now = SHOWN.find((each) => each === shown) ?? "facts";
  return (
    <Card title="The record" sub="the sentence above is filled from it by a template; no model wrote it">
      <Tabs label="Parts of the record" names={SHOWN} shown={now} onShow={(name) => show(name)} />
      <div className="mt">{now === "facts" ? <Facts facts={raw.facts} /> : raw[now] == null ? <p className="sub">It has no {now}.</p> : <Json value={raw[now]} />}</div>
      <p className="mt"><code className="mono small">tutti why {raw.task}</code></p>
    </Card>
  );
}
