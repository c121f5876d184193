/** One approval: what is asked, what a yes leads to, why it asks, and the answer. */
import { useEffect, useId, useRef, useState } from "react";
import { Link } from "wouter";
import { outOfDate } from "../../api/queries.ts";
import { CopyAs } from "../../parts/copy.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { Id, JsonBehind } from "../../parts/text.tsx";
import { At, Since, useNow } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useMay } from "../../shell/session.ts";
import { duration, who } from "../../words/format.ts";
import { sentenceOf } from "../conflicts/words.ts";
import { type Approval, asked, ENDED, object, precedent } from "./approval.ts";
import { ChangeForm } from "./change.tsx";
import { HandOver } from "./hand-over.tsx";
import { asText } from "./parameters.ts";
import { type Answer, pending, usePending } from "./pending.ts";

function Expiry({ approval }: { approval: Approval }) {
  const left = Date.parse(approval.expires_at) - useNow(1_000);
  useEffect(() => {
    if (left <= 0) outOfDate("/approvals");
  }, [left <= 0]);
  return <span className={left < 600_000 ? "human" : ""}>{left > 0 ? <>expires in <b title={approval.expires_at}>{duration(left)}</b></> : <b>has expired</b>}, then: {approval.on_expiry}</span>;
}

function Parameters({ input }: { input: unknown }) {
  const rows: [string, unknown][] = typeof input === "object" && input !== null && !Array.isArray(input) ? Object.entries(input) : [["input", input]];
  return (
    <table>
      <tbody>{rows.map(([name, value]) => <tr key={name}><th scope="row">{name}</th><td className="wrap">{asText(value)}</td></tr>)}</tbody>
    </table>
  );
}

/** How it ended, where it is not open any more: by whom, when, with what note. */
function Ended({ approval }: { approval: Approval }) {
  const yes = approval.state === "approved" || approval.state === "used";
  return (
    <div className="ended" role="status">
      <StatusTag status={yes ? "done" : approval.state === "changed" ? "running" : "failed"}>{ENDED[approval.state] ?? approval.state}</StatusTag>
      {approval.answered_by && <> by <b>{who(approval.answered_by)}</b></>}
      {approval.answered_at && <> at <At at={approval.answered_at} /> <span className="sub">(after {duration(Date.parse(approval.answered_at) - Date.parse(approval.asked_at))})</span></>}
      {approval.note && <p className="wrap mt">“{approval.note}”</p>}
      <p className="mt"><Link href={`/tasks/${encodeURIComponent(approval.task)}`}>See what became of it</Link></p>
    </div>
  );
}

