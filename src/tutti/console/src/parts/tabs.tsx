/** Views of the same thing beside each other; which one is shown stands in the address, so the page keeps it. */
import { type KeyboardEvent, useId } from "react";

export function Tabs<Name extends string>({ label, names, shown, onShow }: { label: string; names: readonly Name[]; shown: Name; onShow: (name: Name) => void }) {
  const id = useId();
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = names[(names.indexOf(shown) + step + names.length) % names.length]!;
    onShow(next);
    document.getElementById(`${id}-${next}`)?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label={label} onKeyDown={onKey}>
      {names.map((name) => <button key={name} id={`${id}-${name}`} type="button" role="tab" aria-selected={name === shown} tabIndex={name === shown ? 0 : -1} onClick={() => onShow(name)}>{name === "json" ? "JSON" : `${name[0]!.toUpperCase()}${name.slice(1)}`}</button>)}
    </div>
  );
}
