/** Names of those between whom work goes: agents by their names, all people as one, signals from outside as one. */
export function nodeName(name: string): string {
  if (name === "person") return "people";
  if (name === "signal") return "signals";
  return name.replace(/^(service|agent)\//, "");
}
