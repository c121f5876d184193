/** The places of the console, in the order of the side bar. `needs` is what one must be allowed, to be shown the way there. */
export interface Place {
  path: string;
  name: string;
  needs: string;
  key?: string;
  badge?: "approvals" | "negotiations" | "conflicts";
}

export const PLACES: [group: string, places: Place[]][] = [
  ["Operate", [
    { path: "/", name: "Overview", needs: "measures:read", key: "o" },
    { path: "/map", name: "Live map", needs: "measures:read", key: "m" },
    { path: "/tasks", name: "Tasks", needs: "tasks:read", key: "t" },
    { path: "/approvals", name: "Approvals", needs: "approvals:read", key: "a", badge: "approvals" },
    { path: "/negotiations", name: "Negotiations", needs: "decisions:read", key: "n", badge: "negotiations" },
    { path: "/conflicts", name: "Conflicts", needs: "decisions:read", badge: "conflicts" },
    { path: "/signals", name: "Signals", needs: "tasks:read" },
  ]],
  ["Improve", [
    { path: "/agents", name: "Agents", needs: "agents:read", key: "l" },
    { path: "/goals", name: "Goals and KPIs", needs: "goals:read" },
    { path: "/bottlenecks", name: "Bottlenecks", needs: "measures:read" },
  ]],
  ["Govern", [
    { path: "/policies", name: "Policies", needs: "journal:read" },
    { path: "/audit", name: "Audit log", needs: "journal:read", key: "u" },
    { path: "/settings", name: "Settings", needs: "" },
  ]],
];

export const ALL: Place[] = PLACES.flatMap(([, places]) => places);
