/** Where the fleet loses time: what tasks waited for instead of being worked on, most lost first. */
import { Link } from "wouter";
import { useRead } from "../../api/queries.ts";
import type { Bottleneck, Bottlenecks as Answer } from "../../api/watching.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Bar } from "../../parts/figures.tsx";
import { Card, Empty, Head, Shown } from "../../parts/frame.tsx";
import { RangeSwitch, useRange } from "../../parts/range.tsx";
import { ZoneNote } from "../../parts/time.tsx";
import { useParam } from "../../url/state.ts";
import { CAUSES, causeWords } from "../../words/causes.ts";
import { count, duration, percent, plural } from "../../words/format.ts";
import { nodeName } from "../../words/nodes.ts";
import { lostBy, tasksBehind } from "./lost.ts";
import "./bottlenecks.css";

export default function Bottlenecks() {
  const [range, setRange] = useRange();
  const [cause, setCause] = useParam("cause");
  const lost = useRead<Answer>("/bottlenecks", { window_ms: range.ms }, { every: 10_000 });
  return (
    <>
      <Head title="Bottlenecks" sub={<>Time that tasks spent waiting, not working · last {range.words} · <ZoneNote /></>}>
        <RangeSwitch range={range} onChange={setRange} />
        <CopyAs path={`/bottlenecks?window_ms=${range.ms}`} data={lost.data} />
      </Head>
      <Shown of={lost} rows={8}>
        {({ bottlenecks, since }) => !bottlenecks.length ? (
          <Card><Empty act={<Link href="/tasks?status=waiting">Tasks that wait now</Link>}>No task waited for another, for a person or for a lease in the last {range.words}.</Empty></Card>
        ) : <Found all={bottlenecks} since={since} cause={cause} onCause={setCause} />}
      </Shown>
    </>
  );
}

function Found({ all, since, cause, onCause }: { all: readonly Bottleneck[]; since: string; cause: string; onCause: (cause: string | null, push?: boolean) => void }) {
  const causes = lostBy(all);
  const whole = causes.reduce((sum, each) => sum + each.ms, 0);
  const shown = all.filter((each) => !cause || each.cause === cause);
  const most = Math.max(...shown.map((each) => each.lost_ms), 1);
  return (
    <>
      <div className="chips" role="group" aria-label="Cause">
        {causes.map((each) => (
          <button key={each.cause} type="button" className="chip" aria-pressed={each.cause === cause} title={CAUSES[each.cause]?.means} onClick={() => onCause(each.cause === cause ? null : each.cause, true)}>
            <b>{causeWords(each.cause)}</b> {duration(each.ms)} <span className="sub">{percent(each.ms / (whole || 1), 0)}</span>
          </button>
        ))}
      </div>
      <Card>
        {!shown.length ? <Empty act={<button type="button" className="b" onClick={() => onCause(null, true)}>Show all causes</button>}>Nothing waited for {causeWords(cause)} in this time; without that filter there are {plural(all.length, "bottleneck")}.</Empty> : (
          <div className="scroll">
            <table className="lost">
              <thead>
                <tr><th>Where</th><th>Waited for</th><th>Lost</th><th className="num">In all</th><th className="num">Per hour</th><th className="num">Tasks</th><th className="num">Waiting now</th><th className="num">p50</th><th className="num">p95</th></tr>
              </thead>
              <tbody>
                {shown.map((each) => (
                  <tr key={`${each.from} ${each.to} ${each.cause}`}>
                    <td><Link href={tasksBehind(each, since)}>{nodeName(each.from)} → {nodeName(each.to)}</Link></td>
                    <td>{causeWords(each.cause)}<span className="sub block">{each.detail || CAUSES[each.cause]?.means}</span></td>
                    <td><Bar share={each.lost_ms / most} width={110} /></td>
                    <td className="num">{duration(each.lost_ms)}</td>
                    <td className="num">{duration(each.lost_per_hour_ms)}</td>
                    <td className="num">{count(each.tasks)}</td>
                    <td className="num">{each.open ? count(each.open) : ""}</td>
                    <td className="num">{duration(each.p50_ms)}</td>
                    <td className="num">{duration(each.p95_ms)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
        <p className="sub small mt">Times of tasks that waited side by side add up, so more than an hour can be lost in an hour. What still waits counts up to now.</p>
      </Card>
    </>
  );
}
