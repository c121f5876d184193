/** What one may do with a decision: see what today's policy would say, and say that it was wrong. */
import { useState } from "react";
import { Link } from "wouter";
import { part, post, type Failure } from "../../api/client.ts";
import { outOfDate } from "../../api/queries.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { Dialog } from "../../parts/dialog.tsx";
import { FailureNote, Loading } from "../../parts/frame.tsx";
import { useMay } from "../../shell/session.ts";
import { say } from "../../shell/toasts.ts";
import type { Replay as AnsweredAgain } from "../../api/schema.ts";
import { hash, quality } from "../../words/format.ts";

/** The same task, decided again by what holds today. Nothing is done and nothing recorded. */
export function Replay({ task }: { task: string }) {
  const [open, setOpen] = useState(false);
  const [found, setFound] = useState<AnsweredAgain | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const ask = () => {
    setOpen(true);
    setFound(null);
    setFailure(null);
    post<AnsweredAgain>(`/why/${part(task)}/replay`).then(setFound, setFailure);
  };
  return (
    <>
      <button type="button" className="b" onClick={ask}>Replay with today’s policy</button>
      <Dialog open={open} onClose={() => setOpen(false)} title="With today’s policy and standings" description="A dry run: nothing is done, nothing is recorded, no agent is called.">
        {failure ? <FailureNote error={failure} retry={ask} /> : !found ? <Loading rows={3} /> : (
          <div className="why">
            <table className="mt">
              <thead><tr><th><span className="vh">What</span></th><th>Then</th><th>Now</th></tr></thead>
              <tbody>
                <tr><td>Agent</td><td>{found.then.chosen ?? "nobody"}</td><td>{found.now.chosen === found.then.chosen ? found.now.chosen ?? "nobody" : <b>{found.now.chosen ?? "nobody"}</b>}</td></tr>
                <tr><td>Verdict</td><td>{found.then.verdict ?? "none"}</td><td>{found.now.verdict === found.then.verdict ? found.now.verdict ?? "none" : <b>{found.now.verdict ?? "none"}</b>}</td></tr>
                <tr><td>Policy</td><td className="mono">{found.then.policy ? hash(found.then.policy) : "none"}</td><td className="mono">{found.now.policy ? hash(found.now.policy) : "none"}</td></tr>
              </tbody>
            </table>
            {found.now.reasons.length > 0 && <p className="sub small mt wrap">{found.now.reasons.join("; ")}</p>}
            {found.now.candidates.length > 0 && (
              <details className="mt"><summary>{found.now.candidates.length} scored now</summary>
                <table><thead><tr><th>Agent</th><th className="num">Quality</th><th className="num">95% interval</th><th className="num">Score</th></tr></thead><tbody>{found.now.candidates.map((one) => <tr key={`${one.agent} ${one.version}`} className={one.chosen ? "sel" : ""}><td>{one.agent} {one.version}</td><td className="num">{quality(one.quality)}</td><td className="num">{quality(one.low)}–{quality(one.high)}</td><td className="num">{one.score.toFixed(3)}</td></tr>)}</tbody></table>
              </details>
            )}
            <h3>{found.differences.length ? "What is different" : "It would be decided the same way, from the same."}</h3>
            {found.differences.length > 0 && <ul className="t">{found.differences.map((each) => <li key={each}>{each}</li>)}</ul>}
          </div>
        )}
        <div className="acts"><button type="button" className="b" onClick={() => setOpen(false)}>Close</button></div>
      </Dialog>
    </>
  );
}

/** A rating of 0 with what was wrong: the next choice of an agent moves, and the case is kept. */
export function Flag({ task, agent, department }: { task: string; agent: string; department: string | null }) {
  const may = useMay("tasks:rate", department);
  const [open, setOpen] = useState(false);
  if (!may) return null;
  return (
    <>
      <button type="button" className="b" onClick={() => setOpen(true)}>Flag as wrong</button>
      <Confirm
        open={open} onClose={() => setOpen(false)} danger title="Flag this as wrong?" act={`Rate ${agent}’s result 0`} reason="What was wrong (goes into the record)" needed
        says={`The result of ${agent} is rated 0. That takes the place of what checks said, and moves the next choice of an agent. What was done stays done.`}
        run={(note) => post(`/tasks/${part(task)}/rating`, { quality: 0, note }).then(() => (outOfDate("/why", "/tasks", "/agents"), say("Flagged: rated 0.")))}
      />
    </>
  );
}

export const ToTask = ({ task }: { task: string }) => <Link className="b" href={`/tasks/${part(task)}`}>Task</Link>;
