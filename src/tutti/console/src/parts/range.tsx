/** Which time a page looks at: buttons whose choice stands in the URL, and the span that follows the clock. */
import { useMemo } from "react";
import { useParam } from "../url/state.ts";
import { type Range, RANGES, rangeOf, type Span, spanOf, stepOf } from "../words/range.ts";
import { useNow } from "./time.tsx";

/** The range in the URL (`?range=6h`), and how to change it. */
export function useRange(): [Range, (name: string) => void] {
  const [name, change] = useParam("range", "1h");
  return [rangeOf(name), (next) => change(next, true)];
}

/** The instants of a range up to now; they move on by whole steps. */
export function useSpan({ ms }: Range): Span {
  const step = stepOf(ms);
  const now = useNow(step);
  const place = Math.floor(now / step);
  return useMemo(() => spanOf(ms, place * step), [ms, place, step]);
}

export function RangeSwitch({ range, onChange, names }: { range: Range | null; onChange: (name: string) => void; names?: readonly string[] }) {
  return (
    <div className="dial" role="group" aria-label="Time shown: the last">
      {RANGES.filter((each) => !names || names.includes(each.name)).map((each) => (
        <button key={each.name} type="button" aria-pressed={each.name === range?.name} onClick={() => onChange(each.name)}>{each.words}</button>
      ))}
    </div>
  );
}
