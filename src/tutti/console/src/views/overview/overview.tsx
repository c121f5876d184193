/** The first page: how the fleet does, what waits for a person, where time is lost, what ended, what is under way. */
import { Link, useLocation } from "wouter";
import { useRead } from "../../api/queries.ts";
import type { Attention, Bottlenecks, Kpi, Kpis, Playbook, Throughput } from "../../api/watching.ts";
import { StackedBars } from "../../parts/bars.tsx";
import { CopyAs } from "../../parts/copy.tsx";
import { Bar, Spark } from "../../parts/figures.tsx";
import { Card, Empty, Head, Shown } from "../../parts/frame.tsx";
import { TableSwitch, useTable } from "../../parts/more.tsx";
import { RangeSwitch, useRange, useSpan } from "../../parts/range.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { At, Since, ZoneNote } from "../../parts/time.tsx";
import { useMay } from "../../shell/session.ts";
import { useZone } from "../../shell/prefs.ts";
import { useParam } from "../../url/state.ts";
import { causeWords } from "../../words/causes.ts";
import { count, duration, hour, money, plural } from "../../words/format.ts";
import { kpiCases, kpiHeadline, kpiInterval, kpiName, kpiTarget, kpiValue, kpiVerdict } from "../../words/kpis.ts";
import { nodeName } from "../../words/nodes.ts";
import type { Range } from "../../words/range.ts";
import { wayOf } from "./attention.ts";
import { perMinute, rates } from "./rates.ts";
import "./overview.css";

const SHOWN = ["latency", "quality", "autonomy", "cost"];
const FEW = 4;
const EVERY_MS = 15_000;

export default function Overview() {
  const [range, setRange] = useRange();
  const measured = useMay("measures:read");
  if (!measured) return <><Head title="Overview" /><Empty>What the fleet achieves is shown to those who may read its measures.</Empty></>;
  return (
    <>
      <Head title="Overview" sub={<>Last {range.words} · compared with the {range.words} before · <ZoneNote /></>}>
        <RangeSwitch range={range} onChange={setRange} />
        <CopyAs path="/kpis" command="tutti kpi" />
      </Head>
      <Numbers range={range} />
      <div className="g c2 mt">
        <Needs />
        <Lost range={range} />
      </div>
      <div className="g c2 mt">
        <Done range={range} />
        <Playbooks />
      </div>
    </>
  );
}

function Numbers({ range }: { range: Range }) {
  const span = useSpan(range);
  const kpis = useRead<Kpis>("/kpis", { ...span, buckets: 60 }, { every: EVERY_MS });
  return (
    <Shown of={kpis} rows={3}>
      {({ kpis: found, currency }) => (
        <div className="g c4">
          {SHOWN.map((name) => found.find((kpi) => kpi.name === name)).filter((kpi) => kpi !== undefined).map((kpi) => <Number key={kpi.name} kpi={kpi} currency={currency} range={range} />)}
        </div>
      )}
    </Shown>
  );
}

function Number({ kpi, currency, range }: { kpi: Kpi; currency: string | null; range: Range }) {
  const verdict = kpiVerdict(kpi, currency);
  const target = kpiTarget(kpi, currency);
  const words = [
    kpiCases(kpi, kpi),
    kpiInterval(kpi, kpi.low, kpi.high, currency),
    kpi.name === "latency" && kpi.p50 !== null ? `p50 ${kpiValue(kpi, kpi.p50, currency)}` : "",
    target,
  ].filter(Boolean);
  return (
    <Link href={`/goals?${new URLSearchParams({ kpi: kpi.name, ...(range.name === "1h" ? {} : { range: range.name }) })}`} className="card kpi number">
      <span className="l">{kpiName(kpi.name)}</span>
      <b className="v">{kpiHeadline(kpi, currency)}</b>
      <span className={`d ${verdict.tone}`} title={verdict.interval}>{verdict.text}</span>
      {kpi.before.value !== null && <span className="l"> · was {kpiValue(kpi, kpi.before.value, currency)}</span>}
      <span className="l says">{words.join(" · ")}</span>
      <Spark values={kpi.series.map((point) => point.value)} />
    </Link>
  );
}

