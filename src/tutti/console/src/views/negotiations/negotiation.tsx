/** One negotiation: what was said round by round, what each would gain, what the rules leave, and what it ended with. */
import { useMemo, useState } from "react";
import { Link, useParams as usePath } from "wouter";
import { part } from "../../api/client.ts";
import { useRead } from "../../api/queries.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { Card, Head, Shown } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Id, Json, JsonBehind } from "../../parts/text.tsx";
import { At, Since, useNow, ZoneNote } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useMay } from "../../shell/session.ts";
import { duration, money, NONE, plural, signed, who } from "../../words/format.ts";
import { Gains } from "./gains.tsx";
import { statusOf } from "./negotiations.tsx";
import { TakeOver } from "./take-over.tsx";
import { became, breaks, line, type Made, offers, type Opening, type Outcome, proposals, type Said, saying, type Settled, steps, terms, type Whole } from "./told.ts";
import "./negotiations.css";

const ALSO = 40; // messages of a round that are shown at once

function Message({ said, at }: { said: Said; at: string }) {
  const gains = said.ask === "offer" && said.counter ? [] : Object.entries(said.gains ?? {}); // with an offer the API gives those of what was on the table before
  const whole = said.ask === "rank" || said.ask === "score" || said.ask === "screen" || said.ask === "table";
  return (
    <div className="msg">
      <b>{said.party}</b> <span className="sub"><At at={at} /> · {said.ask}</span>
      <div className={said.missing ? "failed" : ""}>{line(said)}</div>
      {said.refused && <div className="failed">counts as a pass, refused by: {said.refused.join(", ")}</div>}
      {gains.length > 0 && <div className="sub small">{gains.map(([party, gain]) => `${party} ${signed(gain, Math.abs(gain) >= 100 ? 0 : 3)}`).join(" · ")} <span>over the fallback</span></div>}
      {whole && !said.missing && <JsonBehind value={{ answer: said.answer, ...(said.lists ? { lists: said.lists } : {}), ...(said.outcomes ? { outcomes: said.outcomes } : {}) }}><span className="sub small">all that was said</span></JsonBehind>}
    </div>
  );
}

function Transcript({ whole }: { whole: Whole }) {
  return (
    <Card title="Transcript" sub={`${plural(whole.rounds, "round")}, ${plural(whole.messages, "question")}${whole.missing ? `, ${whole.missing} without an answer` : ""}${whole.cost ? `, cost ${money(whole.cost)}` : ""}`}>
      {!whole.rounds_told.length && <p className="sub">{whole.opening ? "Nothing has been said yet." : "What was said was erased."}</p>}
      {whole.rounds_told.map((round) => (
        <section key={round.round}>
          <h3 className="round">Round {round.round}</h3>
          {round.said.slice(0, ALSO).map((said) => <Message key={`${said.party} ${said.number} ${terms(said.outcome)}`} said={said} at={round.at} />)}
          {round.said.length > ALSO && <p className="sub">{plural(round.said.length - ALSO, "more message")} in this round: copy the transcript as JSON.</p>}
        </section>
      ))}
      {whole.settled && <p><StatusTag status={whole.settled.how === "fallback" ? "queued" : "done"}>Ended: {whole.settled.why}</StatusTag></p>}
    </Card>
  );
}

