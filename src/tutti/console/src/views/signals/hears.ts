/** Whether a subscription's pattern takes a type: an exact type, a prefix that ends in `.*`, or `*` for all. */
export const hears = (pattern: string, type: string): boolean => (pattern.endsWith("*") ? type.startsWith(pattern.slice(0, -1)) : pattern === type);
