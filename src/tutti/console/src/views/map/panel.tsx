/** What is known of the selected node: its state, its skills with what is believed of it, its autonomy, and whom it works with. */
import { Link } from "wouter";
import { part } from "../../api/client.ts";
import { useRead } from "../../api/queries.ts";
import type { Agent } from "../../api/schema.ts";
import type { TrafficEdge, TrafficNode } from "../../api/watching.ts";
import { LevelDial } from "../../parts/dial.tsx";
import { Interval } from "../../parts/figures.tsx";
import { Card, Shown } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { useMay } from "../../shell/session.ts";
import { count, duration, plural, quality } from "../../words/format.ts";
import { type Graph, nodeStatus, nodeTitle, nodeWords } from "./graph.ts";

const FEW = 4;

export function Panel({ graph, node, replay, onSelect, onOpenDepartment }: { graph: Graph; node: TrafficNode | undefined; replay: boolean; onSelect: (name: string) => void; onOpenDepartment: (name: string) => void }) {
  if (!node) return (
    <Card title="Choose an agent">
      <p className="sub">Click a card, or walk the map with the arrow keys. Enter opens the agent's page.</p>
      <Ways title="Busiest ways" edges={[...graph.edges].sort((a, b) => b.count - a.count)} name={(edge) => `${nameOf(graph, edge.from)} → ${nameOf(graph, edge.to)}`} onSelect={(edge) => onSelect(edge.to)} />
    </Card>
  );
  const into = graph.edges.filter((edge) => edge.to === node.name && edge.from !== node.name).sort((a, b) => b.count - a.count);
  const out = graph.edges.filter((edge) => edge.from === node.name).sort((a, b) => b.count - a.count);
  return (
    <Card title={`${nodeTitle(node)}${node.version ? ` ${node.version}` : ""}`} sub={node.kind === "agent" ? node.department : undefined}>
      {node.kind === "agent" && <OfAgent node={node} replay={replay} />}
      {node.kind === "department" && (
        <>
          {!replay && <StatusTag status={nodeStatus(node)}>{nodeWords(node)}</StatusTag>}
          <p className="facts column">{!replay && <span>Open <b>{count(node.open)}</b></span>}<span>Tasks in this time <b>{count(node.tasks)}</b></span></p>
          <p className="mt"><button type="button" className="b" onClick={() => onOpenDepartment(node.department ?? "")}>Show its agents</button></p>
        </>
      )}
      {node.kind === "person" && <p><Link href="/approvals">What waits for people</Link></p>}
      {node.name === "signal" && <p><Link href="/signals">Signals that came in</Link></p>}
      {node.kind === "outside" && node.name !== "signal" && <p className="sub">It gives the fleet work from outside.</p>}
      <Ways title="Gets work from" edges={into} name={(edge) => nameOf(graph, edge.from)} onSelect={(edge) => onSelect(edge.from)} />
      <Ways title="Gives work to" edges={out} name={(edge) => nameOf(graph, edge.to)} onSelect={(edge) => onSelect(edge.to)} />
    </Card>
  );
}

const nameOf = (graph: Graph, name: string): string => nodeTitle(graph.nodes.find((node) => node.name === name) ?? { name, kind: "agent" });

function OfAgent({ node, replay }: { node: TrafficNode; replay: boolean }) {
  const may = useMay("agents:read", node.department);
  const agents = useRead<Agent[]>("/agents", {}, { enabled: may, every: 15_000 });
  return (
    <>
      {!replay && <StatusTag status={nodeStatus(node)}>{nodeWords(node)}</StatusTag>}
      <p className="facts column">
        <span>Rollout <b>{node.state ?? "not known"}</b></span>
        {!replay && <span>Open <b>{count(node.open)}</b>{node.waiting ? <>, <b>{count(node.waiting)}</b> of them waiting</> : null}{node.needs_person ? <>, <b>{count(node.needs_person)}</b> for a person</> : null}</span>}
        <span>In this time <b>{plural(node.tasks ?? 0, "task")}</b>{node.p95_ms !== null && <>, p95 <b>{duration(node.p95_ms)}</b></>}</span>
      </p>
      {may && !replay && (
        <Shown of={agents} rows={2}>
          {(rows) => (
            <div className="skills">
              {rows.filter((row) => row.name === node.name).map((row) => (
                <div key={`${row.skill} ${row.version}`}>
                  <h3>{row.skill} <span className="sub">{row.nature}</span></h3>
                  <p className="facts"><span>quality <b>{quality(row.quality)}</b> <Interval mean={row.quality} low={row.low} high={row.high} width={70} hollow={!row.judged} /> <span className="nw">{row.judged ? `n ${count(row.judged)}` : "none judged, as its card says"}</span></span>{row.mean_ms !== null && <span>mean <b>{duration(row.mean_ms)}</b></span>}</p>
                  {row.level !== null && <LevelDial skill={row.skill} level={row.level} upTo={row.up_to} department={row.department} />}
                </div>
              ))}
            </div>
          )}
        </Shown>
      )}
      <p className="mt"><Link href={`/agents/${part(node.name)}`}>Open agent</Link> · <Link href={`/tasks?${new URLSearchParams({ agent: node.name })}`}>Its tasks</Link></p>
    </>
  );
}

function Ways({ title, edges, name, onSelect }: { title: string; edges: readonly TrafficEdge[]; name: (edge: TrafficEdge) => string; onSelect: (edge: TrafficEdge) => void }) {
  if (!edges.length) return null;
  return (
    <table className="ways">
      <thead><tr><th>{title}</th><th className="num">Hops</th><th className="num">p95</th></tr></thead>
      <tbody>
        {edges.slice(0, FEW).map((edge) => <tr key={`${edge.from} ${edge.to}`}><td><button type="button" className="plain" onClick={() => onSelect(edge)}>{name(edge)}</button></td><td className="num">{count(edge.count)}</td><td className="num">{duration(edge.p95_ms)}</td></tr>)}
        {edges.length > FEW && <tr><td className="sub" colSpan={3}>and {edges.length - FEW} more, in the table view</td></tr>}
      </tbody>
    </table>
  );
}
