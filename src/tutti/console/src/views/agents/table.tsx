/** Standings as a table: what is believed of each agent at a skill with its interval, what it has achieved, and how far its actions go alone. */
import { Link } from "wouter";
import { part } from "../../api/client.ts";
import { LevelDial } from "../../parts/dial.tsx";
import { Bar, Interval, Spark } from "../../parts/figures.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { count, duration, money, percent, plural, quality, share } from "../../words/format.ts";
import { ranks, type Standing, slots } from "./standing.ts";

/** Where a version stands in its life, with what is wrong with it where something is. */
export function StateTag({ of }: { of: Pick<Standing, "state" | "health"> }) {
  if (of.state === "retired") return <StatusTag status="failed">retired</StatusTag>;
  if (of.health !== "ok") return <StatusTag status="failed">{of.health}</StatusTag>;
  return <StatusTag status={of.state === "draining" ? "waiting" : "done"}>{of.state}</StatusTag>;
}

interface Props {
  rows: readonly Standing[];
  currency: string | null;
  /** The end of the window, and how long it is. */
  until: number;
  windowMs: number;
  /** Whether the rows are agents at one skill, and so can be ranked. */
  ranked: boolean;
  /** Name the skill instead of the agent: on the page of one agent. */
  bySkill?: boolean;
}

export function Standings({ rows, currency, until, windowMs, ranked, bySkill = false }: Props) {
  const places = ranked ? ranks(rows) : [];
  const low = Math.min(...rows.map((row) => row.low), 1), high = Math.max(...rows.map((row) => row.high), 0);
  const acts = rows.some((row) => row.nature === "action");
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Standings">
      <table className="lead">
        <thead>
          <tr>
            {ranked && <th>Rank</th>}<th>{bySkill ? "Skill" : "Agent"}</th><th>Share of the work</th><th>Quality, 95% interval</th><th className="num">p50 / p95</th><th className="num">Cost a task</th>
            {acts && <th className="num">Autonomy</th>}<th className="num">Tasks</th><th>Quality over time</th>{acts && <th>Autonomy dial</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            <tr key={`${row.skill} ${row.name} ${row.version}`}>
              {ranked && <td className="nw">{places[place]!.rank}{places[place]!.tie && <span className="sub small"> tie</span>}</td>}
              <td>{bySkill ? <Link href={`/agents?skill=${part(row.skill)}`}>{row.skill}</Link> : <Link href={`/agents/${part(row.name)}`}><b className="nw">{row.name}</b></Link>} {row.version}<br /><span className="small nw"><StateTag of={row} /> <span className="sub">{bySkill ? row.nature : ranked ? row.department : row.skill}</span></span></td>
              <td className="nw">{row.tasks ? <><Bar share={row.share} width={50} /> {percent(row.share, 0)}</> : <span className="sub">none</span>}<br /><span className="sub small">{count(row.running)} of {count(row.concurrency)} running</span></td>
              <td>
                {row.judged > 0 || row.low > 0.03 ? <span className="q">{quality(row.quality)} <Interval mean={row.quality} low={row.low} high={row.high} from={Math.max(low - 0.02, 0)} to={Math.min(high + 0.02, 1)} width={130} hollow={row.judged === 0} /></span> : <span className="sub">not judged yet</span>}
                <br /><span className="sub small">{row.judged ? <>n {count(row.judged)}, {quality(row.low)}–{quality(row.high)}</> : "only what its card says"}{ranked && row.tie_with.length > 0 && <span title={row.tie_with.join(", ")}>; tie with {row.tie_with.length > 2 ? plural(row.tie_with.length, "other") : row.tie_with.join(", ")}</span>}</span>
              </td>
              <td className="num">{row.p50_ms === null ? "–" : `${duration(row.p50_ms)} / ${duration(row.p95_ms)}`}</td>
              <td className="num">{row.cost === null ? "–" : money(row.cost, currency)}</td>
              {acts && <td className="num">{row.nature === "action" ? share(row.alone, row.actions) : <span className="sub">advice</span>}</td>}
              <td className="num"><Link href={`/tasks?agent=${part(row.name)}&skill=${part(row.skill)}`}>{count(row.tasks)}</Link>{row.failed > 0 && <><br /><span className="small failed">{count(row.failed)} failed</span></>}</td>
              <td className="spark"><Spark values={slots(row.trend, until, windowMs)} width={72} height={22} /><span className="vh">{row.trend.length ? `from ${quality(row.trend[0]!.quality)} to ${quality(row.trend.at(-1)!.quality)}` : "nothing judged"}</span></td>
              {acts && <td>{row.level !== null && <LevelDial skill={row.skill} level={row.level} upTo={row.up_to} department={row.department} currency={currency} />}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
