/** A state: always glyph, word and colour together. */
import type { ReactNode } from "react";
import { type Status, WORDS } from "../words/status.ts";

const GLYPHS: Record<Status, ReactNode> = {
  queued: <circle cx="6" cy="6" r="4.5" fill="none" stroke="currentColor" strokeWidth="1.5" strokeDasharray="2 2" />,
  running: <path d="M3 1.5 10.5 6 3 10.500z" fill="currentColor" />,
  waiting: <path d="M2.5 1.500h7L6 6l3.500 4.500h-7L6 6z" fill="currentColor" />,
  human: <><circle cx="6" cy="3.4" r="2.4" fill="currentColor" /><path d="M1.500 11a4.500 4.500 0 0 1 9 0z" fill="currentColor" /></>,
  done: <path d="m1.500 6.500 3 3 6-7" fill="none" stroke="currentColor" strokeWidth="2" />,
  failed: <path d="m2 2 8 8m0-8-8 8" stroke="currentColor" strokeWidth="2" />,
};

/** The glyph alone, for places inside an SVG; it takes the colour of its surroundings. */
export const Glyph = ({ status }: { status: Status }) => <>{GLYPHS[status]}</>;

export const StatusTag = ({ status, children }: { status: Status; children?: ReactNode }) => (
  <span className={`st ${status}`}>
    <svg viewBox="0 0 12 12" aria-hidden="true">{GLYPHS[status]}</svg>
    {children ?? WORDS[status]}
  </span>
);
