/** Instants and spans, in the zone of the header's switch, always with the exact time to be had. */
import { useEffect, useState } from "react";
import { clock, duration, NONE, when, zoneName } from "../words/format.ts";
import { useZone } from "../shell/prefs.ts";

/** An instant: the time, with its day where it is not today's. */
export function At({ at, exact = false }: { at: string | null | undefined; exact?: boolean }) {
  const zone = useZone();
  if (!at) return <>{NONE}</>;
  return <time dateTime={at} title={`${at} (${when(at, "utc")} UTC)`} className="nw">{exact ? clock(at, zone) : when(at, zone)}</time>;
}

/** How long it has been since an instant, moving on by itself. */
export function Since({ at, every = 1_000 }: { at: string | null | undefined; every?: number }) {
  const now = useNow(every);
  if (!at) return <>{NONE}</>;
  return <time dateTime={at} title={at} className="nw">{duration(Math.max(now - Date.parse(at), 0))}</time>;
}

/** This browser's clock, anew every so many milliseconds. */
export function useNow(every: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every);
    return () => clearInterval(timer);
  }, [every]);
  return now;
}

/** The zone that the times on this page are in. */
export function ZoneNote() {
  return <>all times {zoneName(useZone())}</>;
}
