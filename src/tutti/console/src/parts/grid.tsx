/** A table of any length: only the rows in sight are there. The keyboard walks it: j and k or the arrows move, Enter opens. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type CSSProperties, type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";

export interface Column<Row> {
  name: string;
  /** A track of a CSS grid: `120px`, `minmax(160px, 2fr)`. */
  width: string;
  cell: (row: Row) => ReactNode;
  num?: boolean;
  /** What the column sorts by, where it can: numbers and texts; nothing stands last. */
  by?: (row: Row) => number | string | null | undefined;
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
  /** The column that the rows are sorted by, `-` before it for downwards; and how it is changed. */
  sort?: string;
  onSort?: (sort: string) => void;
  /** Called when the last rows come into sight. */
  onEnd?: () => void;
  height?: string;
  rowHeight?: number;
}

/** Rows in the order of a column; without one, as they come. */
export function sorted<Row>(rows: readonly Row[], columns: readonly Column<Row>[], sort: string): readonly Row[] {
  const by = columns.find((column) => column.name === sort.replace(/^-/, ""))?.by;
  if (!by) return rows;
  const turn = sort.startsWith("-") ? -1 : 1;
  return rows.map((row) => [by(row) ?? null, row] as const).sort(([a], [b]) => {
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    return turn * (typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0);
  }).map(([, row]) => row);
}

export function Grid<Row>({ label, rows, columns, id, selected, onSelect, onOpen, sort = "", onSort, onEnd, height = "calc(100vh - 210px)", rowHeight = 32 }: Props<Row>) {
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
    } else if (event.key === "Enter" && event.target === box.current) {
      const row = rows.find((each) => id(each) === selected);
      if (row) onOpen(row);
    }
  };

  const active = rows.some((row) => id(row) === selected) ? { "aria-activedescendant": `row-${selected}` } : {};
  return (
    <div ref={box} className="vt" style={{ height }} role="grid" aria-label={label} aria-rowcount={rows.length + 1} aria-colcount={columns.length} tabIndex={0} onKeyDown={onKey} {...active}>
      <div role="row" aria-rowindex={1} className="vh-row" style={tracks}>
        {columns.map((column) => {
          const way = sort === column.name ? "ascending" : sort === `-${column.name}` ? "descending" : null;
          return (
            <div key={column.name} role="columnheader" className={column.num ? "num" : ""} {...(way ? { "aria-sort": way } : {})}>
              {column.by && onSort ? <button type="button" className="sorts" onClick={() => onSort(way === "descending" ? column.name : way === "ascending" ? "" : `-${column.name}`)}>{column.name}<span aria-hidden="true">{way === "ascending" ? " ↑" : way === "descending" ? " ↓" : ""}</span></button> : column.name}
            </div>
          );
        })}
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
