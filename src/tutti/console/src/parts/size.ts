/** How wide a box is, so that a picture is drawn in true pixels and its letters keep their size. */
import { type RefObject, useLayoutEffect, useRef, useState } from "react";

export interface Size {
  width: number;
  height: number;
}

export function useSize<E extends Element>(): [RefObject<E | null>, Size] {
  const box = useRef<E>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => {
      const { width, height } = element.getBoundingClientRect();
      setSize((now) => (Math.abs(now.width - width) < 1 && Math.abs(now.height - height) < 1 ? now : { width, height }));
    };
    measure();
    const watcher = new ResizeObserver(measure);
    watcher.observe(element);
    return () => watcher.disconnect();
  }, []);
  return [box, size];
}
