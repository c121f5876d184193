/** The map as two tables: who there is, and what moves between them. */
import { Link } from "wouter";
import { part } from "../../api/client.ts";
import type { Traffic } from "../../api/watching.ts";
import { Card } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { count, duration, plural } from "../../words/format.ts";
import { nodeStatus, nodeTitle, nodeWords } from "./graph.ts";

export function Tables({ traffic, selected, onSelect }: { traffic: Traffic; selected: string; onSelect: (name: string) => void }) {
  const names = new Map(traffic.nodes.map((node) => [node.name, nodeTitle(node)]));
  const of = (name: string) => names.get(name) ?? name;
  const used = new Set(traffic.edges.map((edge) => `${edge.from}\n${edge.to}`));
  const declared = traffic.declared.filter((each) => !used.has(`${each.from}\n${each.to}`));
  return (
    <div className="g c11 top-align">
      <Card title="Agents" sub={`${plural(traffic.nodes.length, "node")} with people and the outside`}>
        <div className="scroll tall" tabIndex={0} role="region" aria-label="Agents">
          <table>
            <thead><tr><th>Name</th><th>State</th><th>Department</th><th className="num">Open</th><th className="num">Tasks</th><th className="num">p95</th></tr></thead>
            <tbody>
              {traffic.nodes.map((node) => (
                <tr key={node.name} className={node.name === selected ? "sel" : ""}>
                  <td>{node.kind === "agent" ? <Link href={`/agents/${part(node.name)}`}>{nodeTitle(node)}</Link> : nodeTitle(node)}</td>
                  <td>{node.kind === "agent" ? <StatusTag status={nodeStatus(node)}>{nodeWords(node)}</StatusTag> : <span className="sub">{node.kind}</span>}</td>
                  <td>{node.department}</td>
                  <td className="num">{count(node.open)}</td>
                  <td className="num">{count(node.tasks)}</td>
                  <td className="num">{duration(node.p95_ms)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Card>
      <Card title="What moves" sub={`${plural(traffic.edges.length, "way")} with hops, ${declared.length} declared and not used yet`}>
        <div className="scroll tall" tabIndex={0} role="region" aria-label="What moves">
          <table>
            <thead><tr><th>From</th><th>To</th><th className="num">Hops</th><th className="num">p50</th><th className="num">p95</th></tr></thead>
            <tbody>
              {traffic.edges.map((edge) => (
                <tr key={`${edge.from} ${edge.to}`} className={edge.from === selected || edge.to === selected ? "sel" : ""}>
                  <td><button type="button" className="plain" onClick={() => onSelect(edge.from)}>{of(edge.from)}</button></td><td><button type="button" className="plain" onClick={() => onSelect(edge.to)}>{of(edge.to)}</button></td>
                  <td className="num">{count(edge.count)}</td><td className="num">{duration(edge.p50_ms)}</td><td className="num">{duration(edge.p95_ms)}</td>
                </tr>
              ))}
              {declared.map((each) => <tr key={`${each.from} ${each.to} ${each.signal}`}><td>{of(each.from)}</td><td>{of(each.to)}</td><td className="sub" colSpan={3}>declared for {each.signal}, nothing came yet</td></tr>)}
            </tbody>
          </table>
        </div>
      </Card>
    </div>
  );
}
