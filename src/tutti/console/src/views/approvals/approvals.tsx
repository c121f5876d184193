/** What waits for a person's yes or no: the inbox, and the one that is looked at. Answers are held for ten seconds, then sent. */
import { useEffect, useMemo, useRef } from "react";
import { Link, useLocation, useParams as usePath } from "wouter";
import { useRead } from "../../api/queries.ts";
import { Empty, Head, Loading, Shown } from "../../parts/frame.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { At, Since, ZoneNote } from "../../parts/time.tsx";
import { useKeys } from "../../shell/keys.ts";
import { useWho } from "../../shell/session.ts";
import { useParam } from "../../url/state.ts";
import { count, duration, money, who } from "../../words/format.ts";
import { type Approval, ENDED } from "./approval.ts";
import { Detail } from "./detail.tsx";
import { usePending } from "./pending.ts";
import "./approvals.css";

const STATES = ["open", "answered", "expired", "all"] as const;
const MOST = 200;
const wide = (): boolean => matchMedia("(min-width: 761px)").matches;

/** How long the person who looks took for their answers, the middle one of the last hundred; nothing before there are three. */
function useMyPace(): { ms: number; n: number } | null {
  const me = useWho().id;
  const { data } = useRead<Approval[]>("/approvals", { state: "answered", limit: 100 });
  return useMemo(() => {
    const took = (data ?? []).filter((each) => each.answered_by === me && each.answered_at).map((each) => Date.parse(each.answered_at!) - Date.parse(each.asked_at)).sort((one, other) => one - other);
    return took.length < 3 ? null : { ms: took[Math.floor(took.length / 2)]!, n: took.length };
  }, [data, me]);
}

function Item({ approval, here, query, given }: { approval: Approval; here: boolean; query: string; given: string | undefined }) {
  const { state } = approval;
  return (
    <li>
      <Link href={`/approvals/${encodeURIComponent(approval.id)}${query}`} className="card item" aria-current={here ? "true" : undefined}>
        <StatusTag status={state === "open" ? "human" : state === "rejected" || state === "expired" ? "failed" : "done"}>
          <span className="item-words">{approval.question.replace(/\.$/, "")}</span>
        </StatusTag>
        <span className="sub small item-sub">
          {given ? <b className="running">{given}</b>
            : state === "open" ? <><span className="cut">{approval.reasons[0] ?? approval.skill}</span><span className="nw">{approval.amount !== null && `${money(approval.amount, approval.currency)} · `}<Since at={approval.asked_at} /></span></>
            : <><span className="cut">{ENDED[state] ?? state}{approval.answered_by && ` by ${who(approval.answered_by)}`}</span><At at={approval.answered_at ?? approval.expires_at} /></>}
        </span>
      </Link>
    </li>
  );
}

export default function Approvals() {
  const { id } = usePath<{ id?: string }>();
  const [, go] = useLocation();
  const [state, setState] = useParam("state", "open");
  const query = state === "open" ? "" : `?state=${encodeURIComponent(state)}`;
  const list = useRead<Approval[]>("/approvals", { state, limit: MOST });
  const open = useRead<Approval[]>("/approvals", { state: "open", limit: MOST }).data;
  const one = useRead<Approval>(`/approvals/${encodeURIComponent(id ?? "")}`, {}, { enabled: Boolean(id), keep: false });
  const answers = usePending();
  const pace = useMyPace();
  const rows = list.data ?? [];
  const at = rows.findIndex((row) => row.id === id);

  const to = (approval: Approval | undefined, replace = false) => approval && go(`/approvals/${encodeURIComponent(approval.id)}${query}`, { replace });
  // Where there is room for both, one is looked at: it is named in the address, so that no key answers another when the list moves.
  useEffect(() => {
    if (!id && rows[0] && wide()) to(rows[0], true);
  }, [id, rows[0]?.id]);
  const move = (by: number) => {
    moved.current = false;
    to(rows[Math.min(Math.max(at + by, 0), rows.length - 1)], true);
  };
  useKeys({ j: () => move(1), k: () => move(-1) });
  const moved = useRef(false); // an answer brought the next one here
  const onAnswered = () => {
    moved.current = true;
    const waits = (row: Approval) => row.id !== id && row.state === "open" && !answers.some((answer) => answer.id === row.id);
    const next = rows.slice(at + 1).find(waits) ?? rows.find(waits);
    if (next && wide()) to(next, true);
    else if (!wide()) go(`/approvals${query}`);
  };
  useEffect(() => {
    document.querySelector(".inbox [aria-current]")?.scrollIntoView({ block: "nearest" });
  }, [id]);

  const oldest = open?.[0];
  return (
    <div className={id ? "approvals at-one" : "approvals at-list"}>
      <Head title="Approvals" sub={open ? <>{count(open.length)} waiting{open.length === MOST && " or more"}{oldest && <> · oldest <Since at={oldest.asked_at} /></>}{pace && ` · you answer in ${duration(pace.ms)} (median of your last ${pace.n})`} · <ZoneNote /></> : "…"}>
        <span className="sub small keys-hint"><kbd>j</kbd> <kbd>k</kbd> move · <kbd>a</kbd> approve · <kbd>r</kbd> reject · <kbd>e</kbd> change · <kbd>z</kbd> take back</span>
      </Head>
      <div className="split">
        <div className="inbox">
          <div className="chips" role="group" aria-label="Filter">
            {STATES.map((each) => <button key={each} type="button" className="chip" aria-pressed={state === each} onClick={() => (setState(each, true), id && go(`/approvals${each === "open" ? "" : `?state=${each}`}`))}>{each}{each === "open" && open ? ` ${open.length}` : ""}</button>)}
          </div>
          <Shown of={list} rows={6}>
            {(found) => found.length ? (
              <>
                <ul>{found.map((row) => <Item key={row.id} approval={row} here={row.id === id} query={query} given={answers.find((answer) => answer.id === row.id)?.words} />)}</ul>
                {found.length === MOST && <p className="sub small mt">These are the first {MOST}; more follow when some are answered.</p>}
              </>
            ) : state === "open" ? <Empty>Nothing waits for a person. What an agent may not do alone appears here.</Empty>
              : <Empty act={<button type="button" className="b" onClick={() => setState("open", true)}>Show open ones</button>}>No approval is {state === "all" ? "here yet" : state}.</Empty>}
          </Shown>
        </div>
        <div className="looked-at">
          {id && <p className="back"><Link href={`/approvals${query}`}>← All approvals</Link></p>}
          {id && (one.data ? <Detail approval={one.data} keys take={moved.current} onAnswered={onAnswered} /> : one.error ? <Shown of={one}>{() => null}</Shown> : <Loading rows={8} />)}
          {id && one.data?.state === "open" && one.data.may_answer && <p className="sub mt">After you answer you have 10 s to take it back. Nothing is sent before that.</p>}
        </div>
      </div>
    </div>
  );
}
