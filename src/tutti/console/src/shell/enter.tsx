/** Coming in: by the one-time link that `tutti demo`, `tutti up` or `tutti console` printed, or by account and password. */
import { type FormEvent, useEffect, useState } from "react";
import { Failure, post } from "../api/client.ts";

/** The code of a one-time link. It stands behind the #, so that it is in no log, and is taken out of the address at once. */
export function takeCode(): string {
  const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? "";
  if (code) history.replaceState(null, "", location.pathname.replace(/\/enter$/, "/") + location.search);
  return code;
}

export function Enter({ code, onEntered }: { code: string; onEntered: () => void }) {
  const [failure, setFailure] = useState<Failure | null>(null);
  const [account, setAccount] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(Boolean(code));

  const enter = (body: unknown) => {
    setBusy(true);
    setFailure(null);
    post("/session", body).then(onEntered, (error: Failure) => (setFailure(error), setBusy(false)));
  };
  useEffect(() => {
    document.title = "Come in · Tutti";
    if (code) enter({ code });
  }, []);
  const onSubmit = (event: FormEvent) => {
    event.preventDefault();
    enter({ account: account.includes("/") ? account : `person/${account}`, password });
  };
  return (
    <main className="card" style={{ width: "min(440px, calc(100vw - 32px))", margin: "12vh auto" }}>
      <h1>Tutti</h1>
      {busy ? <p className="mt" role="status">Coming in…</p> : (
        <>
          {failure && <p className="failure mt" role="alert"><b>{failure.detail}</b> {failure.hint}</p>}
          <p className="mt">Run <code className="mono">tutti console</code> in the workspace's folder: it prints a link that lets you in once. Or log in:</p>
          <form className="g mt" onSubmit={onSubmit}>
            <div><label className="l" htmlFor="account">Account</label><input id="account" className="field" style={{ width: "100%" }} autoComplete="username" required value={account} onChange={(event) => setAccount(event.target.value)} placeholder="person/ana" /></div>
            <div><label className="l" htmlFor="password">Password</label><input id="password" className="field" style={{ width: "100%" }} type="password" autoComplete="current-password" required value={password} onChange={(event) => setPassword(event.target.value)} /></div>
            <div><button className="b p" type="submit">Log in</button></div>
          </form>
        </>
      )}
    </main>
  );
}
