/** The console: who looks at it, then the page that the address names. Pages are loaded when they are first opened. */
import { QueryClientProvider, useQuery } from "@tanstack/react-query";
import { lazy, Suspense, useState } from "react";
import { Route, Router, Switch } from "wouter";
import { type Failure, get } from "./api/client.ts";
import { cache } from "./api/queries.ts";
import { Empty, FailureNote, Head, Loading } from "./parts/frame.tsx";
import { Enter, takeCode } from "./shell/enter.tsx";
import { Session, type Who } from "./shell/session.ts";
import { Shell } from "./shell/shell.tsx";

const Agent = lazy(() => import("./views/agents/agent.tsx"));
const Agents = lazy(() => import("./views/agents/agents.tsx"));
const Approvals = lazy(() => import("./views/approvals/approvals.tsx"));
const Audit = lazy(() => import("./views/audit/audit.tsx"));
const Bottlenecks = lazy(() => import("./views/bottlenecks/bottlenecks.tsx"));
const Conflict = lazy(() => import("./views/conflicts/conflict.tsx"));
const Conflicts = lazy(() => import("./views/conflicts/conflicts.tsx"));
const Goals = lazy(() => import("./views/goals/goals.tsx"));
const LiveMap = lazy(() => import("./views/map/map.tsx"));
const Negotiation = lazy(() => import("./views/negotiations/negotiation.tsx"));
const Negotiations = lazy(() => import("./views/negotiations/negotiations.tsx"));
const Overview = lazy(() => import("./views/overview/overview.tsx"));
const Policies = lazy(() => import("./views/policies/policies.tsx"));
const Settings = lazy(() => import("./views/settings/settings.tsx"));
const SignalPage = lazy(() => import("./views/signals/signal.tsx"));
const Signals = lazy(() => import("./views/signals/signals.tsx"));
const Task = lazy(() => import("./views/task/task.tsx"));
const Tasks = lazy(() => import("./views/tasks/tasks.tsx"));
const Why = lazy(() => import("./views/why/why.tsx"));

const CODE = takeCode();

function NotHere() {
  return (
    <>
      <Head title="Not here" />
      <Empty>There is no such page. Ctrl K finds every page, agent and id.</Empty>
    </>
  );
}

function Entrance() {
  const [code, setCode] = useState(CODE);
  const who = useQuery<Who, Failure>({ queryKey: ["/session"], queryFn: () => get<Who>("/session"), retry: false, staleTime: Infinity, enabled: !code });
  if (code || who.error?.status === 401) return <Enter code={code} onEntered={() => (setCode(""), void cache.resetQueries())} />;
  if (who.error) return <main style={{ padding: 24 }}><FailureNote error={who.error} retry={() => void who.refetch()} /></main>;
  if (!who.data) return <main style={{ padding: 24 }}><Loading /></main>;
  return (
    <Session.Provider value={who.data}>
      <Shell>
        <Suspense fallback={<Loading rows={8} />}>
          <Switch>
            <Route path="/"><Overview /></Route>
            <Route path="/agents"><Agents /></Route>
            <Route path="/agents/:name"><Agent /></Route>
            <Route path="/approvals/:id?"><Approvals /></Route>
            <Route path="/audit"><Audit /></Route>
            <Route path="/bottlenecks"><Bottlenecks /></Route>
            <Route path="/conflicts"><Conflicts /></Route>
            <Route path="/conflicts/:id"><Conflict /></Route>
            <Route path="/goals"><Goals /></Route>
            <Route path="/map"><LiveMap /></Route>
            <Route path="/negotiations"><Negotiations /></Route>
            <Route path="/negotiations/:id"><Negotiation /></Route>
            <Route path="/policies"><Policies /></Route>
            <Route path="/settings"><Settings /></Route>
            <Route path="/signals"><Signals /></Route>
            <Route path="/signals/:id"><SignalPage /></Route>
            <Route path="/tasks"><Tasks /></Route>
            <Route path="/tasks/:id"><Task /></Route>
            <Route path="/why/:id"><Why /></Route>
            <Route><NotHere /></Route>
          </Switch>
        </Suspense>
      </Shell>
    </Session.Provider>
  );
}

export function App() {
  return (
    <QueryClientProvider client={cache}>
      <Router base="/console">
        <Entrance />
      </Router>
    </QueryClientProvider>
  );
}
