/** The map as a picture: cards and lines that one can move about, by mouse, by touch and by keys. What it shows is in the table too. */
import { select } from "d3-selection";
import { zoom, type ZoomBehavior, zoomIdentity } from "d3-zoom";
import { type KeyboardEvent, type Ref, useCallback, useEffect, useImperativeHandle, useMemo, useRef } from "react";
import type { TrafficNode } from "../../api/watching.ts";
import { useSize } from "../../parts/size.ts";
import { Glyph } from "../../parts/status.tsx";
import { useKeys } from "../../shell/keys.ts";
import { count, duration } from "../../words/format.ts";
import { AT_ONCE, Dots } from "./dots.ts";
import { edgeKey, type Graph, nodeStatus, nodeTitle, nodeWords, widthOf } from "./graph.ts";
import { CARD, type Layout, neighbour } from "./layout.ts";

const BRIGHT_MS = 1_500; // how long a line stays bright after a hop
const LETTERS = 15; // of a name, that fit a card

export interface Moving {
  /** A hop, now: its line lights up, and a dot goes along it if there is room for one. False where the map has no line for it yet. */
  move: (from: string, to: string) => boolean;
  /** Nothing moves any more. */
  still: () => void;
}

interface Props {
  graph: Graph;
  layout: Layout;
  /** How many hops each line stands for; without, as many as the graph says. */
  counts?: ReadonlyMap<string, number>;
  /** How much came to each node in the minute that is played; without, the cards tell of now. */
  played?: ReadonlyMap<string, number>;
  selected: string;
  onSelect: (name: string) => void;
  onOpen: (node: TrafficNode) => void;
  moving: Ref<Moving>;
}

const DENSE = 120; // more lines than this stay faint until they are looked at
const LEGIBLE = 0.5; // a map that would be smaller begins at its left edge, and is moved

const calm = typeof matchMedia === "function" ? matchMedia("(prefers-reduced-motion: reduce)") : null;

