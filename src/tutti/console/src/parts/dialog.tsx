/** A dialog that takes the keyboard while it is open, closes with Escape and gives the focus back. */
import { Dialog as Base } from "@base-ui/react/dialog";
import type { ReactNode } from "react";

export function Dialog({ open, onClose, title, description, className = "", children }: { open: boolean; onClose: () => void; title: string; description?: ReactNode; className?: string; children: ReactNode }) {
  return (
    <Base.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Base.Portal>
        <Base.Backdrop className="shade" />
        <Base.Popup className={`dialog ${className}`}>
          <Base.Title className={className.includes("palette") ? "vh" : ""}>{title}</Base.Title>
          {description !== undefined && <Base.Description className="sub">{description}</Base.Description>}
          {children}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}
