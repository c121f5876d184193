/** What people and the fleet changed: instants worth comparing before and after. */

export const CHANGES = "agent.registered,agent.retired,autonomy.,goal.,kill.,policy.,rollout.";

interface Fact {
  at: string;
  kind: string;
  about: string;
}

export interface Step {
  at: string;
  words: string;
}

const SAME_MS = 2_000; // what was done in one go is one change

const WORDS: Record<string, (about: string, n: number) => string> = {
  "agent.registered": (about, n) => (n > 1 ? `${n} agents registered` : `${name(about)} registered`),
  "agent.retired": (about, n) => (n > 1 ? `${n} agents retired` : `${name(about)} retired`),
  "autonomy.changed": (about, n) => (n > 1 ? `levels of ${n} skills set` : `level of ${about} set`),
  "goal.set": (about, n) => (n > 1 ? `${n} goals set` : `goal ${about} set`),
  "kill.thrown": (about) => `${about} switched off`,
  "kill.lifted": (about) => `${about} switched on again`,
  "policy.published": () => "policy published",
};

const name = (about: string): string => about.split("@")[0] || about;

/** Facts (newest first) as changes, newest first; equal ones close together are one, at the instant of the last of them. */
export function stepsOf(facts: readonly Fact[]): Step[] {
  const groups: { kind: string; at: string; last: number; abouts: string[] }[] = [];
  for (const fact of facts) {
    const at = Date.parse(fact.at);
    const group = groups.find((each) => each.kind === fact.kind && each.last - at < SAME_MS);
    if (group) (group.abouts.push(fact.about), (group.last = at));
    else groups.push({ kind: fact.kind, at: fact.at, last: at, abouts: [fact.about] });
  }
  return groups.map(({ kind, at, abouts }) => ({ at, words: WORDS[kind]?.(abouts[0]!, abouts.length) ?? `${kind} ${abouts[0]}` }));
}
