/** Who looks at the page, and what they may do: what they may not is not offered. */
import { createContext, useContext } from "react";

export interface Who {
  id: string;
  roles: string[];
  departments: string[];
  scopes: string[] | null;
  acts_for: string[];
  workspace: string;
  /** What the fleet counts money in. */
  currency: string | null;
  expires_at: string | null;
  may: Record<string, string[]>;
}

export const Session = createContext<Who | null>(null);

export const useWho = (): Who => {
  const who = useContext(Session);
  if (!who) throw new Error("no session");
  return who;
};

/** Whether they may do `action` (`approvals:answer`) in a department, or in any where none is said. */
export function may(who: Who, action: string, department?: string | null): boolean {
  const where = who.may[action];
  if (!where || where.length === 0) return false;
  return !department || where.includes("*") || where.includes(department);
}

export const useMay = (action: string, department?: string | null): boolean => may(useWho(), action, department);
