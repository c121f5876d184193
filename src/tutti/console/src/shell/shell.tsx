/** The frame around every page: search, connection, zone and theme, the side bar, and the keys that work everywhere. */
import { type ReactNode, useEffect, useState, useSyncExternalStore } from "react";
import { Link, useLocation } from "wouter";
import { remove } from "../api/client.ts";
import { cache, useRead } from "../api/queries.ts";
import { keepFresh } from "../live/refresh.ts";
import { type Standing, stream } from "../live/stream.ts";
import { clock, duration, who as nameOf, zoneName } from "../words/format.ts";
import { Boundary } from "../parts/boundary.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { pending } from "../views/approvals/pending.ts";
import { PendingStrip } from "../views/approvals/strip.tsx";
import { StatusTag } from "../parts/status.tsx";
import { useNow } from "../parts/time.tsx";
import { HELP, useKeys } from "./keys.ts";
import { Palette } from "./palette.tsx";
import { ALL, PLACES } from "./places.ts";
import { prefer, theme, usePrefs } from "./prefs.ts";
import { may, useWho } from "./session.ts";
import { say, unsay, useToast } from "./toasts.ts";

const LOGO = <svg width="20" height="20" viewBox="0 0 20 20" aria-hidden="true"><g stroke="var(--accent)" strokeWidth="2.4" strokeLinecap="round"><path d="M3 7v6M7.600 3v14M12.300 6v8M17 8.500v3" /></g></svg>;

export const useStanding = (): Standing => useSyncExternalStore(stream.watch, stream.now);

/** "Live, 0.2 s behind", or since when it is not. */
function Connection() {
  const { connection, behind, asOf } = useStanding();
  const { zone } = usePrefs();
  useNow(1_000);
  const as = asOf ? clock(asOf, zone).slice(0, 8) : "never";
  if (connection === "live") return <StatusTag status="done">{behind === null ? "Live" : `Live, ${(behind / 1000).toFixed(1)} s behind`}</StatusTag>;
  if (connection === "paused") return <button type="button" className="plain" onClick={() => stream.start()}><StatusTag status="queued">Paused at {as}, go on</StatusTag></button>;
  if (connection === "connecting") return <StatusTag status="queued">Connecting</StatusTag>;
  return <StatusTag status="failed">Reconnecting, data as of {as}</StatusTag>;
}

function LostBanner() {
  const { connection, asOf } = useStanding();
  const { zone } = usePrefs();
  const now = useNow(1_000);
  if (connection !== "lost") return null;
  return (
    <div className="banner" role="alert">
      <StatusTag status="failed">The server does not answer</StatusTag>
      <span>What you see is as of {asOf ? `${clock(asOf, zone)} (${duration(now - asOf)} ago)` : "the page's opening"}. It goes on by itself when the server is back.</span>
      <button type="button" className="b" onClick={() => (stream.stop("lost"), stream.start())}>Try now</button>
    </div>
  );
}

interface Attention {
  kind: string;
}

function Badges() {
  const who = useWho();
  const { data } = useRead<Attention[]>("/attention", {}, { enabled: may(who, "measures:read"), every: 15_000 });
  return { approvals: data?.filter((each) => each.kind === "approval").length ?? 0, negotiations: data?.filter((each) => each.kind === "negotiation").length ?? 0, conflicts: data?.filter((each) => each.kind === "conflict").length ?? 0 };
}

function Nav({ open, onGo }: { open: boolean; onGo: () => void }) {
  const who = useWho();
  const [location] = useLocation();
  const badges = Badges();
  return (
    <nav aria-label="Main" className="nav" data-open={open}>
      {PLACES.map(([group, places]) => {
        const shown = places.filter((place) => !place.needs || may(who, place.needs));
        if (!shown.length) return null;
        return (
          <div key={group}>
            <p className="gh">{group}</p>
            {shown.map((place) => {
              const here = place.path === "/" ? location === "/" : location.startsWith(place.path) || (place.path === "/tasks" && location.startsWith("/why"));
              const n = place.badge ? badges[place.badge] : 0;
              return (
                <Link key={place.path} href={place.path} aria-current={here ? "page" : undefined} onClick={onGo}>
                  {place.name}
                  {n > 0 && <span className="n">{n}<span className="vh"> waiting</span></span>}
                </Link>
              );
            })}
          </div>
        );
      })}
    </nav>
  );
}

