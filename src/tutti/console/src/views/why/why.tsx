/** Why a task went as it did: one sentence, and all nine parts of the record behind it. Every word comes from the record, none from a model. */
import { Link, Redirect, useParams as usePath } from "wouter";
import { part } from "../../api/client.ts";
import { useRead } from "../../api/queries.ts";
import type { WholeTask } from "../../api/schema.ts";
import { copy, CopyAs } from "../../parts/copy.tsx";
import { Card, FailureNote, Head, Loading } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Tabs } from "../../parts/tabs.tsx";
import { Id, Json, Sentence } from "../../parts/text.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { useWho } from "../../shell/session.ts";
import { useParam } from "../../url/state.ts";
import { count, duration, hash, money, plural, quality, who } from "../../words/format.ts";
import { statusOf, WORDS } from "../../words/status.ts";
import { Facts } from "../task/inspector.tsx";
import { Flag, Replay, ToTask } from "./actions.tsx";
import { BacklogCard, BidsCard, ConflictCard, GateCard, JointCard, NegotiationCard, PlanCard } from "./extras.tsx";
import { Candidates, RuledOut, Score, WouldChange } from "./parts.tsx";
import { markdown } from "./record.ts";
import { BY, line, outcomes, own, type Outcome, type Whole } from "./read.ts";
import "./why.css";

export default function Why() {
  const { id = "" } = usePath<{ id: string }>();
  const elsewhere = id.startsWith("s-") ? "signals" : id.startsWith("c-") ? "conflicts" : null;
  const of = useRead<Whole>(`/why/${part(id)}`, {}, { keep: false, enabled: elsewhere === null });
  if (elsewhere) return <Redirect to={`/${elsewhere}/${part(id)}`} />;
  if (of.error) return <><Head title="Why" /><FailureNote error={of.error} retry={() => void of.refetch()} /></>;
  if (!of.data) return <><Head title="Why" /><Loading rows={10} /></>;
  return <Told key={id} why={of.data} />;
}

function Told({ why }: { why: Whole }) {
  const task = useRead<WholeTask>(`/tasks/${part(why.task)}`);
  const { decided, route, gate } = why;
  const fleet = useWho().currency;
  const currency = task.data?.currency ?? gate?.currency ?? fleet;
  const status = statusOf(why.state, task.data?.stage);
  const link = `${location.origin}/console/why/${part(why.task)}`;
  return (
    <div className="why">
      <Head title={route ? `Why ${route.chosen}?` : `Why ${why.skill} went so`} sub={<><StatusTag status={status}>{WORDS[status]}</StatusTag> · {why.skill} · task <Id id={why.task} />{decided?.plan ? ` · step of ${decided.plan}` : ""} · <ZoneNote /></>}>
        <ToTask task={why.task} />
        {decided && <Replay task={why.task} />}
        {task.data?.finished_at && task.data.agent && <Flag task={why.task} agent={task.data.agent} department={task.data.department} />}
        <CopyAs path={`/why/${why.task}`} command={`tutti why ${why.task}`} data={why} markdown={markdown(why, currency, link)} />
      </Head>
      <Card>
        <p className="say wrap"><Sentence text={own(why)} strong={route?.chosen} /></p>
        {decided && (
          <div className="facts">
            <span>Decided <b><At at={decided.decided_at} /></b> in <b>{duration(decided.took_ms)}</b></span>
            {decided.policy && <span>Policy <Link href="/policies" className="mono" title={decided.policy}>{hash(decided.policy)}</Link></span>}
            <span>Decided by <b>{gate?.asked && decided.decided_by !== "person" ? "a rule: ask a person" : BY[decided.decided_by] ?? decided.decided_by}</b>{decided.answered_at && <> at <At at={decided.answered_at} /></>}</span>
            {decided.margin !== null && <span>Margin <b>{decided.margin.toFixed(3)}</b></span>}
            <span>Audit <Id id={String(decided.seq)}>{`#${count(decided.seq)}`}</Id>{decided.leaf && <> <span className="mono" title={decided.leaf}>{hash(decided.leaf)}</span></>}</span>
            {decided.trace && <span>Trace <button type="button" className="plain mono" title={decided.trace} onClick={() => void copy(decided.trace ?? "", "the trace's id")}>{decided.trace.slice(0, 8)}…<span className="vh"> copy</span></button></span>}
          </div>
        )}
      </Card>
      {route && (
        <div className="g weighed mt top-align">
          <div className="g">
            <Candidates rows={why.candidates} at={decided?.decided_at ?? null} currency={currency} explored={route.explored} />
            <WouldChange rows={why.would_change} />
          </div>
          <div className="g">
            {why.parts && <Score parts={why.parts} />}
            <RuledOut rows={why.ruled_out} more={Math.max(route.ruled_out_count - why.ruled_out.length, 0)} />
          </div>
        </div>
      )}
      <div className="g cards mt top-align">
        {!route && gate && <WouldChange rows={why.would_change} />}
        <Inputs why={why} currency={currency} />
        {gate && <GateCard gate={gate} approval={task.data?.approval ?? null} />}
        {route?.joint && <JointCard joint={route.joint} chosen={route.chosen} />}
        {why.backlog && <BacklogCard backlog={why.backlog} />}
      </div>
      {route && route.bids.length > 0 && <div className="mt"><BidsCard bids={route.bids} currency={currency} /></div>}
      {why.conflicts && why.conflicts.length > 0 && <div className="mt"><ConflictCard conflicts={why.conflicts} task={why.task} /></div>}
      {why.negotiation && why.negotiation.length > 0 && <div className="mt"><NegotiationCard sentences={why.negotiation} task={why.task} /></div>}
      {why.plan && <div className="mt"><PlanCard plan={why.plan} currency={currency} /></div>}
      <div className="g c11 mt top-align">
        {task.data || task.error ? <Later rows={outcomes(why)} why={why} currency={currency} finished={task.data?.finished_at ?? null} /> : <Loading />}
        <Record why={why} />
      </div>
    </div>
  );
}

