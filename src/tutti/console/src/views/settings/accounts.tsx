/** People, services and agents that may come in: the list, taking somebody in, and shutting an account. */
import { type FormEvent, useId, useState } from "react";
import { type Failure, part, post, remove } from "../../api/client.ts";
import { outOfDate, useRead } from "../../api/queries.ts";
import type { Account } from "../../api/schema.ts";
import { Confirm } from "../../parts/confirm.tsx";
import { Card, Empty, FailureNote, Shown } from "../../parts/frame.tsx";
import { At } from "../../parts/time.tsx";
import { useMay, useWho } from "../../shell/session.ts";
import { say } from "../../shell/toasts.ts";
import { plural } from "../../words/format.ts";

const ROLES = ["owner", "operator", "approver", "viewer", "sender"] as const;
const named = (text: string): string[] => text.split(/[,\s]+/).filter(Boolean);

function Add({ onDone }: { onDone: () => void }) {
  const [account, setAccount] = useState("person/");
  const [role, setRole] = useState<string>("viewer");
  const [departments, setDepartments] = useState("");
  const [password, setPassword] = useState("");
  const [failure, setFailure] = useState<Failure | null>(null);
  const id = useId();
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    setFailure(null);
    const where = named(departments);
    post<Account>("/accounts", { id: account.trim(), roles: [role], departments: where.length ? where : ["*"], password: password || null }).then(
      (made) => (say(`${made.id} may come in.`), setAccount("person/"), setPassword(""), outOfDate("/accounts"), onDone()),
      (error: Failure) => setFailure(error),
    );
  };
  return (
    <form className="row-form" onSubmit={onSubmit}>
      <div><label className="l" htmlFor={`${id}-a`}>Account (person/ana, service/crm)</label><input id={`${id}-a`} className="field" required pattern="(person|service)/.+" value={account} onChange={(event) => setAccount(event.target.value)} autoComplete="off" /></div>
      <div><label className="l" htmlFor={`${id}-r`}>Role</label><select id={`${id}-r`} className="field" value={role} onChange={(event) => setRole(event.target.value)}>{ROLES.map((each) => <option key={each}>{each}</option>)}</select></div>
      <div><label className="l" htmlFor={`${id}-d`}>Departments (none: all)</label><input id={`${id}-d`} className="field" value={departments} onChange={(event) => setDepartments(event.target.value)} /></div>
      <div><label className="l" htmlFor={`${id}-p`}>Password (none: by link or token)</label><input id={`${id}-p`} className="field" type="password" autoComplete="new-password" value={password} onChange={(event) => setPassword(event.target.value)} /></div>
      <button type="submit" className="b p">Take in {account.trim()}</button>
      {failure && <FailureNote error={failure} />}
    </form>
  );
}

export function Accounts() {
  const me = useWho().id;
  const manages = useMay("accounts:manage");
  const list = useRead<Account[]>("/accounts");
  const [shut, setShut] = useState<Account | null>(null);
  const [adding, setAdding] = useState(false);
  const onShut = async ({ id }: Account) => {
    await remove(`/accounts/${id.split("/").map(part).join("/")}`);
    say(`${id} is shut.`);
    outOfDate("/accounts", "/tokens", "/agents");
  };
  return (
    <Card title="Accounts" sub={list.data ? plural(list.data.length, "account") : ""} act={manages && <button type="button" className="b" aria-expanded={adding} onClick={() => setAdding(!adding)}>{adding ? "Not now" : "Take somebody in"}</button>}>
      <Shown of={list}>
        {(accounts) => accounts.length ? (
          <div className="scroll" tabIndex={0}>
            <table>
              <thead><tr><th>Account</th><th>Roles</th><th>Departments</th><th>Comes in by</th><th>Since</th><th>State</th><th><span className="vh">Shut</span></th></tr></thead>
              <tbody>{accounts.map((each) => (
                <tr key={each.id}>
                  <td><b>{each.id}</b>{each.id === me && <span className="sub"> (you)</span>}</td><td>{each.roles.join(", ")}</td><td>{each.departments.includes("*") ? "all" : each.departments.join(", ")}</td>
                  <td>{each.key ? "its key" : each.password ? "password or token" : "token or link"}</td><td><At at={each.since} /></td><td>{each.state}</td>
                  <td className="num">{manages && each.id !== me && each.state !== "removed" && <button type="button" className="b x" onClick={() => setShut(each)}>Shut {each.id}</button>}</td>
                </tr>
              ))}</tbody>
            </table>
          </div>
        ) : <Empty command="tutti accounts add person/ana --role approver">Only the owner may come in, with the key of this workspace. Other people, services and agents appear here.</Empty>}
      </Shown>
      {adding && manages && <Add onDone={() => setAdding(false)} />}
      {shut && <Confirm open onClose={() => setShut(null)} title={`Shut ${shut.id}?`} act={`Shut ${shut.id}`} danger run={() => onShut(shut)} says="Its tokens and sessions end at once. Of an agent, the key is let go of and the agent retired. What it did stays in the record." />}
    </Card>
  );
}
