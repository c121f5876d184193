/** The parameters of an action as fields: what can be typed, what was typed, and what is different then. */

export type Kind = "text" | "number" | "yes or no" | "JSON";

export interface Field {
  /** Its name; empty where the input as a whole is one value. */
  name: string;
  kind: Kind;
  text: string;
}

const kindOf = (value: unknown): Kind => (typeof value === "string" ? "text" : typeof value === "number" ? "number" : typeof value === "boolean" ? "yes or no" : "JSON");
const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null && !Array.isArray(value);

/** A value as it is typed. */
export const asText = (value: unknown): string => (typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value));

export function fieldsOf(input: unknown): Field[] {
  const named: [string, unknown][] = isObject(input) ? Object.entries(input) : [["", input]];
  return named.map(([name, value]) => ({ name, kind: kindOf(value), text: asText(value) }));
}

/** The value that was typed. Throws a sentence where it is none. */
export function valueOf({ name, kind, text }: Field): unknown {
  if (kind === "text") return text;
  if (kind === "number") {
    const value = Number(text.trim().replace(",", "."));
    if (!text.trim() || !Number.isFinite(value)) throw new Error(`${name || "It"} must be a number.`);
    return value;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new Error(`${name || "It"} is no JSON.`);
  }
}

/** The input that these fields make. Throws a sentence where one holds no value. */
export function inputOf(fields: readonly Field[]): unknown {
  if (fields.length === 1 && fields[0]!.name === "") return valueOf(fields[0]!);
  return Object.fromEntries(fields.map((field) => [field.name, valueOf(field)]));
}

/** What is different: names with the old and the new text. */
export function differences(before: readonly Field[], after: readonly Field[]): { name: string; was: string; is: string }[] {
  return after.flatMap((field, place) => (field.text === before[place]?.text ? [] : [{ name: field.name, was: before[place]?.text ?? "", is: field.text }]));
}
