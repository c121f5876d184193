/** The timeline drawn: lanes with bars over an axis on which idle time is folded up. Only the lanes in sight are there. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import { useNow } from "../../parts/time.tsx";
import { duration, plural, short } from "../../words/format.ts";
import { did, type Lane, lanes, look, scale, type Span, took } from "./layout.ts";

const LANE = 24, AXIS = 22, END = 18; // END: room for the ✕ behind the last bar
const LEGEND: [look: string, word: string][] = [
  ["done", "worked (solid)"], ["running", "works now (fading)"], ["queued", "queued for an agent (outline)"], ["waiting", "waits for others (hatched)"], ["human", "waits for a person (striped)"], ["failed", "failed (✕)"],
];

interface Props {
  spans: readonly Span[];
  /** The id of the stretch that is picked. */
  step: string;
  fold: boolean;
  zoom: number;
  onPick: (id: string) => void;
  onOpen: (task: string) => void;
}

/** What a lane is, in words. */
const nameOf = (lane: Lane): [string, string] => [lane.agent ?? lane.skill, `${lane.agent ? lane.skill : ""}${lane.attempt ? ` · attempt ${lane.attempt}` : ""}`];

export function TimelineChart({ spans, step, fold, zoom, onPick, onOpen }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const open = spans.some((span) => span.ended_at === null);
  const now = useNow(open ? 1_000 : 3_600_000);
  const rows = useMemo(() => lanes(spans), [spans]);
  const axis = useMemo(() => scale(spans, now, fold), [spans, fold, open ? now : 0]);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => box.current, estimateSize: () => LANE, overscan: 10, paddingStart: AXIS, scrollPaddingStart: AXIS });
  const [width, setWidth] = useState(900);
  useEffect(() => {
    const seen = new ResizeObserver(([entry]) => entry && setWidth(entry.contentRect.width));
    if (box.current) seen.observe(box.current);
    return () => seen.disconnect();
  }, []);
  const narrow = width < 560;
  const label = narrow ? 120 : 240, right = narrow ? 60 : 84;
  const inner = Math.floor(label + right + Math.max(width - label - right, 90) * zoom);
  const ticks = Math.max(Math.min(Math.floor((inner - label - right - END) / (narrow ? 70 : 110)), 60), 1);

  useEffect(() => {
    const span = spans.find((each) => each.id === step);
    const pane = box.current;
    if (!span || !pane || zoom <= 1) return;
    const x = label + axis.place(Date.parse(span.started_at)) * (inner - label - right - END);
    if (x < pane.scrollLeft + label || x > pane.scrollLeft + pane.clientWidth - right - 40) pane.scrollTo({ left: x - label - 40 });
  }, [step, zoom, inner]);

  const pickedLane = rows.findIndex((lane) => lane.spans.some((span) => span.id === step));
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || !rows.length) return;
    const down = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 12, PageUp: -12, Home: -rows.length, End: rows.length }[event.key];
    const aside = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const lane = rows[pickedLane];
    if (down !== undefined) {
      const next = Math.min(Math.max(pickedLane + down, 0), rows.length - 1);
      onPick(main(rows[next]!).id);
      virtual.scrollToIndex(next, { align: "auto" });
    } else if (aside && lane) {
      const place = lane.spans.findIndex((span) => span.id === step) + aside;
      const span = lane.spans[place];
      if (span) onPick(span.id);
    } else if (event.key === "Enter" && lane) onOpen(lane.task);
    else return;
    event.preventDefault();
  };

  const active = pickedLane >= 0 ? { "aria-activedescendant": `lane-${pickedLane}` } : {};
  const at = (place: number) => `${(100 * place).toFixed(3)}%`;
  return (
    <>
      <div ref={box} className="gt" role="listbox" aria-label="Timeline: up and down go from lane to lane, left and right from stretch to stretch" tabIndex={0} onKeyDown={onKey} {...active} style={{ "--label": `${label}px`, "--took": `${right}px`, height: Math.min(AXIS + rows.length * LANE + 4, 560) } as CSSProperties}>
        <div className="rows" style={{ height: virtual.getTotalSize(), width: inner }} role="presentation">
          <div className="axis" aria-hidden="true">
            <span className="name" />
            <span className="track">{Array.from({ length: ticks }, (_, tick) => <span key={tick} className="tick" style={{ left: at(tick / ticks) }}>{tick === 0 ? "0" : `+${duration(axis.instant(tick / ticks) - axis.from)}`}</span>)}</span>
            <span className="took" />
          </div>
          <div aria-hidden="true" style={{ position: "absolute", left: label, right: right + END, top: AXIS, bottom: 0, pointerEvents: "none" }}>
            {axis.folds.map((each) => <span key={each.from} className="fold" style={{ left: at(each.start), width: at(each.end - each.start) }} />)}
          </div>
          {virtual.getVirtualItems().map((item) => {
            const lane = rows[item.index]!;
            const [who, what] = nameOf(lane);
            const whole = lane.spans.reduce((sum, span) => sum + took(span, now), 0);
            return (
              <div key={lane.key} id={`lane-${item.index}`} role="option" aria-selected={item.index === pickedLane} className="lane" style={{ transform: `translateY(${item.start}px)`, top: 0 }} onClick={() => onPick(main(lane).id)} onDoubleClick={() => onOpen(lane.task)}>
                <span className="name cut" title={`${who} ${what} (${lane.task})`} style={{ paddingLeft: 4 + Math.min(lane.indent, 8) * (narrow ? 6 : 14) }}><b>{who}</b> <span className="sub">{what}</span></span>
                <span className="track">
                  <span className="vh">{lane.spans.map((span) => `${did(span)} ${duration(took(span, now))}`).join(", ")}</span>
                  {lane.spans.map((span) => {
                    const from = axis.place(Date.parse(span.started_at)), to = axis.place(span.ended_at ? Date.parse(span.ended_at) : now);
                    return (
                      <span
                        key={span.id} aria-hidden="true" className={`bar ${look(span)}${span.id === step ? " picked" : ""}`} style={{ left: `min(${at(from)}, 100% - 3px)`, width: at(to - from) }}
                        title={`${did(span)}, ${duration(took(span, now))}${span.note ? `: ${span.note}` : ""}`} onClick={(event) => (event.stopPropagation(), onPick(span.id))}
                      />
                    );
                  })}
                </span>
                <span className="took num">{duration(whole)}</span>
              </div>
            );
          })}
        </div>
      </div>
      <div className="legend" aria-label="Legend" role="group">
        {LEGEND.map(([name, word]) => <span key={name} className="key"><span className={`bar ${name} ${name}`} aria-hidden="true" />{word}</span>)}
        {axis.folds.length > 0 && <span className="key">shaded: {plural(axis.folds.length, "stretch", "stretches")} of idle time, drawn shorter</span>}
      </div>
    </>
  );
}

/** The stretch that a lane stands for: its last run, or else its last one. */
export const main = (lane: Lane): Span => lane.spans.findLast((span) => span.kind === "run") ?? lane.spans.at(-1)!;

/** What a stretch is, as a title. */
export const titleOf = (span: Span): string => `${span.agent ? `${span.agent}${span.version ? ` ${span.version}` : ""} · ` : ""}${span.skill}${span.agent ? "" : ` · ${short(span.task)}`}`;
