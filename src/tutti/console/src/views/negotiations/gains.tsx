/** Each party's gain over the fallback, proposal by proposal: a small chart for each, since their scales have nothing in common. Dashed is the fallback: below it a party would rather walk away. */
import { useState } from "react";
import { Card } from "../../parts/frame.tsx";
import { useKeys } from "../../shell/keys.ts";
import { signed } from "../../words/format.ts";
import { type Proposal, type Settled, terms } from "./told.ts";

const W = 360, H = 96, LEFT = 12, RIGHT = 60, TOP = 20, BOTTOM = 18;
const short = (gain: number): string => signed(gain, Math.abs(gain) >= 100 ? 0 : Math.abs(gain) >= 1 ? 2 : 3);

function Chart({ party, shown }: { party: string; shown: readonly Proposal[] }) {
  const gains = shown.map((each) => each.gains[party] ?? null);
  const known = gains.filter((gain): gain is number => gain !== null);
  const low = Math.min(0, ...known), high = Math.max(0, ...known), span = high - low || 1;
  const x = (place: number) => LEFT + (shown.length < 2 ? 0.5 : place / (shown.length - 1)) * (W - LEFT - RIGHT);
  const y = (gain: number) => TOP + ((high - gain) / span) * (H - TOP - BOTTOM);
  const line = gains.flatMap((gain, place) => (gain === null ? [] : [`${x(place)},${y(gain)}`])).join(" ");
  const say = known.length ? `${party}: ${gains.map((gain, place) => `round ${shown[place]!.round} ${gain === null ? "not known" : short(gain)}`).join(", ")}; the fallback is 0` : `${party}: no gain is known`;
  const few = shown.length <= 6;
  return (
    <figure className="gain">
      <figcaption><b>{party}</b></figcaption>
      {known.length === 0 ? <p className="sub small">Its gains are not known: it gave no numbers.</p> : (
        <svg viewBox={`0 0 ${W} ${H}`} role="img" aria-label={say}>
          <line x1={LEFT} x2={W - RIGHT} y1={y(0)} y2={y(0)} stroke="var(--edge)" strokeDasharray="4 4" />
          <text className="m" x={W - RIGHT + 6} y={y(0) + 4}>fallback 0</text>
          {gains.every((gain) => gain !== null) && <polyline points={line} fill="none" stroke="var(--accent)" strokeWidth="2" />}
          {gains.map((gain, place) => gain !== null && (
            <g key={place}>
              <circle cx={x(place)} cy={y(gain)} r="4" fill={shown[place]!.answers[party] === "accept" ? "var(--accent)" : "var(--panel)"} stroke="var(--accent)" strokeWidth="2" />
              {(few || place === gains.length - 1) && <text x={x(place)} y={y(gain) - 9} textAnchor="middle">{short(gain)}</text>}
              <text className="m" x={x(place)} y={H - 3} textAnchor="middle">{few || place === 0 || place === gains.length - 1 ? `round ${shown[place]!.round}` : ""}</text>
            </g>
          ))}
        </svg>
      )}
    </figure>
  );
}

export function Gains({ parties, shown, settled }: { parties: readonly string[]; shown: readonly Proposal[]; settled: Settled | null }) {
  const [table, setTable] = useState(false);
  useKeys({ t: () => setTable(!table) });
  const last = settled?.outcome ? settled.gains : null;
  return (
    <Card title="What each would gain" sub="over the fallback, by proposal; each on its own scale" act={<button type="button" className="plain" aria-pressed={table} onClick={() => setTable(!table)}>{table ? "As charts" : "As a table"} <kbd>t</kbd></button>}>
      {!shown.length && !last ? <p className="sub">Nothing has been proposed yet.</p> : table || !shown.length ? (
        <div className="scroll">
          <table>
            <thead><tr><th>Round</th><th>Terms</th>{parties.map((party) => <th key={party} className="num">{party}</th>)}</tr></thead>
            <tbody>
              {shown.map((each, place) => (
                <tr key={place}><td>{each.round}</td><td>{terms(each.outcome)}</td>{parties.map((party) => <td key={party} className="num">{each.gains[party] === undefined ? "" : short(each.gains[party])}<br /><span className="sub small">{each.answers[party] ?? ""}</span></td>)}</tr>
              ))}
              {last && <tr className="sel"><td>end</td><td>{terms(settled?.outcome)}</td>{parties.map((party) => <td key={party} className="num">{last[party] == null ? "" : short(last[party])}</td>)}</tr>}
            </tbody>
          </table>
        </div>
      ) : <>{parties.map((party) => <Chart key={party} party={party} shown={shown} />)}<p className="sub small">● accepted ○ not (yet)</p></>}
    </Card>
  );
}
