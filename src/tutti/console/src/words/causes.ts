/** Why tasks wait, in words. */

export const CAUSES: Record<string, { words: string; means: string }> = {
  queue: { words: "queue", means: "ready, and no agent had a free place" },
  person: { words: "a person", means: "an approval that nobody had answered yet" },
  lease: { words: "a lease", means: "another task held what it wanted to touch" },
  retry: { words: "a retry", means: "an attempt had failed, and the next one was not due" },
  join: { words: "other tasks", means: "it went on only when what it had started was done" },
  question: { words: "an answer", means: "an agent had asked a question" },
};

export const causeWords = (cause: string): string => CAUSES[cause]?.words ?? cause;
