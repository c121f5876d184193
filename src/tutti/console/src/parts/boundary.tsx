/** Where a page breaks, it alone does: the frame, the other pages and answers that are not sent yet stay. */
import { Component, type ReactNode } from "react";
import { CopyButton } from "./copy.tsx";
import { Head } from "./frame.tsx";

export class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state: { error: Error | null } = { error: null };

  static getDerivedStateFromError(error: unknown): { error: Error } {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    if (!error) return this.props.children;
    const gone = /dynamically imported module|module script/i.test(error.message); // the server has a newer page than this one
    return (
      <>
        <Head title="This page broke" />
        <div className="failure" role="alert">
          <p><b>{gone ? "The server has a newer console than the one that is open here." : "Something in this page went wrong; the others go on."}</b></p>
          <p className="sub small mono wrap">{error.message}</p>
          <p className="mt">
            <button type="button" className="b" onClick={() => window.location.reload()}>Load it again</button>{" "}
            <CopyButton text={`${window.location.pathname}\n${error.stack ?? error.message}`} what="the error" />
          </p>
        </div>
      </>
    );
  }
}