export function Canvas({ graph, layout, counts, played, selected, onSelect, onOpen, moving }: Props) {
  const [box, { width, height }] = useSize<HTMLDivElement>();
  const svg = useRef<SVGSVGElement>(null);
  const inner = useRef<SVGGElement>(null);
  const layer = useRef<SVGGElement>(null);
  const lines = useRef(new Map<string, SVGPathElement>());
  const bright = useRef(new Map<string, ReturnType<typeof setTimeout>>());
  const dots = useRef<Dots | null>(null);
  const behaviour = useRef<ZoomBehavior<SVGSVGElement, unknown> | null>(null);
  const moved = useRef(false); // whether a person has moved the map: then it stays where they put it

  const fit = useCallback((least = 0) => {
    if (!svg.current || !behaviour.current || !width || !layout.width) return;
    const top = 4, below = 44; // the buttons and the legend stand over the lower edge
    const scale = Math.max(Math.min((width - 16) / layout.width, (height - top - below) / layout.height, 1.3), least);
    const x = Math.max((width - layout.width * scale) / 2, 8), y = top + Math.max((height - top - below - layout.height * scale) / 2, 0);
    select(svg.current).call(behaviour.current.transform, zoomIdentity.translate(x, y).scale(scale));
    moved.current = false;
  }, [width, height, layout]);

  useEffect(() => {
    if (!svg.current) return;
    const made = (behaviour.current = zoom<SVGSVGElement, unknown>().scaleExtent([0.08, 3]).on("zoom", ({ transform, sourceEvent }: { transform: { toString(): string }; sourceEvent: unknown }) => {
      inner.current?.setAttribute("transform", transform.toString());
      if (sourceEvent) moved.current = true;
    }));
    const picture = select(svg.current);
    picture.call(made).on("dblclick.zoom", null);
    return () => void picture.on(".zoom", null);
  }, []);
  useEffect(() => {
    if (!moved.current) fit(LEGIBLE);
  }, [fit]);

  const scale = (by: number) => {
    if (svg.current && behaviour.current) (select(svg.current).call(behaviour.current.scaleBy, by), (moved.current = true));
  };
  const pan = (dx: number, dy: number) => {
    if (svg.current && behaviour.current) (select(svg.current).call(behaviour.current.translateBy, dx, dy), (moved.current = true));
  };
  useKeys({ "+": () => scale(1.3), "=": () => scale(1.3), "-": () => scale(1 / 1.3), "0": () => fit() });

  useEffect(() => {
    if (!layer.current) return;
    const made = (dots.current = new Dots(layer.current, () => Boolean(calm?.matches)));
    const timers = bright.current;
    return () => {
      made.clear();
      for (const timer of timers.values()) clearTimeout(timer);
      timers.clear();
    };
  }, []);
  useImperativeHandle(moving, () => ({
    move: (from, to) => {
      const key = edgeKey(graph.of(from), graph.of(to));
      const path = lines.current.get(key);
      if (!path) return graph.of(from) === graph.of(to) && from !== to;
      dots.current?.send(path);
      clearTimeout(bright.current.get(key));
      path.classList.add("on");
      bright.current.set(key, setTimeout(() => (bright.current.delete(key), path.classList.remove("on")), BRIGHT_MS));
      return true;
    },
    still: () => dots.current?.clear(),
  }), [graph]);

  const hold = useCallback((key: string) => (path: SVGPathElement | null) => void (path ? lines.current.set(key, path) : lines.current.delete(key)), []);
  const most = Math.max(...(counts ? [...counts.values()] : graph.edges.map((edge) => edge.count)), 1);
  const nodes = useMemo(() => [...graph.nodes].sort((a, b) => {
    const [p, q] = [layout.places.get(a.name), layout.places.get(b.name)];
    return (p?.x ?? 0) - (q?.x ?? 0) || (p?.y ?? 0) - (q?.y ?? 0);
  }), [graph.nodes, layout]);
  const first = nodes.some((node) => node.name === selected) ? selected : nodes[0]?.name;

  const onKey = (event: KeyboardEvent, node: TrafficNode) => {
    const way = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (way && event.shiftKey) pan(-80 * way[0]!, -80 * way[1]!);
    else if (way) {
      const next = neighbour(layout.places, node.name, way[0]!, way[1]!);
      if (next) {
        onSelect(next);
        svg.current?.querySelector<SVGGElement>(`[data-node="${CSS.escape(next)}"]`)?.focus();
      }
    } else if (event.key === "Enter") onOpen(node);
    else if (event.key === " ") onSelect(node.name);
    else return;
    event.preventDefault();
  };

  return (
    <div ref={box} className="canvas">
      <svg ref={svg} width="100%" height="100%" role="group" aria-label="Agents and what moves between them. Arrow keys go from card to card, with Shift they move the map; plus and minus change its size. The table view shows the same.">
        <defs>
          <marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path d="M0 1 7 4 0 7z" fill="context-stroke" /></marker>
        </defs>
        <g ref={inner} className={graph.edges.length > DENSE ? "dense" : ""}>
          {layout.groups.map((group) => <text key={group.name} x={group.x} y={group.y} className="group">{group.name || "people and outside"}</text>)}
          {graph.declared.map(({ from, to, signals }) => {
            const key = edgeKey(from, to), path = layout.paths.get(key);
            if (!path || graph.edges.some((edge) => edge.from === from && edge.to === to)) return null;
            return <path key={`d${key}`} ref={hold(key)} className={`e declared${from === selected || to === selected ? " near" : ""}`} d={path} markerEnd="url(#tip)"><title>{`${title(graph, from)} → ${title(graph, to)}: declared for ${signals.join(", ")}, nothing has come yet`}</title></path>;
          })}
          {graph.edges.map(({ from, to, count: all, p50_ms, p95_ms }) => {
            const key = edgeKey(from, to), path = layout.paths.get(key);
            const n = counts ? (counts.get(key) ?? 0) : all;
            if (!path) return null;
            return (
              <path key={key} ref={hold(key)} className={`e${from === selected || to === selected ? " near" : ""}${n ? "" : " quiet"}`} d={path} strokeWidth={widthOf(n, most)} markerEnd="url(#tip)">
                <title>{`${title(graph, from)} → ${title(graph, to)}: ${count(n)} ${n === 1 ? "hop" : "hops"}${p95_ms === null ? "" : `, p50 ${duration(p50_ms)}, p95 ${duration(p95_ms)}`}`}</title>
              </path>
            );
          })}
          {nodes.map((node) => {
            const place = layout.places.get(node.name);
            if (!place) return null;
            const came = played ? (played.get(node.name) ?? 0) : null;
            const status = came === null ? nodeStatus(node) : came ? "running" : "queued";
            const called = nodeTitle(node), name = called.length > LETTERS ? `${called.slice(0, LETTERS - 1)}…` : called;
            const line = came === null || node.kind === "outside" ? lineOf(node) : came ? `${count(came)} in a minute` : "nothing came";
            return (
              <g
                key={node.name} data-node={node.name} className={`node ${node.kind} ${node.state ?? ""}`} transform={`translate(${place.x - CARD.width / 2},${place.y - CARD.height / 2})`} role="button" tabIndex={node.name === first ? 0 : -1}
                aria-pressed={node.name === selected}
                onClick={() => onSelect(node.name)} onDoubleClick={() => onOpen(node)} onKeyDown={(event) => onKey(event, node)}
              >
                <rect width={CARD.width} height={CARD.height} rx="8">{name !== called && <title>{called}</title>}</rect>
                <svg x="9" y="10" width="12" height="12" className={node.kind === "outside" || node.kind === "person" ? "" : status} viewBox="0 0 12 12" aria-hidden="true">{node.kind === "person" ? <Glyph status="human" /> : node.kind === "outside" ? <path d="M1 6h8M6 2.500 9.500 6 6 9.500" fill="none" stroke="currentColor" strokeWidth="1.600" /> : <Glyph status={status} />}</svg>
                <text x="27" y="20" className="name">{name}{" "}</text>
                <text x="10" y="36" className="m">{line}{" "}</text>
                <text className="unseen">{[name === called ? "" : called, came === null && (node.kind === "agent" || node.kind === "department") ? nodeWords(node) : ""].filter(Boolean).join(", ")}</text>
              </g>
            );
          })}
          <g ref={layer} className="dots" />
        </g>
      </svg>
      <div className="zooms" role="group" aria-label="Size of the map">
        <button type="button" className="b" aria-label="Larger" title="Larger (+)" onClick={() => scale(1.3)}>+</button>
        <button type="button" className="b" aria-label="Smaller" title="Smaller (-)" onClick={() => scale(1 / 1.3)}>−</button>
        <button type="button" className="b" title="All of it (0)" onClick={() => fit()}>Fit</button>
      </div>
      <p className="legend sub small">Line: hops, wider for more · dashed: declared, nothing came yet · dot: one hop, at most {AT_ONCE} at once</p>
    </div>
  );
}

const title = (graph: Graph, name: string): string => nodeTitle(graph.nodes.find((node) => node.name === name) ?? { name, kind: "agent" });

/** The second line of a card. */
function lineOf(node: TrafficNode): string {
  const words = [
    node.state === "draining" ? "draining" : node.state === "retired" ? "retired" : "",
    node.kind === "person" && node.needs_person !== null ? `${count(node.needs_person)} waiting` : node.open === null ? "" : `${count(node.open)} open`,
    node.p95_ms === null ? "" : `p95 ${duration(node.p95_ms)}`,
  ].filter(Boolean);
  return words.join(" · ") || (node.kind === "outside" ? "outside" : "");
}
