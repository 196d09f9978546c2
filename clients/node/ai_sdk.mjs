// Vercel's AI SDK with its Amazon Bedrock provider: fetch, and either kind of key.

import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import { createAmazonBedrock } from "@ai-sdk/amazon-bedrock";
import { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { API_KEY, Arrivals, KEY_PAIR, MODEL, QUESTION, REGION, STORY, URL, WEATHER, assertWeather, test } from "./suite.mjs";

// Node 18 has it and does not offer it; the provider signs with it.
globalThis.crypto ??= webcrypto;

const byKey = createAmazonBedrock({ baseURL: URL, region: REGION, apiKey: API_KEY });
const bySignature = createAmazonBedrock({ baseURL: URL, region: REGION, ...KEY_PAIR });
const settings = { model: byKey(MODEL), maxOutputTokens: 24, temperature: 0, maxRetries: 0 };
const weather = tool({ description: "The weather.", inputSchema: jsonSchema(WEATHER) });

test("text is generated with either kind of key", async () => {
  for (const bedrock of [byKey, bySignature]) {
    const { text, usage } = await generateText({ ...settings, model: bedrock(MODEL), prompt: QUESTION });
    assert(text.trim());
    assert(usage.inputTokens > 0 && usage.outputTokens > 0);
  }
});

test("text streams as it is made", async () => {
  const arrivals = new Arrivals();
  const result = streamText({ ...settings, maxOutputTokens: 120, prompt: STORY });
  for await (const _ of result.textStream) arrivals.note();
  arrivals.assertIncremental();
  assert((await result.usage).outputTokens > 0);
});

test("a forced tool is called with valid input", async () => {
  for (const toolChoice of ["required", { type: "tool", toolName: "weather" }]) {
    const request = { ...settings, maxOutputTokens: 100, prompt: "What is the weather in Paris?", tools: { weather }, toolChoice };
    const { toolCalls } = await generateText(request);
    assertWeather(toolCalls[0].input);
    const streamed = await streamText(request).toolCalls;
    assertWeather(streamed[0].input);
  }
});

test("a tools result is taken", async () => {
  const told = tool({ description: "The weather.", inputSchema: jsonSchema(WEATHER), execute: async () => ({ degrees: 21 }) });
  const { steps } = await generateText({
    ...settings,
    maxOutputTokens: 100,
    prompt: "What is the weather in Paris?",
    tools: { told },
    prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "auto" }),
    stopWhen: stepCountIs(2),
  });
  assert.equal(steps.length, 2);
});

test("an object is generated", async () => {
  const { object } = await generateObject({ ...settings, maxOutputTokens: 100, schema: jsonSchema(WEATHER), prompt: "Weather?" });
  assertWeather(object);
});

test("a bad model is refused in bedrocks words", async () => {
  const request = generateText({ ...settings, model: byKey("no.such-model-v1:0"), prompt: QUESTION });
  await assert.rejects(request, /The provided model identifier is invalid\./);
});

test("a wrong key is refused", async () => {
  const stranger = createAmazonBedrock({ baseURL: URL, region: REGION, apiKey: "ABSKnobody" });
  await assert.rejects(generateText({ ...settings, model: stranger(MODEL), prompt: QUESTION }), (error) => error.statusCode === 403);
});
