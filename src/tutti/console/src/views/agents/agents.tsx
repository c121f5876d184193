/** Who is good at what: agents at one skill, ranked with their intervals, and what their quality costs. */
import { useMemo } from "react";
import { useRead } from "../../api/queries.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Empty, Head, Shown } from "../../parts/frame.tsx";
import { RangeSwitch } from "../../parts/range.tsx";
import { useWho } from "../../shell/session.ts";
import { useParam } from "../../url/state.ts";
import { count, plural } from "../../words/format.ts";
import { rangeOf } from "../../words/range.ts";
import { Scatter } from "./scatter.tsx";
import type { Standing } from "./standing.ts";
import { Standings } from "./table.tsx";
import "./agents.css";

const RANGES = ["1h", "24h", "7d"];
const EVERY = "all";

export default function Agents() {
  const [wanted, choose] = useParam("skill");
  const [name, change] = useParam("range", "7d");
  const range = rangeOf(name);
  const offers = useRead<{ name: string; skill: string }[]>("/agents");
  const skills = useMemo(() => {
    const found = new Map<string, number>();
    for (const { skill } of offers.data ?? []) found.set(skill, (found.get(skill) ?? 0) + 1);
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  }, [offers.data]);
  const most = skills.reduce<[string, number]>((best, each) => (each[1] > best[1] ? each : best), ["", 0])[0];
  const skill = wanted || most; // the one that most agents compete for
  const every = skill === EVERY;
  const of = useRead<Standing[]>("/agents/standings", { skill: every ? null : skill, window_ms: range.ms }, { enabled: skill !== "", every: 15_000 });
  const { currency } = useWho();
  return (
    <>
      <Head title="Agents" sub={<>{offers.data ? plural(new Set(offers.data.map((each) => each.name)).size, "agent") : "…"}, {plural(skills.length, "skill")} · what they did in the last {range.words}</>}>
        <label className="small sub">skill <select className="field" value={skill} onChange={(event) => choose(event.target.value, true)}>
          {skills.map(([each, agents]) => <option key={each} value={each}>{each} ({agents})</option>)}
          {wanted && !every && !skills.some(([each]) => each === wanted) && <option value={wanted}>{wanted}</option>}
          <option value={EVERY}>all skills</option>
        </select></label>
        <RangeSwitch range={range} onChange={(next) => change(next, true)} names={RANGES} />
        <CopyAs path={`/agents/standings?${every ? "" : `skill=${encodeURIComponent(skill)}&`}window_ms=${range.ms}`} command="tutti agents" data={of.data} />
      </Head>
      {offers.data?.length === 0 ? <Empty command="tutti demo">Agents appear here as soon as a fleet is up, or one from outside has registered.</Empty> : (
        <Shown of={of} rows={8}>{(rows) => rows.length === 0 ? (
          <Empty act={<button type="button" className="b" onClick={() => choose("", true)}>Show another skill</button>}>No agent offers {skill}, and none has done it in the last {range.words}.</Empty>
        ) : (
          <>
            <Card title={every ? "All skills" : skill} sub={every ? "grouped by skill; agents are ranked only among those at the same skill" : `${plural(rows.length, "version")}; who cannot be told apart shares a rank`}>
              <Standings rows={rows} currency={currency} until={of.dataUpdatedAt} windowMs={range.ms} ranked={!every} />
            </Card>
            {!every && <div className="g c11 mt top-align"><Scatter rows={rows} currency={currency} /><Work rows={rows} /></div>}
          </>
        )}</Shown>
      )}
    </>
  );
}

/** Who did how much of it, and how it ended. */
function Work({ rows }: { rows: readonly Standing[] }) {
  const all = rows.reduce((sum, row) => sum + row.tasks, 0), failed = rows.reduce((sum, row) => sum + row.failed, 0);
  const actions = rows.reduce((sum, row) => sum + row.actions, 0), alone = rows.reduce((sum, row) => sum + row.alone, 0);
  return (
    <Card title="The work" sub={`${plural(all, "finished task")}${failed ? `, ${count(failed)} failed` : ""}${actions ? `; ${count(alone)} of ${plural(actions, "action")} alone` : ""}`}>
      <div className="scroll" tabIndex={0}><table>
        <thead><tr><th>Agent</th><th className="num">Done</th><th className="num">Failed</th><th className="num">Judged, ever</th><th className="num">Running now</th></tr></thead>
        <tbody>{[...rows].sort((a, b) => b.tasks - a.tasks).map((row) => <tr key={`${row.name} ${row.version}`}><td>{row.name} {row.version}</td><td className="num">{count(row.tasks - row.failed)}</td><td className="num">{count(row.failed)}</td><td className="num">{count(row.judged)}</td><td className="num">{count(row.running)} of {count(row.concurrency)}</td></tr>)}</tbody>
      </table></div>
    </Card>
  );
}
