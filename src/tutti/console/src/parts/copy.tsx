/** Taking things along: link, JSON, curl, command line. */
import { Menu } from "@base-ui/react/menu";
import { useState } from "react";
import { say } from "../shell/toasts.ts";

export async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(`Copied ${what}.`);
  } catch {
    say(`This browser does not let the page copy. ${text}`);
  }
}

export const CopyButton = ({ text, what, children }: { text: string; what: string; children?: string }) => (
  <button type="button" className="b" onClick={() => void copy(text, what)}>{children ?? "Copy"}</button>
);

/** `markdown` is the same for a ticket. `path` is the API's (`/tasks/t-…`), `command` the same at the command line. The token never leaves: curl names it as $TUTTI_TOKEN. */
export function CopyAs({ path, command, data, markdown }: { path?: string; command?: string; data?: unknown; markdown?: string }) {
  const [open, setOpen] = useState(false);
  const items: [string, string][] = [["link", location.href]];
  if (data !== undefined) items.push(["JSON", JSON.stringify(data, null, 2)]);
  if (path) items.push(["curl", `curl -H "Authorization: Bearer $TUTTI_TOKEN" '${location.origin}/v1${path}'`]);
  if (command) items.push(["command", command]);
  if (markdown) items.push(["Markdown", markdown]);
  return (
    <Menu.Root open={open} onOpenChange={setOpen} modal={false}>
      <Menu.Trigger className="b">Copy as ▾</Menu.Trigger>
      <Menu.Portal>
        <Menu.Positioner sideOffset={4} align="end">
          <Menu.Popup className="popup">
            {items.map(([name, text]) => <Menu.Item key={name} onClick={() => void copy(text, name)}>{name}</Menu.Item>)}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
