/** Each party's gain over the fallback, step by step: a small chart for each, since their scales have nothing in common. Dashed is the fallback: below it a party would rather walk away. */
import { Card } from "../../parts/frame.tsx";
import { TableSwitch, useTable } from "../../parts/more.tsx";
import { useKeys } from "../../shell/keys.ts";
import { signed } from "../../words/format.ts";
import { type Step, terms } from "./told.ts";

const W = 360, H = 92, LEFT = 34, RIGHT = 76, TOP = 20, BOTTOM = 18;
const short = (gain: number): string => signed(gain, Math.abs(gain) >= 100 ? 0 : Math.abs(gain) >= 1 ? 2 : 3);

function Chart({ party, steps }: { party: string; steps: readonly Step[] }) {
  const gains = steps.map((step) => step.gains[party] ?? null);
  const known = gains.filter((gain): gain is number => gain !== null);
  const low = Math.min(0, ...known), high = Math.max(0, ...known), span = high - low || 1;
  const x = (place: number) => LEFT + (steps.length < 2 ? 0.5 : place / (steps.length - 1)) * (W - LEFT - RIGHT);
  const y = (gain: number) => TOP + ((high - gain) / span) * (H - TOP - BOTTOM);
  const line = gains.flatMap((gain, place) => (gain === null || steps[place]!.better ? [] : [`${x(place)},${y(gain)}`])).join(" ");
  const said = `${party}: ${gains.map((gain, place) => `${steps[place]!.name} ${gain === null ? "not known" : short(gain)}`).join(", ")}; the fallback is 0`;
  const few = steps.length <= 6;
  return (
    <figure className="gain">
      <figcaption><b>{party}</b></figcaption>
      {known.length === 0 ? <p className="sub small">Its gains are not known: it gave no numbers.</p> : (
        <svg viewBox={`0 0 ${W} ${H}`} role="img" aria-label={said}>
          <line x1={LEFT - 24} x2={W - RIGHT + 24} y1={y(0)} y2={y(0)} stroke="var(--edge)" strokeDasharray="4 4" />
          <text className="m" x={W} y={y(0) - 4} textAnchor="end">fallback 0</text>
          {known.length === gains.length && line.includes(" ") && <polyline points={line} fill="none" stroke="var(--accent)" strokeWidth="2" />}
          {gains.map((gain, place) => gain !== null && (
            <g key={place}>
              <circle cx={x(place)} cy={y(gain)} r="4" fill={steps[place]!.answers[party] === "accept" ? "var(--accent)" : "var(--panel)"} stroke={steps[place]!.better ? "var(--human)" : "var(--accent)"} strokeWidth="2" />
              {(few || place === gains.length - 1) && <text x={x(place)} y={y(gain) - 9} textAnchor="middle">{short(gain)}</text>}
              {(few || place === 0 || place === gains.length - 1) && <text className="m" x={x(place)} y={H - 2} textAnchor="middle">{steps[place]!.name}</text>}
            </g>
          ))}
        </svg>
      )}
    </figure>
  );
}

export function Gains({ parties, steps }: { parties: readonly string[]; steps: readonly Step[] }) {
  const [table, flip] = useTable("gains");
  useKeys({ t: flip });
  return (
    <Card title="Gains" sub="over the fallback, each party on its own scale" act={<TableSwitch on={table} flip={flip} of="gains" />}>
      {!steps.length ? <p className="sub">Nothing has been proposed yet.</p> : table ? (
        <div className="scroll" tabIndex={0}>
          <table>
            <thead><tr><th>Step</th><th>Terms</th>{parties.map((party) => <th key={party} className="num">{party}</th>)}</tr></thead>
            <tbody>
              {steps.map((step, place) => (
                <tr key={place}><td className="nw">{step.name}</td><td>{terms(step.outcome)}</td>{parties.map((party) => <td key={party} className="num">{step.gains[party] == null ? "" : short(step.gains[party])}<br /><span className="sub small">{step.answers[party] ?? ""}</span></td>)}</tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : <>{parties.map((party) => <Chart key={party} party={party} steps={steps} />)}<p className="sub small">● accepted · ○ not asked, or not accepted{steps.some((step) => step.better) && " · with a person's word it could be the last one"}</p></>}
    </Card>
  );
}
