/** Before something is done that counts: what will happen, why (for the record), and a button that says what it does. */
import { type FormEvent, type ReactNode, useEffect, useId, useState } from "react";
import type { Failure } from "../api/client.ts";
import { Dialog } from "./dialog.tsx";
import { FailureNote } from "./frame.tsx";

interface Props {
  open: boolean;
  onClose: () => void;
  title: string;
  /** What happens, in a sentence or more. */
  says: ReactNode;
  /** The words on the button: "Cancel the task". */
  act: string;
  danger?: boolean;
  /** The label of a field for a reason; without one there is no field. */
  reason?: string;
  needed?: boolean;
  /** More fields, above the reason. */
  children?: ReactNode;
  /** What is done; the dialog closes once it is, and stays with the failure where it is not. */
  run: (reason: string) => Promise<unknown>;
}

export function Confirm({ open, onClose, title, says, act, danger = false, reason, needed = false, children, run }: Props) {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const field = useId();
  useEffect(() => {
    if (open) (setText(""), setFailure(null), setBusy(false));
  }, [open]);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    run(text.trim()).then(onClose, (error: Failure) => (setFailure(error), setBusy(false)));
  };
  return (
    <Dialog open={open} onClose={onClose} title={title} description={says}>
      <form className="g mt" onSubmit={onSubmit}>
        {children}
        {reason !== undefined && <div><label className="l" htmlFor={field}>{reason}</label><textarea id={field} className="field" rows={2} required={needed} value={text} onChange={(event) => setText(event.target.value)} /></div>}
        {failure && <FailureNote error={failure} />}
        <div className="acts">
          <button type="button" className="b" onClick={onClose}>Not now</button>
          <button type="submit" className={`b ${danger ? "x" : "p"}`} disabled={busy}>{act}</button>
        </div>
      </form>
    </Dialog>
  );
}
