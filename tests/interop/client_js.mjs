// The A2A JavaScript SDK against a running fleet: send, stream, get, a conversation, an unknown task. Exit code 0: all as it must be.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import {
  ClientFactory, ClientFactoryOptions, DefaultAgentCardResolver, JsonRpcTransportFactory, RestTransportFactory, createAuthenticatingFetchWithRetry,
} from "@a2a-js/sdk/client";

const [url, token] = [process.env.INTEROP_URL, process.env.INTEROP_TOKEN];
const COMPLETED = 3, INPUT_REQUIRED = 6;
const authorized = createAuthenticatingFetchWithRetry(fetch, {
  headers: async () => ({ Authorization: `Bearer ${token}` }),
  shouldRetryWithHeaders: async () => undefined,
});

function request(text, more = {}) {
  const part = { content: { $case: "text", value: text }, metadata: undefined, filename: "", mediaType: "text/plain" };
  const message = { messageId: randomUUID(), contextId: "", taskId: "", role: 1, parts: [part], metadata: undefined, extensions: [], referenceTaskIds: [], ...more };
  return { tenant: "", message, configuration: undefined, metadata: undefined };
}

const words = (parts) => parts.map((part) => part.content.value).join("");

for (const [name, transport] of [["JSON-RPC", new JsonRpcTransportFactory({ fetchImpl: authorized })], ["HTTP+JSON", new RestTransportFactory({ fetchImpl: authorized })]]) {
  const options = ClientFactoryOptions.createFrom(ClientFactoryOptions.default, {
    transports: [transport],
    preferredTransports: [transport.protocolName],
    cardResolver: new DefaultAgentCardResolver({ fetchImpl: authorized }),
  });
  const factory = new ClientFactory(options);
  const parrot = await factory.createFromUrl(`${url}/agents/parrot/.well-known/agent-card.json`, "");
  const clerk = await factory.createFromUrl(`${url}/agents/clerk/.well-known/agent-card.json`, "");

  const sent = await parrot.sendMessage(request("hello"));
  assert.equal(sent.status.state, COMPLETED);
  assert.equal(words(sent.artifacts[0].parts), "You said: hello");
  const got = await parrot.getTask({ tenant: "", id: sent.id, historyLength: undefined });
  assert.equal(got.contextId, sent.contextId);

  const kinds = [];
  for await (const event of parrot.sendMessageStream(request("again"))) kinds.push(event.payload.$case);
  assert.deepEqual(kinds, ["task", "artifactUpdate", "statusUpdate"]);

  const asked = await clerk.sendMessage(request("a refund"));
  assert.equal(asked.status.state, INPUT_REQUIRED);
  assert.equal(words(asked.status.message.parts), "Which account?");
  const done = await clerk.sendMessage(request("42", { taskId: asked.id }));
  assert.equal(words(done.artifacts[0].parts), "a refund, for account 42");

  await assert.rejects(parrot.getTask({ tenant: "", id: "t-none", historyLength: undefined }), /no task|not found/i);
  console.log(`  ${name}: send, stream, get, conversation, unknown task`);
}
const stranger = await new ClientFactory().createFromUrl(`${url}/agents/parrot/.well-known/agent-card.json`, "");
await assert.rejects(stranger.sendMessage(request("hello")));
console.log("  without a token: turned away");
