/** Quality against what it costs (or how long it takes): up and to the left is better, and the lines are 95 % intervals. */
import { useLocation } from "wouter";
import { part } from "../../api/client.ts";
import { TableSwitch, useTable } from "../../parts/more.tsx";
import { Card } from "../../parts/frame.tsx";
import { useSize } from "../../parts/size.ts";
import { useParam } from "../../url/state.ts";
import { count, duration, money, quality } from "../../words/format.ts";
import { apart, axis, type Standing } from "./standing.ts";

const HEIGHT = 250, LEFT = 40, RIGHT = 104, TOP = 12, BOTTOM = 34; // RIGHT: room for the label of the last point

export function Scatter({ rows, currency }: { rows: readonly Standing[]; currency: string | null }) {
  const [table, flip] = useTable("scatter");
  const priced = rows.some((row) => row.cost !== null && row.cost > 0);
  const [against, change] = useParam("against", priced ? "cost" : "time");
  const cost = against === "cost";
  const known = rows.flatMap((row) => {
    const x = cost ? row.cost : row.p95_ms;
    return x === null || row.judged === 0 ? [] : [{ row, x }];
  });
  const words = (value: number) => (cost ? money(value, currency) : duration(value));
  const what = cost ? "cost a task" : "time (p95)";
  return (
    <Card
      title={`Quality against ${what}`} sub="up and left is better; lines are 95% intervals"
      act={<>{priced && <button type="button" className="plain small" onClick={() => change(cost ? "time" : "cost")}>{cost ? "Against time" : "Against cost"}</button>}<TableSwitch on={table} flip={flip} of={`quality against ${what}`} /></>}
    >
      {known.length === 0 ? <p className="sub">Nothing at this skill has been judged in this time.</p> : table ? (
        <div className="scroll" tabIndex={0}><table>
          <thead><tr><th>Agent</th><th className="num">Quality</th><th className="num">95% interval</th><th className="num">n</th><th className="num">{cost ? "Cost a task" : "p95"}</th></tr></thead>
          <tbody>{known.map(({ row, x }) => <tr key={`${row.name} ${row.version}`}><td>{row.name} {row.version}</td><td className="num">{quality(row.quality)}</td><td className="num">{quality(row.low)}–{quality(row.high)}</td><td className="num">{count(row.judged)}</td><td className="num">{words(x)}</td></tr>)}</tbody>
        </table></div>
      ) : <Picture points={known} words={words} what={what} />}
      {!priced && <p className="sub small mt">No agent at this skill says that it costs anything, so time stands where cost would.</p>}
    </Card>
  );
}

function Picture({ points, words, what }: { points: readonly { row: Standing; x: number }[]; words: (value: number) => string; what: string }) {
  const [box, { width: measured }] = useSize<HTMLDivElement>();
  const [, go] = useLocation();
  const width = Math.max(measured, 260);
  const ys = axis(Math.min(...points.map(({ row }) => row.low)), Math.max(...points.map(({ row }) => row.high)));
  const xs = axis(0, Math.max(...points.map(({ x }) => x)), width < 420 ? 3 : 5);
  const x = (value: number) => LEFT + ((value - xs.from) / (xs.to - xs.from)) * (width - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - ((value - ys.from) / (ys.to - ys.from)) * (HEIGHT - TOP - BOTTOM);
  const heights = apart(points.map(({ row }) => y(row.quality) + 4), 14);
  return (
    <div ref={box} className="scatter">
      <svg height={HEIGHT} viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={`Quality against ${what}: ${points.map(({ row, x: at }) => `${row.name} ${row.version} ${quality(row.quality)} (${quality(row.low)} to ${quality(row.high)}) at ${words(at)}`).join("; ")}`}>
        {ys.ticks.map((tick) => <g key={tick}><line x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} stroke="var(--line)" /><text className="m" x={LEFT - 8} y={y(tick) + 4} textAnchor="end">{quality(tick)}</text></g>)}
        {xs.ticks.map((tick, place) => <text key={tick} className="m" x={x(tick)} y={HEIGHT - BOTTOM + 16} textAnchor={place === 0 ? "start" : "middle"}>{words(tick)}</text>)}
        <text className="m" x={width - RIGHT + 20} y={HEIGHT - 4} textAnchor="end">{what} →</text>
        {points.map(({ row, x: at }, place) => {
          const left = points.some((other, number) => number !== place && other.x >= at && x(other.x) - x(at) < RIGHT && Math.abs(y(other.row.quality) - y(row.quality)) < 20 && (other.x > at || number > place));
          return (
            <g key={`${row.name} ${row.version}`} onClick={() => go(`/agents/${part(row.name)}`)} style={{ cursor: "pointer" }}>
              <title>{`${row.name} ${row.version}: ${quality(row.quality)} (${quality(row.low)}–${quality(row.high)}, n ${row.judged}), ${words(at)}`}</title>
              <line x1={x(at)} x2={x(at)} y1={y(row.low)} y2={y(row.high)} stroke="var(--edge)" strokeWidth="2" />
              <circle cx={x(at)} cy={y(row.quality)} r="6" fill={row.state === "live" ? "var(--accent)" : "var(--panel)"} stroke="var(--accent)" strokeWidth="2" />
              <text x={x(at) + (left ? -11 : 11)} y={heights[place]} textAnchor={left ? "end" : "start"}>{row.name} {row.version}{row.state === "live" ? "" : ` (${row.state})`}</text>
            </g>
          );
        })}
      </svg>
    </div>
  );
}
