/** Stacked bars over time, from zero, in true pixels. A picture: who cannot see it or use a mouse has the table beside it. */
import { useSize } from "./size.ts";
import { StatusTag } from "./status.tsx";
import type { Status } from "../words/status.ts";

export interface Layer {
  name: string;
  status: Status;
  values: readonly number[];
  /** What stands in the legend behind the name. */
  sum: string;
}

interface Props {
  label: string;
  layers: readonly Layer[];
  /** What is said of a bar when the mouse is on it, and what a click on it opens. */
  title: (place: number) => string;
  onPick?: (place: number) => void;
  /** Words below the first and the last bar, and in the middle. */
  times: readonly [string, string, string];
  height?: number;
}

/** The next round number above: 1, 2 or 5 times a power of ten. */
export function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value) ?? 10 * power;
}

const GAP = 1; // between a bar's layers, so that they can be told apart without colour
const BELOW = 18, LEFT = 42, ABOVE = 8;

export function StackedBars({ label, layers, title, onPick, times, height = 150 }: Props) {
  const [box, { width }] = useSize<HTMLDivElement>();
  const many = layers[0]?.values.length ?? 0;
  const sums = Array.from({ length: many }, (_, place) => layers.reduce((sum, layer) => sum + (layer.values[place] ?? 0), 0));
  const most = roundUp(Math.max(...sums, 0));
  const floor = height - BELOW, room = floor - ABOVE, step = many ? (width - LEFT) / many : 0, wide = Math.max(step * 0.74, 1);
  const y = (value: number) => floor - (value / most) * room;
  return (
    <>
      <div ref={box} style={{ height }}>
        {width > 0 && (
          <svg width={width} height={height} role="img" aria-label={label}>
            {[most, most / 2].map((value) => (
              <g key={value}>
                <line x1={LEFT} x2={width} y1={y(value)} y2={y(value)} stroke="var(--line)" />
                <text className="m" x={LEFT - 6} y={y(value) + 4} textAnchor="end">{Number(value.toPrecision(2)).toLocaleString("en-GB")}</text>
              </g>
            ))}
            {sums.map((sum, place) => {
              let top = floor;
              return (
                <g key={place} transform={`translate(${LEFT + place * step + (step - wide) / 2},0)`}>
                  {layers.map((layer) => {
                    const size = ((layer.values[place] ?? 0) / most) * room;
                    if (!size) return null;
                    top -= Math.max(size, 1);
                    return <rect key={layer.name} className={layer.status} y={top} width={wide} height={Math.max(size - GAP, 1)} fill="currentColor" />;
                  })}
                  <rect className={onPick && sum ? "pick" : ""} x={-(step - wide) / 2} y={ABOVE} width={step} height={room} fill="transparent" onClick={sum ? () => onPick?.(place) : undefined}><title>{title(place)}</title></rect>
                </g>
              );
            })}
            <line x1={LEFT} x2={width} y1={floor + 0.5} y2={floor + 0.5} stroke="var(--edge)" />
            <text className="m" x={LEFT} y={height - 4}>{times[0]}</text>
            <text className="m" x={(LEFT + width) / 2} y={height - 4} textAnchor="middle">{times[1]}</text>
            <text className="m" x={width} y={height - 4} textAnchor="end">{times[2]}</text>
          </svg>
        )}
      </div>
      <div className="facts mt">{layers.map((layer) => <StatusTag key={layer.name} status={layer.status}>{layer.name} {layer.sum}</StatusTag>)}</div>
    </>
  );
}

