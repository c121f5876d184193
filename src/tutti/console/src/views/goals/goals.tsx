/** What people want and how it is measured: each KPI before and after an instant that one chooses, over time, and the goals that steer. */
import { useMemo, useState } from "react";
import { Link } from "wouter";
import { useRead } from "../../api/queries.ts";
import type { Fact } from "../../api/schema.ts";
import type { Kpi, Kpis } from "../../api/watching.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Head, Shown } from "../../parts/frame.tsx";
import { TableSwitch, useTable } from "../../parts/more.tsx";
import { RangeSwitch, useRange } from "../../parts/range.tsx";
import { Series } from "../../parts/series.tsx";
import { At, useNow, ZoneNote } from "../../parts/time.tsx";
import { useZone } from "../../shell/prefs.ts";
import { useMay } from "../../shell/session.ts";
import { useParam } from "../../url/state.ts";
import { count, when } from "../../words/format.ts";
import { KPIS, kpiCases, kpiHeadline, kpiInterval, kpiName, kpiTarget, kpiValue, kpiVerdict } from "../../words/kpis.ts";
import { fromField, toField } from "../../words/local.ts";
import { stepOf } from "../../words/range.ts";
import { CHANGES, stepsOf } from "./changes.ts";
import { around } from "./compare.ts";
import { Wanted } from "./wanted.tsx";
import "./goals.css";

const PARTS = 90;
const EVERY_MS = 15_000;

export default function Goals() {
  const [range, setRange] = useRange();
  const [split, setSplit] = useParam("split");
  const [chosen, choose] = useParam("kpi", "latency");
  const measured = useMay("measures:read");
  const zone = useZone();
  const now = useNow(10_000);
  const { chosen: fixed, ...span } = around(split, range, now);
  const step = stepOf(Date.parse(span.until_at) - Date.parse(span.split_at));
  const kpis = useRead<Kpis>("/kpis", { ...span, buckets: PARTS }, { enabled: measured, every: EVERY_MS });
  const pick = (at: string | null) => setSplit(at, true);
  return (
    <>
      <Head title="Goals and KPIs" sub={measured ? <>{fixed ? <>since <At at={span.split_at} exact />, compared with as long before</> : `last ${range.words}, compared with the ${range.words} before`} · <ZoneNote /></> : undefined}>
        {measured && <RangeSwitch range={fixed ? null : range} onChange={(name) => (setSplit(null), setRange(name))} />}
        <CopyAs path={`/kpis?${new URLSearchParams({ ...span })}`} command="tutti kpi" data={kpis.data} />
      </Head>
      {measured && (
        <>
          <Card title="Before and after" act={<Chooser key={(fixed ? span.split_at : "") + zone} at={span.split_at} fixed={fixed} onPick={pick} />}>
            <Shown of={kpis} rows={5}>{(found) => <Compared found={found} chosen={chosen} onChoose={(name) => choose(name, true)} />}</Shown>
          </Card>
          <OverTime name={chosen} span={span} step={step} onPick={pick} />
        </>
      )}
      <Wanted />
    </>
  );
}

/** The instant that before and after are parted by. */
function Chooser({ at, fixed, onPick }: { at: string; fixed: boolean; onPick: (at: string | null) => void }) {
  const zone = useZone();
  const held = fixed ? toField(at, zone) : ""; // what follows the clock is in no field
  const [text, setText] = useState(held);
  const take = () => {
    const next = fromField(text, zone);
    if (next && text !== held) onPick(next);
  };
  const journal = useMay("journal:read");
  const facts = useRead<Fact[]>("/journal/facts", { before: Number.MAX_SAFE_INTEGER, kinds: CHANGES, limit: 200 }, { enabled: journal });
  const steps = stepsOf(facts.data ?? []);
  return (
    <span className="chooser">
      <label htmlFor="split" className="sub">Compare before and after</label>
      <input id="split" className="field" type="datetime-local" value={text} max={toField(new Date().toISOString(), zone)} onChange={(event) => setText(event.target.value)} onBlur={take} onKeyDown={(event) => event.key === "Enter" && take()} />
      {steps.length > 0 && (
        <select className="field" aria-label="Compare before and after a change" value={steps.some((step) => step.at === at) ? at : ""} onChange={(event) => event.target.value && onPick(event.target.value)}>
          <option value="">or a change …</option>
          {steps.map((step) => <option key={`${step.at} ${step.words}`} value={step.at}>{step.words}, {when(step.at, zone)}</option>)}
        </select>
      )}
      {fixed && <button type="button" className="plain" onClick={() => onPick(null)}>Follow the clock again</button>}
    </span>
  );
}

