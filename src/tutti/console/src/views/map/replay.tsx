/** The tape: an hour of recorded hops, played at a speed, with a slider to go anywhere in it. Where it stands is in the URL. */
import { useEffect, useMemo, useRef, useState } from "react";
import type { Hop, Traffic } from "../../api/watching.ts";
import { useKeys } from "../../shell/keys.ts";
import { useZone } from "../../shell/prefs.ts";
import { clock, hour, plural } from "../../words/format.ts";
import { edgeKey, type Graph } from "./graph.ts";
import { Tape } from "./hops.ts";

const SPEEDS = [1, 10, 60, 300];
const TELL_MS = 250; // how often lines and lists follow while it plays
const PARTS = 240, SHOWN = 7;

interface Props {
  traffic: Traffic;
  graph: Graph;
  /** Seconds from the tape's beginning, as the URL has them. */
  at: string;
  speed: string;
  onChange: (changes: { at?: string | null; speed?: string | null }) => void;
  onMove: (from: string, to: string) => void;
  onStill: () => void;
  onCounts: (counts: ReadonlyMap<string, number>) => void;
  onHeard: (hops: readonly Hop[]) => void;
}

export function Replay({ traffic, graph, at, speed, onChange, onMove, onStill, onCounts, onHeard }: Props) {
  const zone = useZone();
  const tape = useMemo(() => new Tape(traffic.hops, traffic.from_at, traffic.until_at), [traffic]);
  const length = (tape.until - tape.from) / 1000;
  const asked = Number(at);
  const place = at && Number.isFinite(asked) ? Math.min(Math.max(asked, 0), length) : 0;
  const fast = SPEEDS.includes(Number(speed)) ? Number(speed) : 60;
  const [playing, play] = useState(at === "");
  const [second, setSecond] = useState(place);
  const kept = useRef({ onMove, onCounts, onHeard, onChange, graph, second: place });
  Object.assign(kept.current, { onMove, onCounts, onHeard, onChange, graph });

  const tell = (next: number) => {
    const now = tape.from + next * 1000;
    setSecond(next);
    kept.current.onCounts(tape.minute(now, (from, to) => edgeKey(kept.current.graph.of(from), kept.current.graph.of(to))));
    kept.current.onHeard(tape.between(now - 60_000, now).slice(-SHOWN).reverse());
  };
  useEffect(() => {
    if (!playing) (kept.current.second = place), tell(place);
  }, [place, tape, graph]);
  useEffect(() => {
    if (!playing) return;
    let frame = 0, before = performance.now(), told = 0;
    const step = (now: number) => {
      const from = kept.current.second, to = Math.min(from + ((now - before) / 1000) * fast, length);
      before = now;
      kept.current.second = to;
      for (const hop of tape.between(tape.from + from * 1000, tape.from + to * 1000)) kept.current.onMove(hop.from, hop.to);
      if (now - told > TELL_MS || to >= length) (told = now), tell(to);
      if (to >= length) return stop();
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [playing, fast, tape]);

  const stop = () => (play(false), onStill(), kept.current.onChange({ at: kept.current.second.toFixed(1) }));
  const start = () => {
    if (kept.current.second >= length) kept.current.second = 0;
    play(true);
  };
  const seek = (next: number) => {
    onStill();
    kept.current.second = next;
    tell(next);
    onChange({ at: String(next) });
  };
  useKeys({ " ": () => (playing ? stop() : start()) });

  const parts = useMemo(() => tape.parts(PARTS), [tape]);
  const most = Math.max(...parts, 1);
  const words = clock(tape.from + second * 1000, zone).slice(0, 8);
  return (
    <div className="tape">
      <div className="row">
        <button type="button" className="b" onClick={() => (playing ? stop() : start())}>{playing ? "Pause" : second >= length ? "Play again" : "Play"} <kbd>space</kbd></button>
        <div className="dial" role="group" aria-label="Speed">{SPEEDS.map((each) => <button key={each} type="button" aria-pressed={each === fast} onClick={() => onChange({ speed: each === 60 ? null : String(each) })}>{each}×</button>)}</div>
        <b className="num">{words}</b>
        <span className="sub">{plural(traffic.hops.length, "hop")} from {hour(tape.from, zone)} to {hour(tape.until, zone)}{traffic.truncated ? "; the hour had more, and its beginning is left out" : ""} · lines: the minute before</span>
      </div>
      <svg viewBox={`0 0 ${PARTS} 20`} preserveAspectRatio="none" aria-hidden="true">{parts.map((n, part) => n > 0 && <rect key={part} x={part} y={20 - Math.max((n / most) * 20, 1)} width="0.8" height={Math.max((n / most) * 20, 1)} fill={part / PARTS <= second / length ? "var(--accent)" : "var(--edge)"} />)}</svg>
      <input type="range" min={0} max={length} step={1} value={second} aria-label="Place in the hour" aria-valuetext={words} onChange={(event) => seek(Number(event.target.value))} />
    </div>
  );
}
