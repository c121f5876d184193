/** What others wrote (tickets, agents' output, names): text and nothing but text. No markup in it is ever read, no address in it followed. */
import { Fragment, type ReactNode, useState } from "react";
import { Link } from "wouter";
import { short } from "../words/format.ts";

/** Some JSON of anybody's, as text. Long ones are cut with their length said. */
export function Json({ value, most = 20_000 }: { value: unknown; most?: number }) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? "nothing";
  return <pre tabIndex={0}>{text.length > most ? `${text.slice(0, most)}\n… ${(text.length - most).toLocaleString("en-GB")} more characters` : text}</pre>;
}

/** Some JSON behind a line that opens it: it is written only then, since there may be many and they may be long. */
export function JsonBehind({ value, children, note }: { value: unknown; children: ReactNode; note?: ReactNode }) {
  const [open, setOpen] = useState(false);
  return (
    <details onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{children}</summary>
      {open && <>{note}<Json value={value} /></>}
    </details>
  );
}

/** Where an id leads to, by what it begins with. */
export function pathOf(id: string): string | null {
  if (/^#?\d+$/.test(id)) return `/audit?at=${id.replace("#", "")}`;
  const kind = id.slice(0, 2);
  if (kind === "t-") return `/tasks/${encodeURIComponent(id)}`;
  if (kind === "s-") return `/signals/${encodeURIComponent(id)}`;
  if (kind === "a-") return `/approvals/${encodeURIComponent(id)}`;
  if (kind === "c-") return `/conflicts/${encodeURIComponent(id)}`;
  return null;
}

/** An id as a link to its page, short, with all of it in the title. */
export function Id({ id, children }: { id: string; children?: string }) {
  const path = pathOf(id);
  const text = children ?? short(id);
  return path ? <Link href={path} title={id} className="mono nw">{text}</Link> : <span className="mono nw" title={id}>{text}</span>;
}

const IDS = /\b[tsac]-[0-9A-Z]{26}\b/g;

/** A sentence of the record in which ids lead to their pages, and one name stands out. */
export function Sentence({ text, strong }: { text: string; strong?: string | null | undefined }) {
  const found: ReactNode[] = [];
  let last = 0;
  const plain = (piece: string, key: string) => (strong && piece.includes(strong) ? piece.split(strong).map((each, place) => <Fragment key={`${key}/${place}`}>{place > 0 && <b>{strong}</b>}{each}</Fragment>) : piece);
  for (const match of text.matchAll(IDS)) {
    found.push(plain(text.slice(last, match.index), String(last)), <Id key={match.index} id={match[0]} />);
    last = match.index + match[0].length;
  }
  found.push(plain(text.slice(last), "end"));
  return <>{found}</>;
}