function Compared({ found, chosen, onChoose }: { found: Kpis; chosen: string; onChoose: (name: string) => void }) {
  const { currency } = found;
  const within = (kpi: Kpi, low: number | null, high: number | null) => kpiInterval(kpi, low, high, currency);
  return (
    <div className="scroll">
      <table className="kpis">
        <thead><tr><th>KPI</th><th className="num">Before</th><th className="num">After</th><th>What changed</th><th className="num">Median before, after</th><th>Target</th></tr></thead>
        <tbody>
          {found.kpis.map((kpi) => {
            const verdict = kpiVerdict(kpi, currency);
            return (
              <tr key={kpi.name} className={kpi.name === chosen ? "sel" : ""}>
                <td><button type="button" className="plain name" aria-pressed={kpi.name === chosen} title={KPIS[kpi.name]?.about} onClick={() => onChoose(kpi.name)}>{kpiName(kpi.name)}</button></td>
                <td className="num"><b>{kpiHeadline({ ...kpi, ...kpi.before }, currency)}</b><span className="sub small block">{within(kpi, kpi.before.low, kpi.before.high)}</span><span className="sub small block">{kpiCases(kpi, kpi.before)}</span></td>
                <td className="num"><b>{kpiHeadline(kpi, currency)}</b><span className="sub small block">{within(kpi, kpi.low, kpi.high)}</span><span className="sub small block">{kpiCases(kpi, kpi)}</span></td>
                <td><span className={`verdict ${verdict.tone}`}>{verdict.text}</span><span className="sub small block">{verdict.interval}</span></td>
                <td className="num">{kpi.p50 === null && kpi.before.p50 === null ? "" : <>{kpiValue(kpi, kpi.before.p50, currency)}, {kpiValue(kpi, kpi.p50, currency)}</>}</td>
                <td className="nw">{kpiTarget(kpi, currency) ? <>{kpiTarget(kpi, currency).replace("target ", "")} <Met kpi={kpi} /></> : <span className="sub">none set</span>}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

/** Whether a target is met, only where the whole interval lies on one side of it. */
function Met({ kpi }: { kpi: Kpi }) {
  const { target, value, low, high, better } = kpi;
  if (target === null || value === null) return null;
  const least = low ?? value, most = high ?? value;
  if (better === "lower" ? most <= target : least >= target) return <b className="pro">met</b>;
  if (better === "lower" ? least > target : most < target) return <b className="con">missed</b>;
  return <span className="sub">within its interval</span>;
}

function OverTime({ name, span, step, onPick }: { name: string; span: { from_at: string; split_at: string; until_at: string }; step: number; onPick: (at: string) => void }) {
  // the API parts only what is after the split, so the whole time is asked for as "after" a moment before it
  const whole = { from_at: new Date(Date.parse(span.from_at) - step).toISOString(), split_at: span.from_at, until_at: span.until_at, buckets: PARTS };
  const asked = useRead<Kpis>("/kpis", whole, { every: EVERY_MS });
  const zone = useZone();
  const [asTable, flip] = useTable("series");
  const found = asked.data?.kpis.find((kpi) => kpi.name === name);
  const points = useMemo(() => found?.series ?? [], [found]);
  const marks = useMemo(() => [{ at: span.split_at, name: "before | after" }], [span.split_at]);
  return (
    <Card className="mt" title={`${kpiName(name)} over time`} sub={KPIS[name]?.about} act={<TableSwitch on={asTable} flip={flip} of={kpiName(name)} />}>
      <Shown of={asked} rows={5}>
        {({ currency }) => {
          if (!found) return <p className="sub">There is no KPI {name}.</p>;
          const words = (value: number) => kpiValue(found, value, currency);
          const behind = (place: number) => `/tasks?${new URLSearchParams({ since: points[place]!.at, status: "done,failed", until: points[place + 1]?.at ?? span.until_at })}`;
          if (asTable) return (
            <div className="scroll high" tabIndex={0} role="region" aria-label={`${kpiName(name)} over time`}>
              <table>
                <thead><tr><th>From</th><th className="num">{kpiName(name)}</th><th className="num">{KPIS[name]?.cases ?? "cases"}</th></tr></thead>
                <tbody>{points.map((point, place) => <tr key={point.at}><td><Link href={behind(place)}>{when(point.at, zone)}</Link></td><td className="num">{point.value === null ? <span className="sub">nothing seen</span> : words(point.value)}</td><td className="num">{count(point.n)}</td></tr>)}</tbody>
              </table>
            </div>
          );
          return (
            <Series
              label={`${kpiName(name)} in ${points.length} parts of the time from ${when(span.from_at, zone)} to ${when(span.until_at, zone)}; the same as a table by the button above`}
              points={points} words={words} cases={(n) => `${count(n)} ${KPIS[name]?.cases ?? "cases"}`} target={found.target} {...(found.unit === "share" ? { cap: 1 } : {})} marks={marks} onPick={onPick}
            />
          );
        }}
      </Shown>
    </Card>
  );
}
