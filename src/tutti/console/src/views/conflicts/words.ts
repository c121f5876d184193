/** A conflict in words. */
import type { ConflictSeen, ConflictSide } from "../../api/schema.ts";
import { money } from "../../words/format.ts";

/** How a conflict was decided, step by step of the ladder. */
export const RUNGS: Record<string, string> = {
  lease: "somebody had it already",
  order: "the policy's order",
  packing: "what is worth most together",
  line: "who came first",
  authority: "a person",
  ended: "one of them ended",
};

/** What the two may not do together. */
export const RULES: Record<string, string> = {
  incompatible: "their effects do not go together",
  exclusive: "one excludes the other",
  capacity: "there is not enough for both",
};

/** One side: what it would do, and of what size. */
export const side = ({ skill, effect, amount }: Pick<ConflictSide, "skill" | "effect" | "amount">): string => `${skill}${effect ? ` (${effect}${amount === null ? "" : ` of ${money(amount)}`})` : ""}`;

/** Both sides, what they meet over, and who goes first where that is decided. */
export function sentenceOf({ sides, resource, rule, state, rung, winner, reason }: ConflictSeen): string {
  const [one, other] = sides;
  if (!one || !other) return `A conflict over ${resource}.`;
  const met = `${side(one)} and ${side(other)} meet over ${resource}: ${RULES[rule] ?? rule}.`;
  if (state === "asked") return `${met} A person has to decide${reason ? `: ${reason}` : ""}.`;
  if (state !== "resolved") return `${met} It is not decided yet.`;
  const first = sides.find((each) => each.task === winner);
  const because = [reason, rung && reason !== RUNGS[rung] ? `decided by ${RUNGS[rung] ?? rung}` : ""].filter(Boolean).join(", ");
  return `${met} ${first ? `${first.skill} goes first` : "Neither has to wait"}${because ? `: ${because}` : ""}.`;
}
