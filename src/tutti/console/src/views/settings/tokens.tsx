/** Tokens that programs come in with: the list, a new one (shown once), and ending one. */
import { type FormEvent, useId, useState } from "react";
import { type Failure, part, post, remove } from "../../api/client.ts";
import { outOfDate, useRead } from "../../api/queries.ts";
import type { TokenKept, TokenMade } from "../../api/schema.ts";
import { CopyButton } from "../../parts/copy.tsx";
import { Confirm } from "../../parts/confirm.tsx";
import { Card, Empty, FailureNote, Shown } from "../../parts/frame.tsx";
import { At } from "../../parts/time.tsx";
import { useMay, useWho } from "../../shell/session.ts";
import { say } from "../../shell/toasts.ts";
import { plural } from "../../words/format.ts";

const DAY_MS = 86_400_000;
const LIVES: [days: number, words: string][] = [[1, "a day"], [7, "a week"], [30, "30 days"], [90, "90 days"]];

function Make({ onMade }: { onMade: (token: TokenMade) => void }) {
  const who = useWho();
  const manages = useMay("accounts:manage");
  const [holder, setHolder] = useState(who.id);
  const [label, setLabel] = useState("");
  const [days, setDays] = useState(30);
  const [scopes, setScopes] = useState("");
  const [failure, setFailure] = useState<Failure | null>(null);
  const id = useId();
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    setFailure(null);
    const only = scopes.split(/[,\s]+/).filter(Boolean);
    post<TokenMade>("/tokens", { holder: holder.trim(), label, life_ms: days * DAY_MS, scopes: only.length ? only : null }).then(
      (made) => (onMade(made), setLabel(""), outOfDate("/tokens")),
      (error: Failure) => setFailure(error),
    );
  };
  return (
    <form className="row-form" onSubmit={onSubmit}>
      {manages && <div><label className="l" htmlFor={`${id}-h`}>For</label><input id={`${id}-h`} className="field" required value={holder} onChange={(event) => setHolder(event.target.value)} /></div>}
      <div><label className="l" htmlFor={`${id}-l`}>What for</label><input id={`${id}-l`} className="field" maxLength={100} value={label} onChange={(event) => setLabel(event.target.value)} /></div>
      <div><label className="l" htmlFor={`${id}-t`}>Good for</label><select id={`${id}-t`} className="field" value={days} onChange={(event) => setDays(Number(event.target.value))}>{LIVES.map(([each, words]) => <option key={each} value={each}>{words}</option>)}</select></div>
      <div><label className="l" htmlFor={`${id}-s`}>Only these scopes (none: all that is theirs)</label><input id={`${id}-s`} className="field" placeholder="tasks:*:read" value={scopes} onChange={(event) => setScopes(event.target.value)} /></div>
      <button type="submit" className="b p">Make a token for {holder}</button>
      {failure && <FailureNote error={failure} />}
    </form>
  );
}

export function Tokens() {
  const who = useWho();
  const reads = useMay("accounts:read");
  const manages = useMay("accounts:manage");
  const whole = who.scopes === null && who.acts_for.length === 0;
  const list = useRead<TokenKept[]>("/tokens", reads ? {} : { holder: who.id });
  const [made, setMade] = useState<TokenMade | null>(null);
  const [end, setEnd] = useState<TokenKept | null>(null);
  const [adding, setAdding] = useState(false);
  const makes = manages || (whole && who.id.startsWith("person/"));
  const onEnd = async ({ id, label }: TokenKept) => {
    await remove(`/tokens/${part(id)}`);
    say(`The token ${label || id} holds no more.`);
    outOfDate("/tokens");
  };
  return (
    <Card title="Tokens" sub={list.data ? `${plural(list.data.length, "token")} that ${list.data.length === 1 ? "holds" : "hold"}${reads ? "" : ", of yours"}` : ""} act={makes && <button type="button" className="b" aria-expanded={adding} onClick={() => setAdding(!adding)}>{adding ? "Not now" : "Make a token"}</button>}>
      {made && (
        <div className="failure mt" style={{ borderColor: "var(--human)" }} role="status">
          <p><b>The token of {made.holder}{made.label && ` (${made.label})`}. It is shown here once, and never again.</b></p>
          <p className="secret mt"><code>{made.token}</code> <CopyButton text={made.token} what="the token" /> <button type="button" className="b" onClick={() => setMade(null)}>I have it</button></p>
        </div>
      )}
      <Shown of={list}>
        {(tokens) => tokens.length ? (
          <div className="scroll" tabIndex={0}>
            <table>
              <thead><tr><th>Holder</th><th>What for</th><th>Narrowed to</th><th>Made</th><th>Good until</th><th><span className="vh">End</span></th></tr></thead>
              <tbody>{tokens.map((each) => (
                <tr key={each.id}>
                  <td><b>{each.holder}</b></td><td className="wrap">{each.label}</td><td className="wrap">{[...(each.roles ?? []), ...(each.departments ?? []), ...(each.scopes ?? [])].join(", ") || "nothing: all that is theirs"}</td>
                  <td><At at={each.issued_at} /></td><td><At at={each.expires_at} /></td>
                  <td className="num">{(manages || (whole && each.holder === who.id)) && <button type="button" className="b x" onClick={() => setEnd(each)}>End {each.label || "it"}</button>}</td>
                </tr>
              ))}</tbody>
            </table>
          </div>
        ) : <Empty command={`tutti tokens new ${who.id}`}>No token holds. Programs come in with one; it appears here without the token itself.</Empty>}
      </Shown>
      {adding && makes && <Make onMade={(token) => (setMade(token), setAdding(false))} />}
      {end && <Confirm open onClose={() => setEnd(null)} title={`End the token ${end.label || end.id}?`} act="End it" danger run={() => onEnd(end)} says={`Whoever uses it as ${end.holder} is refused from the next request on. It cannot be taken back; a new one can be made.`} />}
    </Card>
  );
}
