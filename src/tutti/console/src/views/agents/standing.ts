/** Standings as the page shows them: ranks that say ties, the trend's gaps, and where labels of a scatter stand without lying on each other. */

import type { Standing } from "../../api/schema.ts";

export type { Standing };

/** The rank of each: one more than there are agents whose whole interval lies above its own. Those that cannot be told apart share a rank. */
export function ranks(standings: readonly Pick<Standing, "low" | "high">[]): { rank: number; tie: boolean }[] {
  return standings.map((each) => ({
    rank: 1 + standings.filter((other) => other.low > each.high).length,
    tie: standings.some((other) => other !== each && other.low <= each.high && each.low <= other.high),
  }));
}

/** A trend with its gaps: one value for each part of the window, nothing where nothing was judged. */
export function slots(trend: readonly { at: string; quality: number }[], until: number, windowMs: number, parts = 20): (number | null)[] {
  const found: (number | null)[] = Array.from({ length: parts }, () => null);
  const from = until - windowMs, width = windowMs / parts;
  for (const { at, quality } of trend) {
    const place = Math.round((Date.parse(at) - from) / width);
    found[Math.min(Math.max(place, 0), parts - 1)] = quality;
  }
  return found;
}

/** Round borders around values, and steps between them: what an axis shows. */
export function axis(low: number, high: number, steps = 4): { from: number; to: number; ticks: number[] } {
  const room = high > low ? high - low : Math.max(Math.abs(high), 1e-9);
  const rough = room / steps, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 2.5, 5, 10].find((each) => each * power >= rough - 1e-12) ?? 10);
  const from = Math.floor(low / step + 1e-9) * step, to = Math.max(Math.ceil(high / step - 1e-9) * step, from + step);
  return { from, to, ticks: Array.from({ length: Math.round((to - from) / step) + 1 }, (_, k) => Number((from + k * step).toPrecision(12))) };
}

/** Labels at these heights, moved apart downwards so that none lies on another: the new heights, in the same order. */
export function apart(heights: readonly number[], least: number): number[] {
  const order = heights.map((height, place) => ({ height, place })).sort((a, b) => a.height - b.height);
  const found = [...heights];
  let last = -Infinity;
  for (const { height, place } of order) {
    found[place] = Math.max(height, last + least);
    last = found[place]!;
  }
  return found;
}
