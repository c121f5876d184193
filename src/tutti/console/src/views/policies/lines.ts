/** Which lines of the policy's text each rule stands in. */

export interface Lines {
  from: number;
  to: number;
}

/** The lines (from 1, both ends counted) of a rule's own text in the whole; nothing where it is not there word for word. Rules stand in the text in their order. */
export function linesOf(text: string, rules: readonly { id: string; text: string }[]): Map<string, Lines> {
  const found = new Map<string, Lines>();
  let start = 0;
  for (const rule of rules) {
    const own = rule.text.trim();
    const at = own ? text.indexOf(own, start) : -1;
    if (at < 0) continue;
    const from = text.slice(0, at).split("\n").length;
    found.set(rule.id, { from, to: from + own.split("\n").length - 1 });
    start = at + own.length;
  }
  return found;
}
