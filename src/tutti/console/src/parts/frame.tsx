/** What pages are made of: a head, cards, and how loading, emptiness and failure look. */
import { type ReactNode, useEffect, useState } from "react";
import type { UseQueryResult } from "@tanstack/react-query";
import type { Failure } from "../api/client.ts";
import { CopyButton } from "./copy.tsx";

/** The page's one h1, with what it is about and what can be done. It sets the window's title too. */
export function Head({ title, sub, children }: { title: string; sub?: ReactNode; children?: ReactNode }) {
  useEffect(() => {
    document.title = `${title} · Tutti`;
  }, [title]);
  return (
    <div className="head">
      <h1>{title}</h1>
      {sub !== undefined && <span className="sub">{sub}</span>}
      {children !== undefined && <span className="act">{children}</span>}
    </div>
  );
}

export function Card({ title, sub, act, className = "", children }: { title?: ReactNode; sub?: ReactNode; act?: ReactNode; className?: string; children: ReactNode }) {
  return (
    <section className={`card ${className}`}>
      {title !== undefined && (
        <h2 className="h">
          {title}
          {sub !== undefined && <span className="sub">{sub}</span>}
          {act !== undefined && <span className="act">{act}</span>}
        </h2>
      )}
      {children}
    </section>
  );
}

/** Nothing here: what would appear, a command to copy, and what to do. An empty filter is told apart from no data. */
export function Empty({ children, command, act }: { children: ReactNode; command?: string; act?: ReactNode }) {
  return (
    <div className="empty">
      <p>{children}</p>
      {command && <p className="mt"><code>{command}</code> <CopyButton text={command} what="the command" /></p>}
      {act && <p className="mt">{act}</p>}
    </div>
  );
}

/** Why something cannot be shown, and what to do. */
export function FailureNote({ error, retry }: { error: Failure; retry?: () => void }) {
  const text = `${error.detail} ${error.hint}\n${error.request} → ${error.status} ${error.code}`;
  return (
    <div className="failure" role="alert">
      <p><b>{error.detail}</b> {error.hint}</p>
      <p className="sub small mono">{error.request} → {error.status || "no answer"} {error.code}</p>
      <p className="mt">{retry && <button className="b" type="button" onClick={retry}>Try again</button>} <CopyButton text={text} what="the error" /></p>
    </div>
  );
}

/** Grey bars, only once it has taken 200 ms. */
export function Loading({ rows = 4 }: { rows?: number }) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 200);
    return () => clearTimeout(timer);
  }, []);
  return (
    <div aria-busy="true" className="g">
      <span className="vh">Loading</span>
      {late && Array.from({ length: rows }, (_, row) => <div key={row} className="skeleton" />)}
    </div>
  );
}

/** What was read, or that it is on its way, or why it is not there. A failed repetition leaves the former answer on the page. */
export function Shown<T>({ of, rows, children }: { of: UseQueryResult<T, Failure>; rows?: number; children: (data: T) => ReactNode }) {
  if (of.data !== undefined) return <>{children(of.data)}</>;
  if (of.error) return <FailureNote error={of.error} retry={() => void of.refetch()} />;
  return <Loading {...(rows ? { rows } : {})} />;
}