/** `take` says that the focus goes to the question: the one before it was answered, and its buttons are gone. */
export function Detail({ approval, keys, take, onAnswered }: { approval: Approval; keys: boolean; take: boolean; onAnswered: () => void }) {
  const { id } = approval;
  const label = useId();
  const [note, setNote] = useState("");
  const [changing, setChanging] = useState(false);
  const [handing, setHanding] = useState(false);
  const may = useMay("approvals:answer", approval.department);
  const given = usePending().find((answer) => answer.id === id);
  const open = approval.state === "open";
  const answerable = open && approval.may_answer && !given;
  const it = object(approval);
  const undone = approval.effects.find((effect) => /\bbe undone\b/.test(effect));
  const top = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    setNote("");
    setChanging(false);
    setHanding(false);
    if (take) top.current?.focus({ preventScroll: true });
  }, [id]);

  const give = (act: Answer["act"], words: string, path: string, body: Record<string, unknown>) => {
    pending.give({ id, act, words, question: approval.question, path: `/approvals/${encodeURIComponent(id)}/${path}`, body: { ...body, note } });
    setChanging(false);
    setHanding(false);
    onAnswered();
  };
  const approve = () => give("approve", `Approve ${it}`, "answer", { answer: "approve" });
  const reject = () => give("reject", `Reject ${it}`, "answer", { answer: "reject" });
  const once = (act: () => void) => (event: KeyboardEvent) => !event.repeat && act(); // a key held down answers one, not all
  useKeys({ a: once(approve), r: once(reject), e: once(() => setChanging(true)) }, keys && answerable && !changing && !handing);

  return (
    <article className="card one" aria-labelledby={label}>
      <h2 id={label} ref={top} tabIndex={-1} className="say">{asked(approval.question)}</h2>
      <p className="sub asked-by">
        <span>Asked by <b>{who(approval.asked_by) || approval.agent}</b> <Since at={approval.asked_at} /> ago</span>
        <span><b>{approval.agent} {approval.version}</b> would do it ({approval.department})</span>
        {open && <Expiry approval={approval} />}
        {approval.handed_to && <span>handed to <b>{who(approval.handed_to)}</b></span>}
      </p>
      {!open && <Ended approval={approval} />}
      <div className="g c11 top-align mt">
        <section>
          <h3>What will happen</h3>
          <ul className="t">
            {approval.effects.filter((effect) => effect !== undone).map((effect) => <li key={effect}>{effect}</li>)}
            <li className={approval.reversible ? "done" : "failed"}><b>{undone ?? (approval.reversible ? "It can be undone." : "It cannot be undone.")}</b></li>
          </ul>
        </section>
        <section>
          <h3>Why it asks</h3>
          <ul className="t">
            {approval.reasons.map((reason) => <li key={reason}>{reason}</li>)}
            <li>{precedent(approval.precedent)}</li>
          </ul>
        </section>
      </div>
      {(approval.conflicts?.length ?? 0) > 0 && (
        <section className="mt">
          <h3>What it collides with</h3>
          <ul className="t">{approval.conflicts!.map((conflict) => <li key={conflict.id}>{sentenceOf(conflict)} <Id id={conflict.id}>see both sides</Id></li>)}</ul>
        </section>
      )}
      <section className="mt">
        <h3>Exactly these parameters {approval.subject && <span className="sub">about {approval.subject}</span>}</h3>
        <div className="scroll" tabIndex={0}><Parameters input={approval.input} /></div>
      </section>
      {approval.evidence.length > 0 && (
        <section className="mt">
          <h3>Evidence <span className="sub">what it was proposed on</span></h3>
          {approval.evidence.map((each) => (
            <JsonBehind key={each.task} value={each.output} note={<p className="small"><Id id={each.task}>open the task</Id>{each.cut && " · only the beginning is shown here"}</p>}>
              {each.skill} <span className="sub">by {each.agent ?? "nobody"}</span>
            </JsonBehind>
          ))}
        </section>
      )}
      {open && !may && <p className="sub mt">You may read this; answering is for others.</p>}
      {open && may && !approval.may_answer && <p className="sub mt">You asked for this yourself, so somebody else has to answer.</p>}
      {given && <p className="mt" role="status"><StatusTag status="running">{given.words}: {given.state === "waiting" ? "not sent yet, take it back below" : given.state === "sending" ? "being sent" : "was not sent, see below"}</StatusTag></p>}
      {answerable && !changing && (
        <>
          <div className="mt">
            <label className="l" htmlFor={`${label}-note`}>Note, kept with the answer in the audit log</label>
            <textarea id={`${label}-note`} className="field" rows={2} maxLength={4000} value={note} onChange={(event) => setNote(event.target.value)} />
          </div>
          <div className="answers">
            <button type="button" className="b p" onClick={approve}>Approve {it} <kbd>a</kbd></button>
            <button type="button" className="b" onClick={() => setChanging(true)}>Change <kbd>e</kbd></button>
            <button type="button" className="b x" onClick={reject}>Reject <kbd>r</kbd></button>
            <button type="button" className="b" onClick={() => setHanding(true)}>Hand over</button>
            <Link href={`/why/${encodeURIComponent(approval.task)}`} className="why">Why it chose this</Link>
          </div>
        </>
      )}
      {answerable && changing && <ChangeForm key={id} approval={approval} onClose={() => setChanging(false)} onGive={(input, words) => give("change", words, "change", { input })} />}
      {answerable && <HandOver approval={approval} open={handing} onClose={() => setHanding(false)} onGive={(to) => give("hand over", `Hand ${it} to ${who(to)}`, "hand-over", { to })} />}
      {!answerable && <p className="mt"><Link href={`/why/${encodeURIComponent(approval.task)}`}>Why it chose this</Link></p>}
      <p className="sub small mt one-foot">
        <span>approval <Id id={id} /> · task <Id id={approval.task} />{approval.parent && <> · proposed by <Id id={approval.parent} /></>} · policy <span className="mono">{approval.policy.slice(0, 8)}</span> · digest <span className="mono" title={approval.digest}>{approval.digest.slice(0, 8)}</span></span>
        <CopyAs path={`/approvals/${id}`} command={`tutti approve ${id}`} data={approval} />
      </p>
    </article>
  );
}
