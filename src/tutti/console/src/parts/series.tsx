/** A measure over time as a line: gaps where nothing was seen, its target dashed, instants marked; what the mouse is at stands below in words. */
import { useEffect, useRef, useState } from "react";
import Plot from "uplot";
import "uplot/dist/uPlot.min.css";
import { theme, usePrefs } from "../shell/prefs.ts";
import { hour, when, zoneOf } from "../words/format.ts";
import { useSize } from "./size.ts";

export interface Point {
  at: string;
  value: number | null;
  n: number;
}

interface Props {
  label: string;
  points: readonly Point[];
  /** A value in words, with its unit. */
  words: (value: number) => string;
  cases: (n: number) => string;
  target?: number | null;
  /** What no value can be above: 1 for shares. */
  cap?: number;
  marks?: readonly { at: string; name: string }[];
  /** What a click on the picture says: the instant there. */
  onPick?: (at: string) => void;
  height?: number;
}

const css = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Series({ label, points, words, cases, target, cap, marks = [], onPick, height = 240 }: Props) {
  const [box, { width }] = useSize<HTMLDivElement>();
  const plot = useRef<Plot | null>(null);
  const [place, setPlace] = useState<number | null>(null);
  const { zone } = usePrefs();
  const look = theme();
  const kept = useRef({ points, words, target, marks, onPick });
  kept.current = { points, words, target, marks, onPick };

  // the picture is made anew with the theme and the zone, and only told its data otherwise
  useEffect(() => {
    if (!box.current || width === 0) return;
    const muted = css("--muted"), line = css("--line"), edge = css("--edge"), accent = css("--accent"), font = `11px ${css("--f-sans")}`;
    const axis = { stroke: muted, font, grid: { stroke: line, width: 1 }, ticks: { show: false } };
    const made = new Plot({
      width, height, padding: [14, 8, 0, 0], tzDate: (seconds) => Plot.tzDate(new Date(seconds * 1000), zoneOf(zone)), legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      scales: { x: { time: true }, y: { range: (_, low, high) => room(low, high, kept.current.target, cap) } },
      axes: [
        { ...axis, size: 26, values: (_, at) => at.map((seconds) => hour(seconds * 1000, zone)), space: 70 },
        { ...axis, size: 64, values: (_, at) => at.map((value) => kept.current.words(value)) },
      ],
      series: [{}, { stroke: accent, width: 1.5, spanGaps: false, points: { show: true, size: 5, fill: accent } }],
      hooks: {
        setCursor: [(self) => setPlace(self.cursor.idx ?? null)],
        draw: [(self) => {
          const { ctx, bbox } = self;
          const put = (text: string, x: number, y: number, align: CanvasTextAlign) => {
            ctx.fillStyle = muted;
            ctx.font = `${11 * devicePixelRatio}px ${css("--f-sans")}`;
            ctx.textAlign = align;
            ctx.textBaseline = "alphabetic"; // the picture's own axes leave another one behind
            ctx.fillText(text, x, y);
          };
          const stroke = (x1: number, y1: number, x2: number, y2: number, dash: number[]) => {
            ctx.strokeStyle = edge;
            ctx.lineWidth = devicePixelRatio;
            ctx.setLineDash(dash.map((each) => each * devicePixelRatio));
            ctx.beginPath();
            ctx.moveTo(x1, y1);
            ctx.lineTo(x2, y2);
            ctx.stroke();
            ctx.setLineDash([]);
          };
          ctx.save();
          if (kept.current.target != null) {
            const y = self.valToPos(kept.current.target, "y", true);
            stroke(bbox.left, y, bbox.left + bbox.width, y, [5, 4]);
            put(`target ${kept.current.words(kept.current.target)}`, bbox.left + bbox.width - 4, y - 5 * devicePixelRatio, "right");
          }
          for (const mark of kept.current.marks) {
            const x = self.valToPos(Date.parse(mark.at) / 1000, "x", true);
            if (x < bbox.left || x > bbox.left + bbox.width) continue;
            stroke(x, bbox.top, x, bbox.top + bbox.height, []);
            put(mark.name, x + 4 * devicePixelRatio, bbox.top + 9 * devicePixelRatio, "left");
          }
          ctx.restore();
        }],
      },
    }, columns(points), box.current);
    plot.current = made;
    const pick = () => {
      const at = made.cursor.left;
      if (at != null && at >= 0) kept.current.onPick?.(new Date(made.posToVal(at, "x") * 1000).toISOString());
    };
    made.over.addEventListener("click", pick);
    return () => {
      made.destroy();
      plot.current = null;
    };
  }, [width, height, look, zone, cap]);
  useEffect(() => plot.current?.setData(columns(points)), [points]);
  useEffect(() => plot.current?.redraw(), [target, marks]);

  const at = place === null ? undefined : points[place];
  return (
    <>
      <div ref={box} className={onPick ? "series picks" : "series"} style={{ height }} role="img" aria-label={label} />
      <p className="sub small" aria-hidden="true">{at ? <><b>{at.value === null ? "nothing seen" : words(at.value)}</b> · {cases(at.n)} · from {when(at.at, zone)}</> : onPick ? "Click into the picture to compare before and after that instant." : " "}</p>
    </>
  );
}

/** The picture's data: seconds, and values with null for what was not seen. */
export const columns = (points: readonly Point[]): [number[], (number | null)[]] => [points.map((point) => Date.parse(point.at) / 1000), points.map((point) => point.value)];

/** From where to where the upright axis goes: all values and the target, with a little room; from zero where zero is near, never above `cap`. */
export function room(low: number | null, high: number | null, target: number | null | undefined, cap = Infinity): [number, number] {
  const known = [low, high, target].filter((value): value is number => value != null && Number.isFinite(value));
  if (!known.some((value) => value !== 0)) return [0, 1];
  const least = Math.min(...known), most = Math.max(...known), size = most - least || Math.abs(most) || 1;
  const from = least >= 0 && least < size ? 0 : least - size * 0.1;
  return [from, Math.max(Math.min(most + size * 0.12, cap), most)];
}
