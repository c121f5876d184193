/** Who looks, what they may do and how they like the page; what stops agents; who may come in; and the facts of this workspace. */
import { useState } from "react";
import { Link } from "wouter";
import { remove } from "../../api/client.ts";
import { cache, useRead } from "../../api/queries.ts";
import type { Health } from "../../api/schema.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Head, Shown } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { prefer, type Prefs, usePrefs } from "../../shell/prefs.ts";
import { may, useWho } from "../../shell/session.ts";
import { say } from "../../shell/toasts.ts";
import { count, hash, zoneName } from "../../words/format.ts";
import { pending } from "../approvals/pending.ts";
import { Accounts } from "./accounts.tsx";
import { Switches } from "./switches.tsx";
import { Tokens } from "./tokens.tsx";
import "./settings.css";

/** Choices of which one holds. */
function Choice<Name extends keyof Prefs>({ legend, name, of }: { legend: string; name: Name; of: [value: Prefs[Name], words: string][] }) {
  const prefs = usePrefs();
  return (
    <fieldset className="choice">
      <legend>{legend}</legend>
      {of.map(([value, words]) => (
        <label key={String(value)}><input type="radio" name={name} checked={prefs[name] === value} onChange={() => prefer({ [name]: value } as Partial<Prefs>)} /> {words}</label>
      ))}
    </fieldset>
  );
}

function Me() {
  const who = useWho();
  const [all, setAll] = useState(false);
  const actions = Object.entries(who.may);
  const everywhere = actions.filter(([, where]) => where.includes("*"));
  const leave = async () => {
    if (pending.all().length) return say("Some answers are not sent yet: send or take them back first.");
    await remove("/session").catch(() => undefined);
    cache.clear();
    window.location.assign("/console/");
  };
  return (
    <Card title="Who I am" act={<button type="button" className="b" onClick={() => void leave()}>Log out</button>}>
      <p><b>{who.id}</b> <span className="sub">{who.roles.join(", ")}</span></p>
      <div className="facts mt">
        <span>departments <b>{who.departments.includes("*") ? "all" : who.departments.join(", ") || "none"}</b></span>
        {who.scopes && <span>narrowed to <b>{who.scopes.join(", ")}</b></span>}
        {who.acts_for.length > 0 && <span>acts for <b>{who.acts_for.join(", ")}</b></span>}
        {who.expires_at && <span>this session ends <b><At at={who.expires_at} /></b></span>}
      </div>
      <h3 className="mt">What I may do</h3>
      <p>{actions.length ? `${actions.length} things${everywhere.length === actions.length ? ", in all departments" : everywhere.length ? `, ${everywhere.length} of them in all departments` : ""}.` : "Nothing but look at this page."} <button type="button" className="link" aria-expanded={all} onClick={() => setAll(!all)}>{all ? "Hide them" : "Show them"}</button></p>
      {all && <table><thead><tr><th>What</th><th>Where</th></tr></thead><tbody>{actions.map(([action, where]) => <tr key={action}><td className="mono">{action}</td><td>{where.includes("*") ? "everywhere" : where.join(", ")}</td></tr>)}</tbody></table>}
    </Card>
  );
}

function Preferences() {
  return (
    <Card title="How I like it" sub="kept in this browser">
      <Choice legend="Theme" name="theme" of={[["system", "as the system has it"], ["light", "light"], ["dark", "dark"]]} />
      <Choice legend="Times" name="zone" of={[["local", `in this browser's zone (${zoneName("local")})`], ["utc", "UTC"]]} />
      <Choice legend="Keys of a single letter" name="letters" of={[[true, "on: ? lists them"], [false, "off"]]} />
    </Card>
  );
}

function Server() {
  const health = useRead<Health>("/health", {}, { every: 10_000 });
  return (
    <Card title="This workspace">
      <Shown of={health}>
        {(now) => (
          <table>
            <tbody>
              <tr><th scope="row">Workspace</th><td>{now.workspace}</td></tr>
              <tr><th scope="row">Fleet</th><td>{now.fleet ?? "none is loaded here"}</td></tr>
              <tr><th scope="row">Takes work</th><td>{now.running ? <StatusTag status="done">yes</StatusTag> : <StatusTag status="failed">no, it starts or stops</StatusTag>}</td></tr>
              {now.problems.length > 0 && <tr><th scope="row">Problems of the fleet</th><td><ul className="t">{now.problems.map((problem) => <li key={problem} className="failed">{problem}</li>)}</ul></td></tr>}
              <tr><th scope="row">Version</th><td>{now.version}, process {now.pid}</td></tr>
              <tr><th scope="row">Record</th><td><Link href="/audit">{count(now.head.seq)} records</Link>, head <span className="mono" title={now.head.root}>{hash(now.head.root)}</span></td></tr>
              <tr><th scope="row">Address</th><td className="mono">{location.origin}</td></tr>
              <tr><th scope="row">API</th><td><a href="/docs">described here</a></td></tr>
            </tbody>
          </table>
        )}
      </Shown>
    </Card>
  );
}

export default function Settings() {
  const who = useWho();
  return (
    <>
      <Head title="Settings" sub={<ZoneNote />}><CopyAs path="/session" command="tutti accounts" /></Head>
      <div className="g c11 top-align">
        <div className="g"><Me />{may(who, "agents:read") && <Switches />}</div>
        <div className="g"><Preferences /><Server /></div>
      </div>
      {may(who, "accounts:read") && <div className="mt"><Accounts /></div>}
      <div className="mt"><Tokens /></div>
    </>
  );
}