export function Shell({ children }: { children: ReactNode }) {
  const who = useWho();
  const [location, go] = useLocation();
  const { zone } = usePrefs();
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const [menu, setMenu] = useState(false);
  const toast = useToast();

  useEffect(() => {
    stream.start();
    const stop = keepFresh(stream);
    return () => {
      stop();
      stream.stop();
    };
  }, []);
  useEffect(() => {
    document.getElementById("main")?.scrollTo(0, 0); // in newer browsers it gives a promise: an effect must not return that
  }, [location]);

  const flip = () => prefer({ theme: theme() === "dark" ? "light" : "dark" });
  useKeys({
    z: () => {
      const last = pending.all().findLast((answer) => answer.state === "waiting");
      if (last && pending.takeBack(last.id)) say(`Taken back: ${last.words}. Nothing was sent.`);
    },
    "ctrl+k": () => setPalette(true), "/": () => setPalette(true), "?": () => setHelp(true), ".": flip,
    ...Object.fromEntries(ALL.filter((place) => place.key && (!place.needs || may(who, place.needs))).map((place) => [`g ${place.key}`, () => go(place.path)])),
  });

  const leave = async () => {
    const held = pending.all().length;
    if (held) return say(`${held === 1 ? "An answer is" : `${held} answers are`} not sent yet: send or take back first.`);
    await remove("/session").catch(() => undefined);
    cache.clear();
    window.location.assign("/console/");
  };

  return (
    <div className="frame" style={{ gridTemplateRows: "48px auto 1fr" }}>
      <header className="top">
        <a className="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")?.focus())}>Skip to content</a>
        <button type="button" className="b menu-button" aria-expanded={menu} aria-label="Menu" onClick={() => setMenu(!menu)}>☰</button>
        <Link href="/" className="logo" aria-label="Tutti, overview">{LOGO}<span>Tutti</span></Link>
        <button type="button" className="search" onClick={() => setPalette(true)}><span className="cut">Search or jump to…</span> <kbd>Ctrl K</kbd></button>
        <span className="right">
          <Connection />
          <button type="button" className="plain wide" title="Times in UTC or in this browser's zone" onClick={() => prefer({ zone: zone === "utc" ? "local" : "utc" })}>{zoneName(zone)}</button>
          <button type="button" className="plain wide" onClick={flip} aria-label="Light or dark">◐</button>
          <span className="wide">{who.workspace}</span>
          <button type="button" className="plain wide" title={`${who.id} (${who.roles.join(", ")}). Click to log out.`} onClick={() => void leave()}>{nameOf(who.id)}<span className="vh">, log out</span></button>
        </span>
      </header>
      <div style={{ gridColumn: "1/-1" }}><LostBanner /></div>
      <Nav open={menu} onGo={() => setMenu(false)} />
      <main id="main" tabIndex={-1}><Boundary key={location.split("/")[1]}>{children}</Boundary></main>
      <Palette open={palette} onClose={() => setPalette(false)} onHelp={() => setHelp(true)} onTheme={flip} onLeave={() => void leave()} />
      <Dialog open={help} onClose={() => setHelp(false)} title="Keys">
        <table><tbody>{HELP.map(([keys, does]) => <tr key={keys}><td className="nw"><kbd>{keys}</kbd></td><td>{does}</td></tr>)}</tbody></table>
        <p className="mt"><label><input type="checkbox" checked={usePrefs().letters} onChange={(event) => prefer({ letters: event.target.checked })} /> Keys of a single letter are on</label></p>
      </Dialog>
      <PendingStrip />
      {toast && <div className="toast" role="status"><span>{toast.text}</span>{toast.act && <button type="button" className="b" onClick={() => (toast.act?.run(), unsay())}>{toast.act.name}</button>}</div>}
    </div>
  );
}
