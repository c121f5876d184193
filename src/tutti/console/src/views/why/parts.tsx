/** The parts of a decision's record that every kind of decision may have: candidates, score, ruled out, what would have changed it. */
import { Link } from "wouter";
import { part } from "../../api/client.ts";
import { Interval } from "../../parts/figures.tsx";
import { Card } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { clock, count, duration, money, percent, quality, signed } from "../../words/format.ts";
import { useZone } from "../../shell/prefs.ts";
import { addsUp, type Candidate, overlapping, type Parts } from "./record.ts";

export function Candidates({ rows, at, currency, explored }: { rows: readonly Candidate[]; at: string | null; currency: string | null; explored: boolean }) {
  const zone = useZone();
  const low = Math.min(...rows.map((row) => row.low ?? row.quality)), high = Math.max(...rows.map((row) => row.high ?? row.quality));
  const alike = overlapping(rows);
  return (
    <Card title="Candidates" sub={at ? `as known at ${clock(at, zone)}, not now` : "as known then, not now"}>
      <div className="scroll" tabIndex={0} role="region" aria-label="Candidates">
        <table className="cand">
          <thead><tr><th><span className="vh">Rank</span></th><th>Agent</th><th>Quality, 95% interval</th>{explored && <th className="num">Drawn</th>}<th className="num">Time</th><th className="num">Cost</th><th className="num">Load</th><th className="num">Score</th></tr></thead>
          <tbody>
            {rows.map((row) => (
              <tr key={`${row.agent} ${row.version}`} className={row.chosen ? "sel" : ""}>
                <td className="nw">{row.rank}{row.tie && <span className="sub small"> tie</span>}</td>
                <td><Link href={`/agents/${part(row.agent)}`}><span className="nw">{row.chosen ? <b>{row.agent}</b> : row.agent}</span></Link> {row.version}{row.chosen && <span className="vh"> (chosen)</span>}<br /><span className="sub small">{[row.chosen ? "chosen" : null, row.state, row.level === null ? null : `L${row.level}`].filter(Boolean).join(" · ")}</span></td>
                <td><span className="q">{quality(row.quality)} <Interval mean={row.quality} low={row.low} high={row.high} from={Math.max(low - 0.02, 0)} to={Math.min(high + 0.02, 1)} hollow={row.judged === 0} width={120} /></span><br /><span className="sub small">{row.judged ? `n ${count(row.judged)}` : "nothing judged, as its card says"}{row.low !== null && row.high !== null ? `, ${quality(row.low)}–${quality(row.high)}` : ""}</span></td>
                {explored && <td className="num">{quality(row.drawn)}</td>}
                <td className="num">{duration(row.latency_ms)}</td><td className="num">{money(row.cost, currency)}</td><td className="num">{percent(row.load, 0)}</td><td className="num">{row.chosen ? <b>{row.score.toFixed(3)}</b> : row.score.toFixed(3)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {alike.length > 0 && <p className="sub small mt">By quality alone, {alike.map((row) => `${row.agent} ${row.version}`).join(", ")} and the chosen one cannot be told apart: their intervals overlap.</p>}
      {explored && <p className="sub small mt">The quality that counted was drawn from what is believed of each, to learn: the column “drawn”.</p>}
    </Card>
  );
}

const tone = (value: number | null) => (signed(value) === "0" || value === null ? "" : value > 0 ? "pro" : "con");

/** How a part came about: the product, and below it what it stands for. */
function Formula({ text }: { text: string | null }) {
  if (!text) return null;
  const [product, meaning] = text.split(/ \((.*)\)$/);
  return <span className="sub small"><br />{product}{meaning && <><br />{meaning}</>}</span>;
}

export function Score({ parts }: { parts: Parts }) {
  const right = addsUp(parts), two = parts.runner_up !== null;
  return (
    <Card title="What made the score" sub={two ? "the chosen one beside the best other one" : "nobody else was scored"}>
      <div className="scroll" tabIndex={0}>
        <table>
          <thead><tr><th>Part</th><th className="num">{parts.winner}</th>{two && <><th className="num">{parts.runner_up}</th><th className="num">Difference</th></>}</tr></thead>
          <tbody>
            {parts.rows.map((row) => (
              <tr key={row.part}>
                <td>{row.part}</td>
                <td className="num">{signed(row.winner)}<Formula text={row.formula} /></td>{two && <><td className="num">{signed(row.runner_up)}<Formula text={row.formula_runner_up} /></td><td className={`num ${tone(row.difference)}`}>{signed(row.difference)}</td></>}
              </tr>
            ))}
            <tr className="total"><td>Score</td><td className="num">{parts.total.winner.toFixed(3)}</td>{two && <><td className="num">{parts.total.runner_up?.toFixed(3)}</td><td className="num">{signed(parts.total.difference)}</td></>}</tr>
          </tbody>
        </table>
      </div>
      <p className="small mt">{right ? <StatusTag status="done">the parts add up to the score</StatusTag> : <StatusTag status="failed">the parts do not add up to the score: the record is wrong</StatusTag>}</p>
    </Card>
  );
}

export function RuledOut({ rows, more }: { rows: readonly { agent: string; rule: string }[]; more: number }) {
  return (
    <Card title="Ruled out" sub="and the one rule that did it">
      {rows.length === 0 ? <p className="sub">Nobody was ruled out.</p> : (
        <div className="scroll" tabIndex={0} style={{ maxHeight: 360, overflow: "auto" }}><table>
          <thead><tr><th>Agent</th><th>Rule</th></tr></thead>
          <tbody>{rows.map((row) => <tr key={row.agent}><td className="nw">{row.agent.replace("@", " ")}</td><td className="wrap">{row.rule}</td></tr>)}</tbody>
        </table></div>
      )}
      {more > 0 && <p className="sub small mt">And {count(more)} more, which the record only counts.</p>}
    </Card>
  );
}

export interface Change {
  change: string;
  to: string;
  flips: boolean;
}

export function WouldChange({ rows }: { rows: readonly Change[] }) {
  return (
    <Card title="What would have changed it">
      {rows.length === 0 ? <p className="sub">Nothing that is recorded: there was no other choice.</p> : <ul className="t">{rows.map((row) => <li key={row.change}>{row.change} → {row.flips ? <b>{row.to}</b> : <><b>same choice</b></>}</li>)}</ul>}
      <p className="sub small mt">Computed from the recorded inputs, one change at a time.</p>
    </Card>
  );
}
