/** A table of any length: only the rows in sight are there. The keyboard walks it: j and k or the arrows move, Enter opens. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";

export interface Column<Row> {
  name: string;
  /** A track of a CSS grid: `120px`, `minmax(160px, 2fr)`. */
  width: string;
  cell: (row: Row) => ReactNode;
  num?: boolean;
  title?: (row: Row) => string;
}

interface Props<Row> {
  label: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  id: (row: Row) => string;
  selected: string;
  onSelect: (id: string) => void;
  onOpen: (row: Row) => void;
  /** Called when the last rows come into sight. */
  onEnd?: () => void;
  height?: string;
  rowHeight?: number;
}

export function Grid<Row>({ label, rows, columns, id, selected, onSelect, onOpen, onEnd, height = "calc(100vh - 210px)", rowHeight = 32 }: Props<Row>) {
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => box.current, estimateSize: () => rowHeight, overscan: 8, getItemKey: (place) => id(rows[place]!) });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? 0;
  const tracks: CSSProperties = { gridTemplateColumns: columns.map((column) => column.width).join(" ") };

  useEffect(() => {
    if (onEnd && rows.length && last >= rows.length - 20) onEnd();
  }, [last, rows.length, onEnd]);

  const move = (by: number) => {
    if (!rows.length) return;
    const now = rows.findIndex((row) => id(row) === selected);
    const next = Math.min(Math.max(now + by, 0), rows.length - 1);
    onSelect(id(rows[next]!));
    virtual.scrollToIndex(next, { align: "auto" });
  };
  const onKey = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 15, PageUp: -15, Home: -rows.length, End: rows.length }[event.key];
    if (step !== undefined && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      move(step);
    } else if (event.key === "Enter") {
      const row = rows.find((each) => id(each) === selected);
      if (row) onOpen(row);
    }
  };

  const active = rows.some((row) => id(row) === selected) ? { "aria-activedescendant": `row-${selected}` } : {};
  return (
    <div ref={box} className="vt" style={{ height }} role="grid" aria-label={label} aria-rowcount={rows.length + 1} aria-colcount={columns.length} tabIndex={0} onKeyDown={onKey} {...active}>
      <div role="row" aria-rowindex={1} className="vh-row" style={tracks}>
        {columns.map((column) => <div key={column.name} role="columnheader" className={column.num ? "num" : ""}>{column.name}</div>)}
      </div>
      <div className="body" role="rowgroup" style={{ height: virtual.getTotalSize(), position: "relative" }}>
        {items.map((item) => {
          const row = rows[item.index]!;
          const key = id(row);
          return (
            <div
              key={key} id={`row-${key}`} role="row" aria-rowindex={item.index + 2} aria-selected={key === selected}
              style={{ ...tracks, height: item.size, transform: `translateY(${item.start}px)` }}
              onClick={() => onSelect(key)} onDoubleClick={() => onOpen(row)}
            >
              {columns.map((column) => <div key={column.name} role="gridcell" className={column.num ? "num" : ""} title={column.title?.(row)}>{column.cell(row)}</div>)}
            </div>
          );
        })}
      </div>
    </div>
  );
}
