/** What is in force: the policy's text and what each rule decided lately, budgets with what is spent, how far actions go alone, and what calls to models may take. */
import { useEffect, useMemo, useRef } from "react";
import { Link } from "wouter";
import { useRead } from "../../api/queries.ts";
import type { Budget, CapInForce, InForce, LevelInForce } from "../../api/schema.ts";
import { CopyAs, CopyButton } from "../../parts/copy.tsx";
import { LevelDial } from "../../parts/dial.tsx";
import { Bar } from "../../parts/figures.tsx";
import { Card, Empty, Head, Shown } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Id } from "../../parts/text.tsx";
import { At, ZoneNote } from "../../parts/time.tsx";
import { useParams } from "../../url/state.ts";
import { count, money, NONE, percent, plural, who } from "../../words/format.ts";
import { linesOf } from "./lines.ts";
import "./policies.css";

const WINDOWS: [name: string, ms: number, words: string][] = [["1h", 3_600_000, "last hour"], ["1d", 86_400_000, "last day"], ["7d", 604_800_000, "last 7 days"], ["30d", 2_592_000_000, "last 30 days"]];

function Rules({ policies, words, rule, onPick }: { policies: InForce; words: string; rule: string; onPick: (id: string) => void }) {
  return (
    <Card title="What each rule decided" sub={`${plural(policies.decisions, "decision")}, ${words}; a decision that several rules made counts for each`}>
      {!policies.rules.length ? <p className="sub">No rule is in force: nothing is allowed.</p> : (
        <div className="scroll" tabIndex={0}>
          <table>
            <thead><tr><th>Rule</th><th>Effect</th><th className="num">Allowed</th><th className="num">Asked</th><th className="num">Denied</th><th>Last</th></tr></thead>
            <tbody>{policies.rules.map((each) => (
              <tr key={each.id} className={each.id === rule ? "sel" : ""}>
                <td className="rule"><button type="button" className="link" aria-pressed={each.id === rule} onClick={() => onPick(each.id === rule ? "" : each.id)}>{each.id}</button></td>
                <td><StatusTag status={each.effect === "permit" ? "done" : "failed"}>{each.effect}</StatusTag></td>
                <td className="num">{count(each.allowed)}</td><td className="num">{count(each.asked)}</td><td className="num">{count(each.denied)}</td>
                <td>{each.last_task ? <><Id id={each.last_task} /> <span className="sub"><At at={each.last_at} /></span></> : <span className="sub">not in this time</span>}</td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

/** The text as it is in force, with the lines of the picked rule marked. */
function Text({ policies, rule }: { policies: InForce; rule: string }) {
  const lines = useMemo(() => policies.text.split("\n"), [policies.text]);
  const marked = useMemo(() => linesOf(policies.text, policies.rules).get(rule), [policies.text, policies.rules, rule]);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    box.current?.querySelector("[data-marked]")?.scrollIntoView({ block: "nearest" });
  }, [marked?.from]);
  return (
    <Card title="Text" sub={policies.current ? <>in force, <span className="mono">{policies.current.slice(0, 16)}</span></> : "none was published"} act={policies.text && <CopyButton text={policies.text} what="the policy's text" />}>
      {!policies.text ? <Empty>The policy's text appears here once one is published.</Empty> : (
        <div ref={box} className="code" tabIndex={0} role="group" aria-label="The policy's text">
          <table>
            <tbody>{lines.map((line, place) => {
              const here = marked && place + 1 >= marked.from && place + 1 <= marked.to;
              return <tr key={place} className={here ? "sel" : ""} {...(here ? { "data-marked": true } : {})}><td className="ln">{place + 1}</td><td className="src">{line || " "}</td></tr>;
            })}</tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function Versions({ versions }: { versions: InForce["versions"] }) {
  return (
    <Card title="Versions" sub={plural(versions.length, "version")}>
      <table>
        <thead><tr><th>Digest</th><th>Published</th><th><span className="vh">State</span></th></tr></thead>
        <tbody>{versions.map((each) => (
          <tr key={`${each.digest} ${each.published_at}`}><td className="mono" title={each.digest}>{each.digest.slice(0, 16)}</td><td><At at={each.published_at} /></td><td>{each.current ? <StatusTag status="done">in force</StatusTag> : <span className="sub">replaced</span>}</td></tr>
        ))}</tbody>
      </table>
      <p className="sub small mt"><Link href="/audit?kinds=policy.%2Cautonomy.%2Cbudget.%2Ccap.">Who changed what, in the audit log</Link></p>
    </Card>
  );
}

/** How much of something is used, as a bar with its words. */
function Used({ used, of, say }: { used: number; of: number; say: (value: number) => string }) {
  const ratio = of ? used / of : 0;
  return (
    <span className={ratio >= 0.9 ? "used high" : "used"}>
      <Bar share={ratio} width={120} label={`${say(used)} of ${say(of)}`} /> <span className="nw">{say(used)} of {say(of)}</span> <span className={ratio >= 0.9 ? "failed small" : "sub small"}>{percent(ratio, 0)}</span>
    </span>
  );
}

function Budgets({ budgets }: { budgets: Budget[] }) {
  return (
    <Card title="Budgets" sub="reserved before an action starts; what would go over is not done">
      {!budgets.length ? <p className="sub">No action has a budget.</p> : (
        <div className="scroll" tabIndex={0}>
          <table>
            <thead><tr><th>Budget</th><th>For</th><th>Used, this period</th></tr></thead>
            <tbody>{budgets.map((each) => (
              <tr key={each.name}>
                <td><b>{each.name}</b></td><td>{each.action} <span className="sub">per {each.per}</span></td>
                <td className="stack">
                  {each.money !== null && <Used used={each.spent} of={each.money} say={(value) => money(value, each.currency)} />}
                  {each.count !== null && <Used used={each.used} of={each.count} say={(value) => count(value)} />}
                </td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

function Levels({ levels }: { levels: LevelInForce[] }) {
  return (
    <Card title="How far actions go alone">
      {!levels.length ? <p className="sub">The fleet offers no action.</p> : levels.map((each) => (
        <div key={each.skill} className="level">
          <p><b>{each.skill}</b> <span className="sub">{each.department}</span></p>
          <LevelDial skill={each.skill} level={each.level} upTo={each.up_to} department={each.department} />
          {each.since && <p className="sub small">{each.by && <>set by {who(each.by)} </>}<At at={each.since} />{each.reason && <>: {each.reason}</>}</p>}
        </div>
      ))}
    </Card>
  );
}

function Caps({ caps }: { caps: CapInForce[] }) {
  const scope = (each: CapInForce) => (each.agent ? `agent ${each.agent}` : each.department ? `department ${each.department}` : "all agents");
  return (
    <Card title="Caps on calls to models" sub="what a call may cost is reserved before it is made">
      {!caps.length ? <p className="sub">No cap is set.</p> : (
        <div className="scroll" tabIndex={0}>
          <table>
            <thead><tr><th>Cap</th><th>For</th><th>Used</th></tr></thead>
            <tbody>{caps.map((each) => (
              <tr key={each.name}>
                <td><b>{each.name}</b></td><td>{scope(each)} <span className="sub">per {each.per_task ? "task" : each.per}</span></td>
                <td className="stack">
                  {([["money", each.money, each.spent_money, (value: number) => money(value)], ["tokens", each.tokens, each.used_tokens, (value: number) => `${count(value)} tokens`], ["calls", each.calls, each.used_calls, (value: number) => `${count(value)} calls`]] as const)
                    .map(([name, of, used, words]) => of === null ? null : used === null ? <span key={name}>at most {words(of)} {each.per_task && <span className="sub">each</span>}</span> : <Used key={name} used={used} of={of} say={words} />)}
                  {each.money === null && each.tokens === null && each.calls === null && NONE}
                </td>
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

export default function PoliciesPage() {
  const [{ window, rule }, change] = useParams(["window", "rule"]);
  const [name, ms, words] = WINDOWS.find(([each]) => each === window) ?? WINDOWS[1]!;
  const read = useRead<InForce>("/policies", { window_ms: ms }, { every: 30_000 });
  return (
    <>
      <Head title="Policies" sub={<>{read.data ? plural(read.data.rules.length, "rule") : "…"} · anything but a clean yes is a no · <ZoneNote /></>}>
        <CopyAs path={`/policies?window_ms=${ms}`} data={read.data} />
      </Head>
      <div className="chips" role="group" aria-label="Time">
        {WINDOWS.map(([each, , said]) => <button key={each} type="button" className="chip" aria-pressed={each === name} onClick={() => change({ window: each === "1d" ? null : each }, true)}>{said}</button>)}
      </div>
      <Shown of={read} rows={10}>
        {(policies) => (
          <>
            <div className="g c2 top-align">
              <div className="g"><Rules policies={policies} words={words} rule={rule} onPick={(id) => change({ rule: id })} /><Text policies={policies} rule={rule} /></div>
              <div className="g"><Budgets budgets={policies.budgets} /><Levels levels={policies.levels} /><Caps caps={policies.caps} /><Versions versions={policies.versions} /></div>
            </div>
          </>
        )}
      </Shown>
    </>
  );
}
