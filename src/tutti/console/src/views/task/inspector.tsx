/** One step, looked into: what went in, what came out, what was said beside it, and its facts. All of it is others' text and shown as text. */
import { Link } from "wouter";
import type { WholeTask } from "../../api/schema.ts";
import { part } from "../../api/client.ts";
import { useRead } from "../../api/queries.ts";
import { CopyButton } from "../../parts/copy.tsx";
import { Card, Shown } from "../../parts/frame.tsx";
import { Tabs } from "../../parts/tabs.tsx";
import { Id, Json } from "../../parts/text.tsx";
import { At } from "../../parts/time.tsx";
import { useMay } from "../../shell/session.ts";
import { duration, who } from "../../words/format.ts";
import { did, type Span } from "./layout.ts";
import { titleOf } from "./timeline.tsx";

const PARTS = ["output", "input", "detail", "facts"] as const;

export interface FactOfWhy {
  seq: number;
  at: string;
  kind: string;
  by: string;
  cause: number | null;
}

/** The facts of a task, in order, each with its number in the audit log. */
export function Facts({ facts }: { facts: readonly FactOfWhy[] }) {
  const audit = useMay("journal:read");
  return (
    <div className="scroll" style={{ maxHeight: 420, overflow: "auto" }} tabIndex={0}>
      <table>
        <thead><tr><th className="num">#</th><th>When</th><th>Fact</th><th>By</th></tr></thead>
        <tbody>{facts.map((fact) => <tr key={fact.seq}><td className="num">{audit ? <Id id={String(fact.seq)} /> : fact.seq}</td><td><At at={fact.at} exact /></td><td>{fact.kind}</td><td>{who(fact.by)}</td></tr>)}</tbody>
      </table>
    </div>
  );
}

export function Inspector({ task, span, shown, onShow }: { task: string; span: Span | undefined; shown: string; onShow: (part: string) => void }) {
  const of = useRead<WholeTask>(`/tasks/${part(task)}`, {}, { keep: false });
  const decides = useMay("decisions:read", of.data?.department);
  const now = PARTS.find((each) => each === shown) ?? "output";
  const why = useRead<{ facts: FactOfWhy[] }>(`/why/${part(task)}`, {}, { enabled: decides && now === "facts", keep: false });
  const path = `/v1/tasks/${part(task)}`;
  return (
    <Card title={`Selected step: ${span ? titleOf(span) : of.data?.skill ?? ""}`}>
      {span && <p className="sub small" style={{ margin: "-6px 0 10px" }}>{did(span)}, <At at={span.started_at} exact />{span.ended_at && <> to <At at={span.ended_at} exact /> ({duration(Date.parse(span.ended_at) - Date.parse(span.started_at))})</>}{span.attempt && span.attempt > 1 ? `, attempt ${span.attempt}` : ""}{span.note ? <>: <span className="wrap">{span.note}</span></> : ""}</p>}
      <Tabs label="Parts of the step" names={decides ? PARTS : PARTS.slice(0, 3)} shown={now} onShow={(name) => onShow(name === "output" ? "" : name)} />
      <div className="mt">
        {now === "facts" ? <Shown of={why}>{(data) => <Facts facts={data.facts} />}</Shown> : (
          <Shown of={of}>{(data) => data.erased ? <p className="sub">Its content has been erased. That it was, and when, stays in the record.</p> : data[now] == null ? <p className="sub">{now === "output" && !data.finished_at ? "Nothing has come out yet." : `It has no ${now}.`}</p> : <Json value={data[now]} />}</Shown>
        )}
      </div>
      <p className="mt facts"><Link href={`/tasks/${part(task)}`}>Open its task</Link>{decides && <Link href={`/why/${part(task)}`}>Why it went so</Link>}<CopyButton text={JSON.stringify(of.data?.[now === "facts" ? "input" : now] ?? null, null, 2)} what="JSON">Copy JSON</CopyButton><CopyButton text={`curl -H "Authorization: Bearer $TUTTI_TOKEN" '${location.origin}${path}'`} what="curl">Copy as curl</CopyButton></p>
    </Card>
  );
}
