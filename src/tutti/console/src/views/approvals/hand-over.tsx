/** Leaving an approval to somebody else, or to a department. */
import { type FormEvent, useId, useState } from "react";
import { useRead } from "../../api/queries.ts";
import { Dialog } from "../../parts/dialog.tsx";
import { useMay } from "../../shell/session.ts";
import type { Approval } from "./approval.ts";

interface Named {
  id?: string;
  department?: string;
}

export function HandOver({ approval, open, onClose, onGive }: { approval: Approval; open: boolean; onClose: () => void; onGive: (to: string) => void }) {
  const [to, setTo] = useState("");
  const list = useId();
  const [readsPeople, readsAgents] = [useMay("accounts:read"), useMay("agents:read")];
  const people = useRead<Named[]>("/accounts", {}, { enabled: open && readsPeople }).data ?? [];
  const agents = useRead<Named[]>("/agents", {}, { enabled: open && readsAgents }).data ?? [];
  const names = [...people.flatMap((each) => (each.id?.startsWith("person/") ? [each.id] : [])), ...new Set(agents.flatMap((each) => each.department ?? []))];
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    onGive(to.trim());
    setTo("");
  };
  return (
    <Dialog open={open} onClose={onClose} title={`Hand over ${approval.skill}`} description="They find it among their approvals. It lets nobody do more than they may anyway, and it still expires at the same time.">
      <form onSubmit={onSubmit} className="mt">
        <label className="l" htmlFor={`${list}-to`}>To a person (person/ben) or a department</label>
        <input id={`${list}-to`} className="field" style={{ width: "100%" }} list={list} value={to} onChange={(event) => setTo(event.target.value)} autoFocus required autoComplete="off" />
        <datalist id={list}>{names.map((name) => <option key={name} value={name} />)}</datalist>
        <div className="acts"><button type="button" className="b" onClick={onClose}>Keep it</button><button type="submit" className="b p" disabled={!to.trim()}>Hand over{to.trim() && ` to ${to.trim()}`}</button></div>
      </form>
    </Dialog>
  );
}
