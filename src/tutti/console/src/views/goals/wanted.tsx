/** The goals: what they ask for, how much they make each thing count in every route, and setting one. */
import { type FormEvent, useState } from "react";
import { type Failure, part, put } from "../../api/client.ts";
import { outOfDate, useRead } from "../../api/queries.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { Bar } from "../../parts/figures.tsx";
import { Card, Empty, FailureNote, Shown } from "../../parts/frame.tsx";
import { At } from "../../parts/time.tsx";
import { useMay, useWho } from "../../shell/session.ts";
import { say } from "../../shell/toasts.ts";
import { useParam } from "../../url/state.ts";
import { plural, who } from "../../words/format.ts";
import { KPIS, kpiName, targetWords } from "../../words/kpis.ts";
import { fromForm, type Goal, PARTS, toForm } from "./form.ts";

export function Wanted() {
  const may = useMay("goals:read");
  const mayset = useMay("goals:set");
  const { currency } = useWho();
  const goals = useRead<Goal[]>("/goals", {}, { enabled: may });
  const [editing, edit] = useParam("goal");
  if (!may) return null;
  const shown = goals.data?.find((goal) => goal.name === editing);
  return (
    <Card className="mt" title="Goals" sub={goals.data ? plural(goals.data.length, "goal") : undefined} act={mayset && <button type="button" className="b" onClick={() => edit("new", true)}>Set a goal</button>}>
      <Shown of={goals}>
        {(found) => !found.length ? <Empty>No goal is set. The weights of goals say how much quality, latency, cost and load count in every route.</Empty> : (
          <div className="scroll" tabIndex={0} role="region" aria-label="Goals">
            <table>
              <thead><tr><th>Goal</th><th>Measured by</th><th className="num">Target</th><th>Weights</th><th>Set</th>{mayset && <th><span className="vh">Change</span></th>}</tr></thead>
              <tbody>
                {found.map((goal) => (
                  <tr key={goal.name}>
                    <td><b>{goal.name}</b>{goal.note && <span className="sub block wrap">{goal.note}</span>}</td>
                    <td>{goal.kpi ? kpiName(goal.kpi) : ""}</td>
                    <td className="num">{targetWords(goal.kpi, goal.target, currency)}</td>
                    <td><Weights weights={goal.weights} /></td>
                    <td>{goal.set_at ? <At at={goal.set_at} /> : ""}<span className="sub block">{declared(goal) ? "declared by the fleet" : who(goal.set_by)}</span></td>
                    {mayset && <td className="num">{!declared(goal) && <button type="button" className="b" onClick={() => edit(goal.name, true)}>Change<span className="vh"> {goal.name}</span></button>}</td>}
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Shown>
      {mayset && editing && goals.data && <Setting key={editing} goal={shown} onClose={() => edit(null)} />}
    </Card>
  );
}

function Weights({ weights }: { weights: Record<string, number> }) {
  const sum = Object.values(weights).reduce((all, each) => all + each, 0);
  if (!sum) return <span className="sub">none of its own</span>;
  return (
    <div className="weights">
      {Object.entries(weights).sort(([, a], [, b]) => b - a).map(([name, weight]) => (
        <span key={name} style={{ display: "contents" }}><span>{name.startsWith("party/") ? `${name.slice(6)}, in negotiations` : name}</span><Bar share={weight / sum} width={110} /><span className="num">{weight}</span></span>
      ))}
    </div>
  );
}

/** What the fleet declares is changed in the fleet, not here. */
const declared = (goal: Goal): boolean => goal.set_by === "fleet";

/** A goal, new or changed. What it does is said before it is done. */
function Setting({ goal, onClose }: { goal: Goal | undefined; onClose: () => void }) {
  const [form, setForm] = useState(toForm(goal));
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const ready = fromForm(form);
  const change = (changes: Partial<typeof form>) => setForm((now) => ({ ...now, ...changes }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if ("wrong" in ready) return;
    setBusy(true);
    put(`/goals/${part(form.name.trim())}`, ready.body).then(
      () => (say(`The goal ${form.name.trim()} is set; its weights count from the next route on.`), outOfDate("/goals", "/kpis"), onClose()),
      (error: Failure) => (setFailure(error), setBusy(false)),
    );
  };
  return (
    <Dialog open onClose={onClose} title={goal ? `Change ${goal.name}` : "Set a goal"} description="Its weights count in every route from the next one on; its target stands beside the KPI.">
      <form className="goal-form" onSubmit={submit}>
        <div className="wide"><label className="l" htmlFor="goal-name">Name</label><input id="goal-name" className="field" required maxLength={200} value={form.name} readOnly={Boolean(goal)} onChange={(event) => change({ name: event.target.value })} /></div>
        <div><label className="l" htmlFor="goal-kpi">Measured by</label><input id="goal-kpi" className="field" list="goal-kpis" maxLength={200} value={form.kpi} onChange={(event) => change({ kpi: event.target.value })} /><datalist id="goal-kpis">{Object.entries(KPIS).map(([name, { name: words }]) => <option key={name} value={name}>{words}</option>)}</datalist></div>
        <div><label className="l" htmlFor="goal-target">Target (times in ms, shares 0 to 1)</label><input id="goal-target" className="field" inputMode="decimal" value={form.target} onChange={(event) => change({ target: event.target.value })} /></div>
        {PARTS.map((name) => <div key={name}><label className="l" htmlFor={`goal-${name}`}>Weight of {name}</label><input id={`goal-${name}`} className="field" inputMode="decimal" placeholder="0" value={form.weights[name]} onChange={(event) => change({ weights: { ...form.weights, [name]: event.target.value } })} /></div>)}
        <div className="wide"><label className="l" htmlFor="goal-note">Note</label><textarea id="goal-note" className="field" rows={2} maxLength={2000} value={form.note} onChange={(event) => change({ note: event.target.value })} /></div>
        {"wrong" in ready && form.name && <p className="wide con" role="status">{ready.wrong}</p>}
        {failure && <div className="wide"><FailureNote error={failure} /></div>}
        <div className="wide acts"><button type="button" className="b" onClick={onClose}>Leave it</button><button type="submit" className="b p" disabled={busy || "wrong" in ready}>{goal ? `Change ${goal.name}` : "Set this goal"}</button></div>
      </form>
    </Dialog>
  );
}
