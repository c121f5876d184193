/** A person ends a negotiation: with terms that the policy allows, or with the fallback. */
import { type FormEvent, useId, useState } from "react";
import { type Failure, part, post } from "../../api/client.ts";
import { outOfDate } from "../../api/queries.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { FailureNote } from "../../parts/frame.tsx";
import { say } from "../../shell/toasts.ts";
import { breaks, type Opening, type Outcome, saying, terms } from "./told.ts";

export function TakeOver({ id, opening, start, onClose }: { id: string; opening: Opening; start: Outcome | null; onClose: () => void }) {
  const first = (): Outcome => Object.fromEntries(Object.entries(opening.issues).map(([issue, values]) => [issue, start?.[issue] ?? opening.fallback?.[issue] ?? values[0]!]));
  const [ends, setEnds] = useState<"terms" | "fallback">("terms");
  const [outcome, setOutcome] = useState<Outcome>(first);
  const [note, setNote] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const name = useId();
  const broken = ends === "terms" ? opening.policy.filter((rule) => breaks(rule, outcome)) : [];
  const asks = ends === "terms" ? opening.approval.filter((rule) => breaks(rule, outcome)) : [];
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    post(`/negotiations/${part(id)}/take-over`, { outcome: ends === "terms" ? outcome : null, note }).then(
      () => (say(`Ended with ${ends === "terms" ? terms(outcome) : "the fallback"}.`), onClose()),
      (error: Failure) => setFailure(error),
    ).finally(() => (setBusy(false), outOfDate("/negotiations", "/attention")));
  };
  return (
    <Dialog open onClose={onClose} title="Take over this negotiation?" description="The parties are asked nothing more. It ends with what you say, and the record says that you did.">
      <form onSubmit={onSubmit} className="mt">
        <label className="pick"><input type="radio" name={name} checked={ends === "terms"} onChange={() => setEnds("terms")} /> End with these terms</label>
        {ends === "terms" && (
          <div className="issue-picks">
            {Object.entries(opening.issues).map(([issue, values]) => (
              <div key={issue}><label className="l" htmlFor={`${name}-${issue}`}>{issue}</label>
                <select id={`${name}-${issue}`} className="field" value={values.findIndex((value) => value === outcome[issue])} onChange={(event) => setOutcome({ ...outcome, [issue]: values[Number(event.target.value)]! })}>
                  {values.map((value, place) => <option key={String(value)} value={place}>{String(value)}</option>)}
                </select>
              </div>
            ))}
          </div>
        )}
        <label className="pick"><input type="radio" name={name} checked={ends === "fallback"} onChange={() => setEnds("fallback")} /> End with the fallback: {opening.fallback ? terms(opening.fallback) : "no agreement"}</label>
        {broken.map((rule) => <p key={rule.rule} className="failed"><b>{rule.rule}</b> does not allow that: {saying(rule)}.</p>)}
        {asks.map((rule) => <p key={rule.rule} className="human"><b>{rule.rule}</b> asks for a person's word, which you give by this: {saying(rule)}.</p>)}
        <label className="l mt" htmlFor={`${name}-note`}>Note, kept with the record</label>
        <textarea id={`${name}-note`} className="field" rows={2} maxLength={4000} value={note} onChange={(event) => setNote(event.target.value)} />
        {failure && <FailureNote error={failure} />}
        <div className="acts"><button type="button" className="b" onClick={onClose}>Let them go on</button><button type="submit" className="b p" disabled={busy || broken.length > 0}>End it with {ends === "terms" ? "these terms" : "the fallback"}</button></div>
      </form>
    </Dialog>
  );
}
