/** Ctrl K: any id, any place, and what can be done from anywhere. */
import { type KeyboardEvent, useEffect, useId, useState } from "react";
import { useLocation } from "wouter";
import { useRead } from "../api/queries.ts";
import { Dialog } from "../parts/dialog.tsx";
import { copy } from "../parts/copy.tsx";
import { pathOf } from "../parts/text.tsx";
import { short } from "../words/format.ts";
import { ALL } from "./places.ts";
import { may, useWho } from "./session.ts";

interface Found {
  kind: string;
  id: string;
  title: string;
  detail: string;
  state: string | null;
}

interface Item {
  key: string;
  title: string;
  detail: string;
  run: () => void;
}

/** The page of something that search found. */
export function pageOf({ kind, id }: Found): string | null {
  if (kind === "agent") return `/agents/${encodeURIComponent(id)}`;
  if (kind === "skill") return `/agents?skill=${encodeURIComponent(id)}`;
  if (kind === "negotiation") return `/negotiations/${encodeURIComponent(id)}`;
  if (kind === "fact") return `/audit?at=${encodeURIComponent(id)}`;
  return pathOf(id);
}

export function Palette({ open, onClose, onHelp, onTheme, onLeave }: { open: boolean; onClose: () => void; onHelp: () => void; onTheme: () => void; onLeave: () => void }) {
  const who = useWho();
  const [, go] = useLocation();
  const [text, setText] = useState("");
  const [asked, setAsked] = useState("");
  const [place, setPlace] = useState(0);
  const list = useId();
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), 120);
    return () => clearTimeout(timer);
  }, [text]);
  useEffect(() => {
    if (open) setText("");
  }, [open]);
  const { data: found, isFetching } = useRead<Found[]>("/search", { q: asked, limit: 12 }, { enabled: open && asked.length >= 2, keep: false });

  const wanted = text.trim().toLowerCase();
  const items: Item[] = [];
  const places = ALL.filter((each) => (!each.needs || may(who, each.needs)) && each.name.toLowerCase().includes(wanted)).map((each): Item => ({ key: each.path, title: each.name, detail: each.key ? `g ${each.key}` : "page", run: () => go(each.path) }));
  items.push(...places.filter((each) => each.title.toLowerCase().startsWith(wanted)));
  if (asked.length >= 2 && asked === text.trim()) for (const each of found ?? []) { // what was found for other words is gone with them
    const path = pageOf(each);
    if (path) items.push({ key: `${each.kind} ${each.id}`, title: each.title, detail: `${each.kind} ${short(each.id)}${each.state ? `, ${each.state}` : ""} ${each.detail}`, run: () => go(path) });
  }
  items.push(...places.filter((each) => !each.title.toLowerCase().startsWith(wanted)));
  for (const [name, run, detail] of [["Light or dark", onTheme, "."], ["Copy link to this page", () => void copy(location.href, "the link"), ""], ["All keys", onHelp, "?"], ["Log out", onLeave, who.id]] as const)
    if (name.toLowerCase().includes(wanted)) items.push({ key: name, title: name, detail, run });
  const at = Math.min(place, Math.max(items.length - 1, 0));

  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      setPlace(Math.min(Math.max(at + step, 0), items.length - 1));
    } else if (event.key === "Enter" && items[at]) {
      event.preventDefault();
      onClose();
      items[at].run();
    }
  };
  return (
    <Dialog open={open} onClose={onClose} title="Search or jump to" className="palette">
      <input
        autoFocus value={text} placeholder="A page, an agent, or any id: task, approval, signal, trace, audit number" role="combobox" aria-label="Search or jump to" aria-expanded="true" aria-controls={list} aria-autocomplete="list"
        aria-activedescendant={items[at] ? `${list}-${at}` : undefined} onChange={(event) => (setText(event.target.value), setPlace(0))} onKeyDown={onKey}
      />
      <ul id={list} role="listbox" aria-label="Found">
        {items.map((item, number) => (
          <li key={item.key} id={`${list}-${number}`} role="option" aria-selected={number === at} onMouseMove={() => setPlace(number)} onClick={() => (onClose(), item.run())}>
            <span className="cut">{item.title}</span><span className="sub small cut">{item.detail}</span>
          </li>
        ))}
      </ul>
      {!items.length && <p className="empty" role="status">{isFetching ? "Looking…" : `Nothing here is called ${text.trim()}, or not for you.`}</p>}
    </Dialog>
  );
}
