/** Answers that can still be taken back, at the foot of every page: what, how long yet, and what became of those that could not be sent. */
import { useNow } from "../../parts/time.tsx";
import { StatusTag } from "../../parts/status.tsx";
import { type Answer, pending, usePending } from "./pending.ts";
import "./strip.css";

function Line({ answer }: { answer: Answer }) {
  const now = useNow(250);
  const left = Math.max(Math.ceil((answer.dueAt - now) / 1000), 0);
  const back = <button type="button" className="b" onClick={() => pending.takeBack(answer.id)}>Take back</button>;
  const again = <button type="button" className="b" onClick={() => void pending.go(answer.id)}>{answer.state === "waiting" ? "Send now" : "Send again"}</button>;
  return (
    <li>
      <span className="pending-words">
        <b>{answer.words}</b> <span className="sub">{answer.question}</span>
        {answer.state === "failed" && <span className="failed"> {answer.failure?.detail} {answer.failure?.hint}</span>}
        {answer.state === "slept" && <span className="failed"> Not sent: this page slept when it should have been. Look again before you send it.</span>}
      </span>
      {answer.state === "waiting" && <span className="sub nw" aria-hidden="true">sent in {left} s</span>}
      {answer.state === "sending" && <StatusTag status="running">sending</StatusTag>}
      {answer.state === "waiting" && <>{back}{again}</>}
      {answer.state === "failed" && (answer.failure?.status === 409 ? <button type="button" className="b" onClick={() => pending.takeBack(answer.id)}>All right</button> : <>{again}{back}</>)}
      {answer.state === "slept" && <>{again}{back}</>}
    </li>
  );
}

export function PendingStrip() {
  const answers = usePending();
  if (!answers.length) return null;
  return (
    <section className="pending" aria-label="Answers that are not sent yet">
      <p className="vh" role="status">{answers.map((answer) => (answer.state === "waiting" ? `${answer.words}: not sent yet, can be taken back for 10 seconds with z.` : answer.state === "sending" ? "" : `${answer.words} was not sent.`)).join(" ")}</p>
      <ul>{answers.map((answer) => <Line key={answer.key} answer={answer} />)}</ul>
    </section>
  );
}