function Needs() {
  const attention = useRead<Attention[]>("/attention", {}, { every: EVERY_MS });
  const [all, showAll] = useParam("needs");
  return (
    <Card title="Needs you now" sub={attention.data?.length ? `${plural(attention.data.length, "item")} · oldest first` : undefined}>
      <Shown of={attention}>
        {(items) => !items.length ? <Empty act={<Link href="/approvals?state=all">What was decided before</Link>}>Nothing waits for a person. Approvals, questions, parked tasks and failing agents appear here.</Empty> : (
          <div className="scroll">
            <table className="needs">
              <thead><tr><th>What</th><th className="wide">Why it stopped</th><th className="num">Waiting</th><th><span className="vh">What to do</span></th></tr></thead>
              <tbody>
                {(all ? items : items.slice(0, FEW)).map((item) => {
                  const way = wayOf(item);
                  return (
                    <tr key={`${item.kind} ${item.id}`}>
                      <td>
                        <StatusTag status={way.status}>{item.title}</StatusTag>
                        <span className="sub block">{[item.kind, item.amount === null ? null : money(item.amount, item.currency), item.agent, item.department].filter(Boolean).join(" · ")}</span>
                        <span className="narrow">{item.why}</span>
                      </td>
                      <td className="wide">{item.why}</td>
                      <td className="num"><Since at={item.since} /></td>
                      <td className="num"><Link className="b" href={way.path}>{way.act}<span className="vh"> {item.title}</span></Link></td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
            {items.length > FEW && <p className="mt"><button type="button" className="plain" aria-expanded={Boolean(all)} onClick={() => showAll(all ? null : "all")}>{all ? "Show the oldest only" : `Show all ${count(items.length)}`}</button></p>}
          </div>
        )}
      </Shown>
    </Card>
  );
}

function Lost({ range }: { range: Range }) {
  const lost = useRead<Bottlenecks>("/bottlenecks", { window_ms: range.ms }, { every: EVERY_MS });
  const path = `/bottlenecks${range.name === "1h" ? "" : `?range=${range.name}`}`;
  return (
    <Card title="Coordination bottlenecks" sub="time tasks spent waiting, not working" act={<Link href={path}>All</Link>}>
      <Shown of={lost}>
        {({ bottlenecks }) => !bottlenecks.length ? <Empty>No task waited for another, for a person or for a lease in this time.</Empty> : (
          <div className="scroll">
            <table>
              <thead><tr><th>Where</th><th>Cause</th><th className="num">Lost per hour</th></tr></thead>
              <tbody>
                {bottlenecks.slice(0, FEW).map((each) => (
                  <tr key={`${each.from} ${each.to} ${each.cause}`}>
                    <td><Link href={`${path}${path.includes("?") ? "&" : "?"}cause=${each.cause}`}>{nodeName(each.from)} → {nodeName(each.to)}</Link></td>
                    <td>{causeWords(each.cause)}{each.detail && <span className="sub block">{each.detail}</span>}</td>
                    <td className="num">{duration(each.lost_per_hour_ms)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Shown>
    </Card>
  );
}

function Done({ range }: { range: Range }) {
  const { split_at, until_at } = useSpan(range);
  const done = useRead<Throughput>("/throughput", { from_at: split_at, until_at, buckets: 40 }, { every: EVERY_MS });
  const zone = useZone();
  const [, go] = useLocation();
  const [asTable, flip] = useTable("done");
  const behind = (at: string, next: string) => `/tasks?${new URLSearchParams({ since: at, status: "done,failed", until: next })}`;
  return (
    <Card title="Tasks per minute" sub="that ended, by outcome" act={<><TableSwitch on={asTable} flip={flip} of="tasks per minute" /> <Link href="/tasks?status=done,failed">All</Link></>}>
      <Shown of={done}>
        {({ buckets, bucket_ms, from_at, until_at: end }) => {
          const next = (place: number) => buckets[place + 1]?.at ?? end;
          const { alone, person, failed, mean } = rates(buckets, bucket_ms);
          if (!buckets.some((each) => each.alone + each.person + each.failed)) return <Empty command="tutti demo">No task ended in the last {range.words}.</Empty>;
          if (asTable) return (
            <div className="scroll high" tabIndex={0} role="region" aria-label="Tasks that ended">
              <table>
                <thead><tr><th>From</th><th className="num">Came in</th><th className="num">Resolved alone</th><th className="num">With a person</th><th className="num">Failed</th></tr></thead>
                <tbody>{buckets.map((each, place) => (
                  <tr key={each.at}><td><Link href={behind(each.at, next(place))}><At at={each.at} exact /></Link></td><td className="num">{count(each.submitted)}</td><td className="num">{count(each.alone)}</td><td className="num">{count(each.person)}</td><td className="num">{count(each.failed)}</td></tr>
                ))}</tbody>
              </table>
            </div>
          );
          return (
            <StackedBars
              label={`Tasks per minute by outcome over the last ${range.words}, on average: resolved alone ${perMinute(mean.alone)}, with a person ${perMinute(mean.person)}, failed ${perMinute(mean.failed)}. The same as a table by the button above.`}
              layers={[
                { name: "resolved alone", status: "done", values: alone, sum: perMinute(mean.alone) },
                { name: "with a person", status: "human", values: person, sum: perMinute(mean.person) },
                { name: "failed", status: "failed", values: failed, sum: perMinute(mean.failed) },
              ]}
              title={(place) => {
                const each = buckets[place]!;
                return `${hour(each.at, zone)}–${hour(next(place), zone)}: ${count(each.alone)} alone, ${count(each.person)} with a person, ${count(each.failed)} failed, ${count(each.submitted)} came in`;
              }}
              onPick={(place) => go(behind(buckets[place]!.at, next(place)))}
              times={[hour(from_at, zone), hour((Date.parse(from_at) + Date.parse(end)) / 2, zone), hour(end, zone)]}
            />
          );
        }}
      </Shown>
    </Card>
  );
}

function Playbooks() {
  const playbooks = useRead<Playbook[]>("/playbooks", {}, { every: EVERY_MS });
  return (
    <Card title="Playbooks in progress" act={<Link href="/tasks?skill=plan.run">All</Link>}>
      <Shown of={playbooks}>
        {(found) => !found.length ? <Empty>No plan is under way. Plans come from playbooks of the fleet and from goals that are given to it.</Empty> : (
          <div className="scroll">
            <table>
              <thead><tr><th>Playbook</th><th>Progress</th><th className="num">Open</th><th className="num">At risk</th></tr></thead>
              <tbody>
                {found.map((each) => (
                  <tr key={`${each.kind} ${each.name}`}>
                    <td><Link href="/tasks?skill=plan.run">{each.name}</Link></td>
                    <td className="nw"><Bar share={each.steps_all ? each.steps_done / each.steps_all : 0} label={`${count(each.steps_done)} of ${plural(each.steps_all, "step")}`} /></td>
                    <td className="num">{count(each.open)}</td>
                    <td className="num">{count(each.at_risk)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Shown>
    </Card>
  );
}
