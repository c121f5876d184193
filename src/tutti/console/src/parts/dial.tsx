/** The autonomy dial of an action: how far it goes alone, said in a sentence; and, for those who may, setting it with a reason. */
import { type FormEvent, useId, useState } from "react";
import { type Failure, put } from "../api/client.ts";
import { outOfDate } from "../api/queries.ts";
import { useMay, useWho } from "../shell/session.ts";
import { say } from "../shell/toasts.ts";
import { ACT, amountOf, LEVELS, levelSentence } from "../words/levels.ts";
import { Dialog } from "./dialog.tsx";
import { FailureNote } from "./frame.tsx";

interface Props {
  skill: string;
  level: number;
  upTo: number | null;
  department: string | null;
  /** What its amounts are in; without, what the fleet counts money in. */
  currency?: string | null;
}

export function LevelDial({ skill, level, upTo, department, currency: counted }: Props) {
  const who = useWho();
  const currency = counted ?? who.currency;
  const may = useMay("levels:set", department);
  const [wanted, want] = useState<(typeof LEVELS)[number] | null>(null);
  return (
    <div>
      <div className="dial" role="radiogroup" aria-label={`Autonomy of ${skill}`}>
        {LEVELS.map((each) => (
          <button key={each.name} type="button" role="radio" aria-checked={each.level === level} disabled={!may} onClick={() => (each.level !== level || each.level === ACT) && want(each)}>{each.words}</button>
        ))}
      </div>
      <p className="sub small">{levelSentence(skill, level, upTo, currency)}</p>
      {wanted && <Setting skill={skill} wanted={wanted} upTo={upTo} currency={currency} onClose={() => want(null)} />}
    </div>
  );
}

function Setting({ skill, wanted, upTo, currency, onClose }: { skill: string; wanted: (typeof LEVELS)[number]; upTo: number | null; currency: string | null; onClose: () => void }) {
  const [amount, setAmount] = useState(upTo === null ? "" : String(upTo));
  const [reason, setReason] = useState("");
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const id = useId();
  const limit = wanted.level === ACT ? amountOf(amount) : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (limit === undefined) return;
    setBusy(true);
    put(`/levels/${skill.split("/").map(encodeURIComponent).join("/")}`, { level: wanted.name, up_to: limit, reason: reason.trim() }).then(
      () => (say(`From the next decision on: ${levelSentence(skill, wanted.level, limit, currency)}`), outOfDate("/agents", "/policies"), onClose()),
      (error: Failure) => (setFailure(error), setBusy(false)),
    );
  };
  return (
    <Dialog open onClose={onClose} title={`${wanted.words}: ${skill}`} description={limit === undefined ? "An amount is a number from 0 up, or nothing." : levelSentence(skill, wanted.level, limit, currency)}>
      <form className="g mt" onSubmit={submit}>
        {wanted.level === ACT && <div><label className="l" htmlFor={`${id}-amount`}>Alone up to{currency ? ` (${currency})` : ""}; nothing means any amount</label><input id={`${id}-amount`} className="field" inputMode="decimal" value={amount} onChange={(event) => setAmount(event.target.value)} /></div>}
        <div><label className="l" htmlFor={`${id}-reason`}>Reason, for the record</label><input id={`${id}-reason`} className="field" style={{ width: "100%" }} value={reason} onChange={(event) => setReason(event.target.value)} /></div>
        {failure && <FailureNote error={failure} />}
        <div className="acts"><button type="button" className="b" onClick={onClose}>Leave it</button><button type="submit" className="b p" disabled={busy || limit === undefined}>Set {skill} to {wanted.name}</button></div>
      </form>
    </Dialog>
  );
}
