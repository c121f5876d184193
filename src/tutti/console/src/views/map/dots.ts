/** Dots that travel along lines: one for each hop, at most twelve at once; beyond that the lines' width tells the rate. */

const SVG = "http://www.w3.org/2000/svg";
const TRAVEL_MS = 600;
export const AT_ONCE = 12;

interface Dot {
  circle: SVGCircleElement;
  path: SVGPathElement;
  length: number;
  since: number;
}

export class Dots {
  private dots: Dot[] = [];
  private frame = 0;

  constructor(private readonly layer: SVGGElement, private readonly still: () => boolean) {}

  /** Let a dot travel along a line; whether there was room for it. */
  send(path: SVGPathElement): boolean {
    if (this.still() || this.dots.length >= AT_ONCE) return false;
    const circle = document.createElementNS(SVG, "circle");
    circle.setAttribute("r", "4");
    circle.setAttribute("class", "dot");
    this.layer.append(circle);
    this.dots.push({ circle, path, length: path.getTotalLength(), since: performance.now() });
    this.frame ||= requestAnimationFrame(this.step);
    return true;
  }

  clear(): void {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    for (const dot of this.dots) dot.circle.remove();
    this.dots = [];
  }

  private step = (now: number): void => {
    this.dots = this.dots.filter((dot) => {
      const share = (now - dot.since) / TRAVEL_MS;
      if (share >= 1 || !dot.path.isConnected) {
        dot.circle.remove();
        return false;
      }
      const { x, y } = dot.path.getPointAtLength(Math.max(share, 0) * dot.length);
      dot.circle.setAttribute("cx", String(x));
      dot.circle.setAttribute("cy", String(y));
      return true;
    });
    this.frame = this.dots.length ? requestAnimationFrame(this.step) : 0;
  };
}
