/** Where the chain stands, and the check of all of it in this browser. */
import type { ReactNode } from "react";
import { useRead } from "../../api/queries.ts";
import type { Head, SignedHead } from "../../api/schema.ts";
import { copy } from "../../parts/copy.tsx";
import { Card } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { At } from "../../parts/time.tsx";
import { count, duration, hash, plural } from "../../words/format.ts";
import type { Status } from "../../words/status.ts";
import { able, start, stop, useChecking } from "./checking.ts";
import type { Report } from "./verify.ts";

function Held({ report }: { report: Report }) {
  const { remembered } = report;
  return (
    <>
      {report.ok && <span>every hash recomputed here in <b>{duration(report.ms)}</b>, {count((1000 * report.facts) / Math.max(report.ms, 1))} records/s</span>}
      <span>root <b className="mono" title={report.root}>{hash(report.root)}</b></span>
      {report.heads > 0 && <span>{plural(report.heads, "signed head")} {report.heads === 1 ? "fits" : "fit"}, newest <b>#{count(report.signedSeq)}</b></span>}
      {report.key && <span>{report.signatures ? "signatures hold by key" : "signatures not checked (this browser has no Ed25519), key"} <b className="mono" title={report.key}>{hash(report.key)}</b></span>}
      {remembered && <span>the head that this browser saw before (<b>#{count(remembered.seq)}</b>, <At at={remembered.at} />) still fits</span>}
      {report.givenUp && <span>the head that this browser saw before was given up by a restore, which the journal states</span>}
      {report.ok && <span>no gaps</span>}
    </>
  );
}

/** The newest head that the journal has signed. */
function useSigned(): SignedHead | undefined {
  return useRead<SignedHead[]>("/journal/heads", { before: Number.MAX_SAFE_INTEGER, limit: 1 }, { every: 10_000 }).data?.[0];
}

/** The card at the top: the head as the server says it, then what this browser has found. */
export function Chain({ head }: { head: Head | undefined }) {
  const signed = useSigned();
  const { state, progress, report, failure, at } = useChecking();
  const done = report?.ok ?? false;
  const said: [Status, ReactNode] =
    state === "running" ? ["running", progress ? `Checking: ${count(progress.done)} of ${count(progress.total)} records` : "Checking: reading the signed heads"]
    : state === "failed" ? ["failed", "The check could not be made"]
    : report ? (done ? ["done", `Verified to #${count(report.facts)}`] : ["failed", report.firstBad !== null ? `Record #${count(report.firstBad)} does not hold` : "The record does not hold"])
    : ["queued", head ? `${count(head.seq)} records, not checked in this browser yet` : "…"];
  return (
    <Card className={state === "done" && !done ? "chain bad" : "chain"}>
      <div className="chain-line">
        <div role="status" className="say chain-say"><StatusTag status={said[0]}>{said[1]}</StatusTag></div>
        {state === "running" ? <button type="button" className="b" onClick={stop}>Stop</button> : (
          <button type="button" className="b p" onClick={start} disabled={!able()}>{report ? "Verify again" : "Verify in this browser"}</button>
        )}
      </div>
      {state === "running" && progress && (
        <p className="mt">
          <progress max={progress.total} value={progress.done} aria-label="Records checked" /> <span className="sub small">{count(progress.perSecond)} records/s</span>
        </p>
      )}
      {report?.wrong && <p className="mt wrong"><b>{report.wrong[0]!.toUpperCase() + report.wrong.slice(1)}.</b> {report.firstBad !== null && report.firstBad > 1 && `The ${count(report.firstBad - 1)} before it hold.`}</p>}
      {failure && <p className="mt wrong">{failure}</p>}
      {!able() && <p className="mt">This browser computes hashes only for pages on https or localhost. The commands below do it without a browser.</p>}
      <div className="facts mt">
        {report && <Held report={report} />}
        {at && <span>checked <b><At at={at} /></b></span>}
        {!report && head && <><span>head <b className="mono" title={head.root}>{hash(head.root)}</b></span><span>last record <b><At at={head.at} /></b></span></>}
        {!report && signed && <><span>newest signed head <b>#{count(signed.seq)}</b>, <At at={signed.at} /></span><span>key <b className="mono" title={signed.key}>{hash(signed.key)}</b></span></>}
      </div>
    </Card>
  );
}

/** How to check it where this server has no say. */
export function Alone({ head }: { head: Head | undefined }) {
  const command = `tutti audit export audit && tutti audit verify audit${head ? ` --head ${head.seq}:${head.root}` : ""}`;
  return (
    <p className="sub small mt alone">
      Check it yourself, without this server: <code className="mono">{command}</code>{" "}
      <button type="button" className="b" onClick={() => void copy(command, "the command")}>Copy</button>
    </p>
  );
}