/** The offers of free bargaining: who made which, and what became of it. */
function Offers({ made, whole }: { made: readonly Made[]; whole: Whole }) {
  const refused = made.filter((each) => each.refused.length).length;
  return (
    <Card title="Offers" sub={`${plural(made.length, "offer")} in turns${refused ? `, ${refused} refused: such an offer counts as a pass` : ""}`}>
      <div className="scroll" tabIndex={0}>
        <table>
          <thead><tr><th className="num">Turn</th><th>By</th><th>Offer</th><th>What became of it</th></tr></thead>
          <tbody>
            {made.map((each) => {
              const [status, words] = became(each, whole);
              return <tr key={each.turn}><td className="num">{each.turn}</td><td>{each.party}</td><td>{terms(each.outcome)}</td><td className="became">{status ? <StatusTag status={status}>{words}</StatusTag> : <span className="sub">{words}</span>}</td></tr>;
            })}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

/** All issues with what is possible, the fallback, the last word and, where there is one, what a person could approve. */
function Terms({ opening, settled, now }: { opening: Opening; settled: Settled | null; now: Outcome | null }) {
  const better = settled?.better?.outcome ?? null;
  const end = settled ? settled.outcome ?? opening.fallback : now;
  return (
    <Card title="Terms" sub={settled ? "what it ended with, beside what else there was" : "what was proposed last, beside what else there is"}>
      <div className="scroll" tabIndex={0}>
        <table>
          <thead><tr><th>Issue</th><th>Fallback</th><th>{settled ? "Ended with" : "Proposed last"}</th>{better && <th>Better, if approved</th>}<th>Possible</th></tr></thead>
          <tbody>
            {Object.entries(opening.issues).map(([issue, values]) => (
              <tr key={issue}>
                <td>{issue}</td><td className="sub">{String(opening.fallback?.[issue] ?? NONE)}</td><td>{end?.[issue] === opening.fallback?.[issue] ? String(end?.[issue] ?? NONE) : <b>{String(end?.[issue] ?? NONE)}</b>}</td>
                {better && <td>{better[issue] === end?.[issue] ? <span className="sub">the same</span> : <b className="human">{String(better[issue])}</b>}</td>}
                <td className="sub">{values.length > 12 ? `${values.slice(0, 12).join(", ")} and ${values.length - 12} more` : values.join(", ")}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function Mandate({ opening, settled, now }: { opening: Opening; settled: Settled | null; now: Outcome | null }) {
  const end = settled ? settled.outcome ?? opening.fallback : now;
  const rules = [...opening.policy.map((rule) => ({ rule, asks: false })), ...opening.approval.map((rule) => ({ rule, asks: true }))];
  const better = settled?.better ?? null;
  const kept = (rule: Opening["policy"][number], asks: boolean, outcome: Outcome | null) => {
    const broken = outcome ? breaks(rule, outcome) : null;
    return broken === null ? <span className="sub">{outcome ? "the server checks it" : NONE}</span> : broken ? <StatusTag status={asks ? "human" : "failed"}>{asks ? "asks a person" : "outside"}</StatusTag> : <StatusTag status="done">within</StatusTag>;
  };
  return (
    <Card title="Mandate" sub="rules that the terms must keep">
      {!rules.length ? <p className="sub">No rule limits the terms.</p> : (
        <div className="scroll" tabIndex={0}>
          <table>
            <thead><tr><th>Rule</th><th>{settled ? "What it ended with" : "Proposed last"}</th>{better && <th>Better one</th>}</tr></thead>
            <tbody>{rules.map(({ rule, asks }) => (
              <tr key={`${rule.rule} ${saying(rule)}`}>
                <td>{rule.rule}: {saying(rule)}<br /><span className="sub small">{asks ? "else a person's word is needed" : "policy"}</span></td><td>{kept(rule, asks, end)}</td>
                {better && <td>{better.needs.includes(rule.rule) ? <StatusTag status="human">asks a person</StatusTag> : kept(rule, asks, better.outcome)}</td>}
              </tr>
            ))}</tbody>
          </table>
        </div>
      )}
    </Card>
  );
}

/** What it ended with, first of all. */
function Ending({ whole, settled }: { whole: Whole; settled: Settled }) {
  return (
    <Card className="ending">
      <p className="say">{settled.outcome ? terms(settled.outcome) : `The fallback: ${terms(whole.opening?.fallback)}`}</p>
      <p className="sub">{settled.why[0]!.toUpperCase() + settled.why.slice(1)}.{whole.decided_by && <> Decided by <b>{who(whole.decided_by)}</b>.</>}</p>
      {settled.better && (
        <p className="human mt">
          <b>Better, and only with a person's word ({settled.better.needs.join(", ")}):</b> {terms(settled.better.outcome)}.{" "}
          {whole.adopted ? <Link href={`/tasks/${part(whole.adopted)}`}>{whole.adopted_at ? "It was adopted" : "It waits for that word"}</Link> : "It was proposed to a person."}
        </p>
      )}
    </Card>
  );
}

function EndsIn({ at }: { at: string | null }) {
  const left = at ? Date.parse(at) - useNow(1_000) : null;
  return left === null ? null : <>{left > 0 ? `ends by itself in ${duration(left)}` : "its deadline has come"}</>;
}

function One({ whole, taking, onTaken }: { whole: Whole; taking: boolean; onTaken: () => void }) {
  const put = useMemo(() => proposals(whole.rounds_told), [whole.rounds_told]);
  const made = useMemo(() => offers(whole.rounds_told), [whole.rounds_told]);
  const now = (made.findLast((each) => !each.refused.length) ?? put.at(-1))?.outcome ?? null;
  return (
    <>
      {whole.settled && <Ending whole={whole} settled={whole.settled} />}
      <div className={whole.settled ? "g c2 top-align mt" : "g c2 top-align"}>
        <Transcript whole={whole} />
        <div className="g">
          {made.length > 0 && <Offers made={made} whole={whole} />}
          <Gains parties={whole.parties} steps={steps(put, whole.settled)} />
          {whole.opening && <Mandate opening={whole.opening} settled={whole.settled} now={now} />}
          {whole.opening && <Terms opening={whole.opening} settled={whole.settled} now={now} />}
          {whole.opening?.about != null && <Card title="What it is about"><Json value={whole.opening.about} /></Card>}
        </div>
      </div>
      {whole.explained.length > 0 && <Card title="Why these terms" sub="filled from the record by a template, no model wrote it" className="mt"><ul className="t">{whole.explained.map((sentence) => <li key={sentence}>{sentence}</li>)}</ul></Card>}
      {taking && whole.opening && <TakeOver id={whole.id} opening={whole.opening} start={now} onClose={onTaken} />}
    </>
  );
}

export default function Negotiation() {
  const { id = "" } = usePath<{ id: string }>();
  const read = useRead<Whole>(`/negotiations/${part(id)}`, {}, { keep: false });
  const whole = read.data;
  const [taking, setTaking] = useState(false);
  const settles = useMay("tasks:settle", whole?.department);
  const open = whole !== undefined && whole.how === null && !["completed", "failed", "canceled", "rejected"].includes(whole.state);
  const takes = open && settles && Boolean(whole.opening);
  useKeys({ o: () => setTaking(true) }, takes && !taking);
  return (
    <>
      <Head title="Negotiation" sub={<><Id id={id} />{whole && <> · {whole.parties.join(" ⇄ ")} · <StatusTag status={statusOf(whole)[0]}>{statusOf(whole)[1]}</StatusTag> · {open ? <><Since at={whole.opened_at} /> so far, <EndsIn at={whole.ends_at} /></> : whole.settled_at && whole.opened_at && `in ${duration(Date.parse(whole.settled_at) - Date.parse(whole.opened_at))}`}</>} · <ZoneNote /></>}>
        <Link href={`/why/${part(id)}`} className="b">Why</Link>
        <CopyAs path={`/negotiations/${id}`} command={`tutti negotiations show ${id}`} data={whole} />
        {takes && <button type="button" className="b p" onClick={() => setTaking(true)}>Take over <kbd>o</kbd></button>}
      </Head>
      <Shown of={read} rows={10}>{(found) => <One whole={found} taking={taking && takes} onTaken={() => setTaking(false)} />}</Shown>
    </>
  );
}
