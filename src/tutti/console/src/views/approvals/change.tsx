/** Other parameters for an action: a field for each, old beside new, and what is asked then. */
import { type FormEvent, useId, useRef, useState } from "react";
import { money } from "../../words/format.ts";
import type { Approval } from "./approval.ts";
import { differences, type Field, fieldsOf, inputOf } from "./parameters.ts";

export function ChangeForm({ approval, onGive, onClose }: { approval: Approval; onGive: (input: unknown, words: string) => void; onClose: () => void }) {
  const before = useRef(fieldsOf(approval.input)).current;
  const [fields, setFields] = useState<readonly Field[]>(before);
  const [wrong, setWrong] = useState("");
  const id = useId();
  const changed = differences(before, fields);
  const set = (place: number, text: string) => setFields(fields.map((field, at) => (at === place ? { ...field, text } : field)));

  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    try {
      const input = inputOf(fields);
      const sum = changed.find((change) => change.name === "amount");
      onGive(input, sum ? `Change to ${money(Number(sum.is.replace(",", ".")), approval.currency)}` : `Change ${changed.map((change) => change.name || approval.skill).join(", ")}`);
    } catch (error) {
      setWrong((error as Error).message);
    }
  };
  return (
    <form className="change" onSubmit={onSubmit} onKeyDown={(event) => event.key === "Escape" && onClose()}>
      <h3>Other parameters</h3>
      <p className="sub">The action is decided anew with them. Where the gates ask again, a new approval appears here.</p>
      <div className="scroll" tabIndex={0}>
        <table>
          <thead><tr><th>Parameter</th><th>Now</th><th>Then</th></tr></thead>
          <tbody>
            {fields.map((field, place) => {
              const other = field.text !== before[place]!.text;
              const label = { id: `${id}-${place}`, "aria-label": `${field.name || "Input"}, a ${field.kind}`, className: "field", autoFocus: place === 0 };
              return (
                <tr key={field.name} className={other ? "sel" : ""}>
                  <td>{field.name || "input"}</td>
                  <td className="wrap sub">{other ? <s>{before[place]!.text}</s> : before[place]!.text}</td>
                  <td>
                    {field.kind === "yes or no" ? (
                      <select {...label} value={field.text} onChange={(event) => set(place, event.target.value)}><option value="true">yes</option><option value="false">no</option></select>
                    ) : field.kind === "JSON" || field.text.length > 60 ? (
                      <textarea {...label} rows={3} value={field.text} onChange={(event) => set(place, event.target.value)} />
                    ) : (
                      <input {...label} {...(field.kind === "number" ? { inputMode: "decimal" as const } : {})} value={field.text} onChange={(event) => set(place, event.target.value)} />
                    )}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
      {wrong && <p className="failed mt" role="alert">{wrong}</p>}
      <div className="acts">
        <button type="submit" className="b p" disabled={!changed.length}>{changed.length ? `Change ${changed.map((change) => change.name || "the input").join(", ")}` : "Nothing is different yet"}</button>
        <button type="button" className="b" onClick={onClose}>Leave it as it is</button>
      </div>
    </form>
  );
}
