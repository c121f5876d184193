/** Kill switches: what stands still now, and stopping or letting go an agent, an action or everything, each time with what that means. */
import { useId, useState } from "react";
import { post } from "../../api/client.ts";
import { outOfDate, useRead } from "../../api/queries.ts";
import type { Agent, Switched, Thrown } from "../../api/schema.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { Card, Shown } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { At } from "../../parts/time.tsx";
import { may, useWho } from "../../shell/session.ts";
import { say } from "../../shell/toasts.ts";
import { plural, who as nameOf } from "../../words/format.ts";

type Of = Pick<Switched, "scope" | "name">;
type Scope = "agent" | "action" | "workspace";
const SCOPES: Scope[] = ["agent", "action", "workspace"];

/** What a switch is thrown for. */
export const object = ({ scope, name }: Of): string => (scope === "workspace" ? "everything" : `${scope} ${name}`);

/** What stops, in words, from who is there now. */
export function stops(scope: Scope, name: string, agents: readonly Agent[]): string {
  if (scope === "workspace") return `No agent starts anything any more: ${plural(new Set(agents.map((agent) => agent.name)).size, "agent")} and all their tasks stand still. What runs now is cut off.`;
  const found = agents.filter((agent) => (scope === "agent" ? agent.name === name : agent.skill === name));
  if (scope === "action") return `Nobody does ${name} any more (${found.map((agent) => agent.name).join(", ") || "no live agent offers it"}). Tasks for it are parked for a person. What of it runs now is cut off.`;
  const running = found[0]?.running ?? 0; // an agent's, whatever the skill
  const now = running ? `${plural(running, "call")} that ${running === 1 ? "runs" : "run"} now ${running === 1 ? "is" : "are"} cut off.` : "Nothing of it runs now.";
  return `${name} starts nothing any more (${found.map((agent) => agent.skill).join(", ") || "it is not live now"}). Others that offer the same go on. ${now}`;
}

async function turn(act: "throw" | "lift", of: Of, reason: string): Promise<void> {
  const now = await post<Switched>(`/kill-switches/${act}`, { scope: of.scope, name: of.name, reason });
  outOfDate("/kill-switches", "/attention", "/agents");
  if (act === "throw") say(`${object(of)} stands still.${now.stopped ? ` ${plural(now.stopped, "call")} cut off.` : ""}`);
  else say(`${object(of)} goes on.${now.resumed ? ` ${plural(now.resumed, "task")} taken up again.` : ""}`);
}

export function Switches() {
  const who = useWho();
  const list = useRead<Thrown[]>("/kill-switches");
  const agents = useRead<Agent[]>("/agents").data ?? [];
  const [scope, setScope] = useState<Scope>("agent");
  const [name, setName] = useState("");
  const [asked, setAsked] = useState<{ act: "throw" | "lift"; of: Of } | null>(null);
  const id = useId();
  const departments = (of: Of) => [...new Set(agents.filter((agent) => (of.scope === "agent" ? agent.name === of.name : of.scope === "action" && agent.skill === of.name)).map((agent) => agent.department))];
  const can = (action: string, of: Of) => {
    const places = departments(of);
    return places.length === 1 ? may(who, action, places[0]) : who.may[action]?.includes("*") ?? false;
  };
  const throws = Boolean(who.may["switches:throw"]?.length);
  const names = [...new Set(agents.filter((agent) => scope === "agent" || agent.nature === "action").map((agent) => (scope === "agent" ? agent.name : agent.skill)))]
    .filter((each) => can("switches:throw", { scope, name: each })).sort();
  const chosen = scope === "workspace" ? "" : names.includes(name) ? name : names[0] ?? "";
  const scopes = SCOPES.filter((each) => each !== "workspace" || who.may["switches:throw"]?.includes("*"));
  return (
    <Card title="Kill switches" sub="no effect starts once one is thrown">
      <Shown of={list}>
        {(switches) => switches.length ? (
          <div className="scroll" tabIndex={0}>
            <table>
              <thead><tr><th>Stands still</th><th>Why</th><th>By, at</th><th><span className="vh">Let go on</span></th></tr></thead>
              <tbody>{switches.map((each) => (
                <tr key={`${each.scope} ${each.name}`}>
                  <td><StatusTag status="failed">{object(each)}</StatusTag></td><td className="wrap">{each.reason}</td><td>{nameOf(each.by)}, <At at={each.at} /></td>
                  <td className="num">{can("switches:lift", each) && <button type="button" className="b" onClick={() => setAsked({ act: "lift", of: each })}>Let {object(each)} go on</button>}</td>
                </tr>
              ))}</tbody>
            </table>
          </div>
        ) : <p><StatusTag status="done">Nothing is stopped</StatusTag></p>}
      </Shown>
      {throws && (
        <form className="row-form" onSubmit={(event) => (event.preventDefault(), setAsked({ act: "throw", of: { scope, name: chosen } }))}>
          <div><label className="l" htmlFor={`${id}-scope`}>Stop</label><select id={`${id}-scope`} className="field" value={scope} onChange={(event) => setScope(event.target.value as Scope)}>{scopes.map((each) => <option key={each} value={each}>{{ agent: "an agent", action: "an action", workspace: "everything" }[each]}</option>)}</select></div>
          {scope !== "workspace" && <div><label className="l" htmlFor={`${id}-name`}>Which</label><select id={`${id}-name`} className="field" value={chosen} onChange={(event) => setName(event.target.value)}>{names.map((each) => <option key={each}>{each}</option>)}</select></div>}
          <button type="submit" className="b x" disabled={scope !== "workspace" && !chosen}>Stop {object({ scope, name: chosen })}…</button>
        </form>
      )}
      {asked?.act === "throw" && <Confirm open onClose={() => setAsked(null)} title={`Stop ${object(asked.of)}?`} act={`Stop ${object(asked.of)}`} danger reason="Reason, for the record" needed run={(reason) => turn("throw", asked.of, reason)} says={stops(asked.of.scope as Scope, asked.of.name, agents)} />}
      {asked?.act === "lift" && <Confirm open onClose={() => setAsked(null)} title={`Let ${object(asked.of)} go on?`} act={`Let ${object(asked.of)} go on`} reason="Reason, for the record" run={(reason) => turn("lift", asked.of, reason)} says="Tasks that it parked before they began go on by themselves; what was cut off in the middle waits for a person." />}
    </Card>
  );
}
