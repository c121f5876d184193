/** The Merkle tree of the journal (RFC 6962), with this browser's own SHA-256: leaves go in by batches, the root can be had at any size. */

export type Bytes = Uint8Array<ArrayBuffer>;

const encoder = new TextEncoder();
const sha256 = async (bytes: Bytes): Promise<Bytes> => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** The hash of a leaf: SHA-256 of a zero byte and the exact text. */
export const leafHash = (content: string): Promise<Bytes> => sha256(encoder.encode(`\0${content}`));

/** The hash of a node over its two children. */
export function nodeHash(left: Bytes, right: Bytes): Promise<Bytes> {
  const both = new Uint8Array(65);
  both[0] = 1;
  both.set(left, 1);
  both.set(right, 33);
  return sha256(both);
}

export const toHex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Bytes of a hexadecimal text; nothing for what is none. */
export function fromHex(text: string): Bytes | null {
  if (text.length % 2 || !/^[0-9a-f]*$/i.test(text)) return null;
  return Uint8Array.from({ length: text.length / 2 }, (_, place) => Number.parseInt(text.slice(2 * place, 2 * place + 2), 16));
}

/** The peaks of the tree so far, one a level: all that is needed to go on and to know the root. */
export class Frontier {
  size = 0;
  private peaks: (Bytes | undefined)[] = [];

  /** Append leaf hashes, in order. The pairs of a level are hashed side by side: asking the browser for one hash at a time is many times slower. */
  async add(leaves: readonly Bytes[]): Promise<void> {
    this.size += leaves.length;
    let nodes: readonly Bytes[] = leaves;
    for (let level = 0; nodes.length; level++) {
      const waiting = this.peaks[level];
      const all = waiting ? [waiting, ...nodes] : nodes;
      this.peaks[level] = all.length % 2 ? all.at(-1) : undefined;
      const pairs: Promise<Bytes>[] = [];
      for (let place = 0; place + 1 < all.length; place += 2) pairs.push(nodeHash(all[place]!, all[place + 1]!));
      nodes = await Promise.all(pairs);
    }
  }

  /** The root over all leaves so far. */
  async root(): Promise<Bytes> {
    let root: Bytes | undefined;
    for (const peak of this.peaks) if (peak) root = root ? await nodeHash(peak, root) : peak;
    return root ?? sha256(new Uint8Array());
  }
}
