/** A table instead of the picture, and back: a button whose state stands in the URL. */
import { useParam } from "../url/state.ts";

/** Whether the picture called `name` is shown as a table (`?table=name`), and the button that changes it. */
export function useTable(name: string): [boolean, () => void] {
  const [shown, change] = useParam("table");
  const names = shown.split(",").filter(Boolean);
  const on = names.includes(name);
  return [on, () => change((on ? names.filter((each) => each !== name) : [...names, name]).sort().join(","))];
}

export const TableSwitch = ({ on, flip, of }: { on: boolean; flip: () => void; of: string }) => (
  <button type="button" className="plain small" aria-pressed={on} onClick={flip}>{on ? "Show as picture" : "Show as table"}<span className="vh">: {of}</span></button>
);