const KINDS: Record<string, string> = { signal: "signal", output: "from another task:", case: "known of it:", subject: "about" };

function Inputs({ why, currency }: { why: Whole; currency: string | null }) {
  const masked = why.inputs.filter((each) => each.masked);
  return (
    <Card title="Inputs and checks">
      {why.inputs.length === 0 && why.checks.length === 0 && <p className="sub">Nothing but the task itself was looked at, and no limit applied.</p>}
      {why.inputs.length > 0 && <ul className="t">{why.inputs.map((each) => <li key={`${each.kind} ${each.name}`}>{KINDS[each.kind] ?? each.kind} {each.kind !== "subject" && <b>{each.name}</b>}{each.masked ? <span className="sub"> masked: erased since</span> : each.value !== null && <> <span className="wrap mono" title={line(each.value)}>{line(each.value)}</span></>}{each.age_ms !== null && <span className="sub">, {duration(each.age_ms)} old</span>}{each.task && <> (<Id id={each.task} />)</>}</li>)}</ul>}
      {masked.length > 0 && <p className="sub small mt">Masked: {masked.map((each) => each.name).join(", ")}.</p>}
      {why.checks.length > 0 && <ul className="checks mt">{why.checks.map((each, place) => <li key={place}><StatusTag status={each.ok ? "done" : why.gate?.verdict === "deny" ? "failed" : "human"}>{each.name}{each.value !== null ? `: ${line(each.value)}` : ""}{each.limit !== null ? ` of ${line(each.limit)}` : ""}</StatusTag><div className="small wrap">{each.says}</div></li>)}</ul>}
      {why.models.length > 0 && <><h3>Models that took part</h3><ul className="t">{why.models.map((each) => <li key={each.model}>{each.model}: {plural(each.calls, "call")}, {count(each.input_tokens)} tokens in, {count(each.output_tokens)} out{each.cost === null ? ", cost not said" : `, ${money(each.cost, currency)}`}</li>)}</ul></>}
    </Card>
  );
}

function Later({ rows, why, currency, finished }: { rows: readonly Outcome[]; why: Whole; currency: string | null; finished: string | null }) {
  const words = (row: Outcome, value: number) => (row.unit === "money" ? money(value, currency) : row.unit === "ms" ? duration(value) : row.unit === "count" ? count(value) : quality(value));
  const judged = why.turned_out.judgements;
  return (
    <Card title="How it turned out" sub={finished ? <>added later, at <At at={finished} /></> : "to be added when it has ended"} className="later">
      {rows.length === 0 && judged.length === 0 ? <p className="sub">{finished ? `It is ${why.turned_out.state}, with no agent's work of its own.` : "It has not ended yet."}</p> : (
        <>
          {rows.length > 0 && <table>
            <thead><tr><th><span className="vh">What</span></th><th className="num">Came out</th><th className="num">Expected</th></tr></thead>
            <tbody>{rows.map((row) => <tr key={row.name}><td>{row.name}</td><td className="num"><b>{words(row, row.value)}</b></td><td className="num">{row.expected === null ? "–" : words(row, row.expected)}</td></tr>)}</tbody>
          </table>}
          {judged.length > 0 && <><h3>Judged</h3><ul className="t">{judged.map((each, place) => <li key={place}><b>{quality(each.quality)}</b> by {each.source === "person" ? who(each.by) : each.check ?? each.source} <span className="sub">at <At at={each.at} /></span></li>)}</ul></>}
        </>
      )}
    </Card>
  );
}

const SHOWN = ["facts", "input", "output", "detail"] as const;

function Record({ why }: { why: Whole }) {
  const [shown, show] = useParam("record", "facts");
  const now = SHOWN.find((each) => each === shown) ?? "facts";
  return (
    <Card title="The record" sub="the sentence above is filled from it by a template; no model wrote it">
      <Tabs label="Parts of the record" names={SHOWN} shown={now} onShow={(name) => show(name)} />
      <div className="mt">{now === "facts" ? <Facts facts={why.facts} /> : why[now] == null ? <p className="sub">It has no {now}.</p> : <Json value={why[now]} />}</div>
      <p className="mt"><code className="mono small">tutti why {why.task}</code></p>
    </Card>
  );
}
