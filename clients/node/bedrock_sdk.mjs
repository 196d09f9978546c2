// The AWS SDK for JavaScript, with its default HTTP/2 handler on a plain http:// URL.

import assert from "node:assert/strict";
import { BedrockClient, GetFoundationModelCommand, ListFoundationModelsCommand } from "@aws-sdk/client-bedrock";
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  CountTokensCommand,
  InvokeModelCommand,
  InvokeModelWithResponseStreamCommand,
} from "@aws-sdk/client-bedrock-runtime";
import { API_KEY, Arrivals, KEY_PAIR, MODEL, QUESTION, REGION, STORY, TLS_URL, URL, WEATHER, assertWeather, test } from "./suite.mjs";

const settings = { endpoint: URL, region: REGION, credentials: KEY_PAIR, maxAttempts: 1 };
const runtime = new BedrockRuntimeClient(settings);
const control = new BedrockClient(settings);
const WEATHER_TOOL = { toolSpec: { name: "get_weather", description: "The weather.", inputSchema: { json: WEATHER } } };

function ask(text, maxTokens = 24, more = {}) {
  const messages = [{ role: "user", content: [{ text }] }];
  return { modelId: MODEL, messages, inferenceConfig: { maxTokens, temperature: 0 }, ...more };
}

const textOf = (answer) => answer.output.message.content.map((block) => block.text ?? "").join("");

async function gather(stream) {
  const got = { text: "", input: "", stop: undefined, usage: undefined, arrivals: new Arrivals() };
  for await (const event of stream) {
    if (event.contentBlockDelta) {
      got.arrivals.note();
      got.text += event.contentBlockDelta.delta.text ?? "";
      got.input += event.contentBlockDelta.delta.toolUse?.input ?? "";
    }
    got.stop = event.messageStop?.stopReason ?? got.stop;
    got.usage = event.metadata?.usage ?? got.usage;
  }
  return got;
}

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("no refusal");
}

test("converse answers and counts", async () => {
  const answer = await runtime.send(new ConverseCommand(ask(QUESTION)));
  assert(textOf(answer).trim());
  assert.equal(answer.usage.totalTokens, answer.usage.inputTokens + answer.usage.outputTokens);
});

test("a stream flows and says what converse says", async () => {
  const whole = await runtime.send(new ConverseCommand(ask(STORY, 120)));
  const { stream } = await runtime.send(new ConverseStreamCommand(ask(STORY, 120)));
  const got = await gather(stream);
  got.arrivals.assertIncremental();
  assert.equal(got.text, textOf(whole));
  assert.equal(got.stop, whole.stopReason);
  assert.equal(got.usage.outputTokens, whole.usage.outputTokens);
});

test("a forced tool is called with valid input", async () => {
  const toolConfig = { tools: [WEATHER_TOOL], toolChoice: { any: {} } };
  const request = ask("What is the weather in Paris?", 100, { toolConfig });
  const answer = await runtime.send(new ConverseCommand(request));
  assert.equal(answer.stopReason, "tool_use");
  assertWeather(answer.output.message.content.find((block) => block.toolUse).toolUse.input);
  const { stream } = await runtime.send(new ConverseStreamCommand(request));
  assertWeather(JSON.parse((await gather(stream)).input));
});

test("count tokens is what the call costs", async () => {
  const { messages } = ask(QUESTION);
  const counted = await runtime.send(new CountTokensCommand({ modelId: MODEL, input: { converse: { messages } } }));
  const answer = await runtime.send(new ConverseCommand(ask(QUESTION, 1)));
  assert.equal(counted.inputTokens, answer.usage.inputTokens);
});

test("invoke answers and streams", async () => {
  const body = JSON.stringify({
    anthropic_version: "bedrock-2023-05-31",
    max_tokens: 24,
    temperature: 0,
    messages: [{ role: "user", content: QUESTION }],
  });
  const answer = await runtime.send(new InvokeModelCommand({ modelId: MODEL, body, contentType: "application/json" }));
  const whole = JSON.parse(new TextDecoder().decode(answer.body)).content[0].text;
  const streamed = await runtime.send(new InvokeModelWithResponseStreamCommand({ modelId: MODEL, body }));
  let text = "";
  for await (const event of streamed.body) {
    text += JSON.parse(new TextDecoder().decode(event.chunk.bytes)).delta?.text ?? "";
  }
  assert.equal(text, whole);
});

test("models are listed and shown", async () => {
  const { modelSummaries } = await control.send(new ListFoundationModelsCommand({}));
  assert(modelSummaries.some((model) => model.modelId === MODEL));
  const { modelDetails } = await control.send(new GetFoundationModelCommand({ modelIdentifier: MODEL }));
  assert.equal(modelDetails.modelLifecycle.status, "ACTIVE");
});

test("fifty streams at once all end with their usage", async () => {
  const alone = await gather((await runtime.send(new ConverseStreamCommand(ask(QUESTION)))).stream);
  const one = async () => gather((await runtime.send(new ConverseStreamCommand(ask(QUESTION)))).stream);
  for (const got of await Promise.all(Array.from({ length: 50 }, one))) {
    assert.equal(got.text, alone.text);
    assert.deepEqual(got.usage, alone.usage);
  }
});

test("a client that goes away harms nobody", async () => {
  for (let round = 0; round < 3; round += 1) {
    const abort = new AbortController();
    const { stream } = await runtime.send(new ConverseStreamCommand(ask(STORY, 400)), { abortSignal: abort.signal });
    let count = 0;
    try {
      for await (const _ of stream) if ((count += 1) > 3) abort.abort();
    } catch {
      // An aborted stream may end in an error, or just end.
    }
  }
  assert(textOf(await runtime.send(new ConverseCommand(ask(QUESTION)))).trim());
});

test("refusals are bedrocks", async () => {
  const unknown = await refused(runtime.send(new ConverseCommand({ ...ask(QUESTION), modelId: "no.such-model-v1:0" })));
  assert.deepEqual([unknown.name, unknown.message], ["ValidationException", "The provided model identifier is invalid."]);
  const long = await refused(runtime.send(new ConverseStreamCommand(ask("word ".repeat(20_000)))));
  assert.match(long.message, /Input is too long for requested model/);
  const wrong = { ...KEY_PAIR, secretAccessKey: "x".repeat(40) };
  const stranger = new BedrockRuntimeClient({ ...settings, credentials: wrong });
  assert.equal((await refused(stranger.send(new ConverseCommand(ask(QUESTION))))).name, "InvalidSignatureException");
});

test("a clock that is wrong is corrected", async () => {
  const late = new BedrockRuntimeClient({ ...settings, maxAttempts: 2, systemClockOffset: -20 * 60 * 1000 });
  assert(textOf(await late.send(new ConverseCommand(ask(QUESTION)))).trim());
});

test("a bearer key works over tls", async () => {
  // NODE_EXTRA_CA_CERTS names the data folder's tls/ca.pem.
  const bearer = new BedrockRuntimeClient({ endpoint: TLS_URL, region: REGION, token: { token: API_KEY }, maxAttempts: 1, authSchemePreference: ["httpBearerAuth"] });
  assert(textOf(await bearer.send(new ConverseCommand(ask(QUESTION)))).trim());
  const { stream } = await bearer.send(new ConverseStreamCommand(ask(QUESTION)));
  assert((await gather(stream)).text.trim());
});

test("any path prefix is kept", async () => {
  const prefixed = new BedrockRuntimeClient({ ...settings, endpoint: `${URL}/some/prefix` });
  assert(textOf(await prefixed.send(new ConverseCommand(ask(QUESTION)))).trim());
});
