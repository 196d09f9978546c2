// What every JavaScript client's cases stand on; the counterpart of ../python/suite.py, with the same protocol.
//
// By hand:  OUTCROP_URL=… OUTCROP_DIR=… node run.mjs bedrock_sdk all

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const MODEL = "huggingfacetb.smollm2-135m-instruct-v1:0";
export const REGION = "us-east-1";
export const URL = process.env.OUTCROP_URL;
export const TLS_URL = URL.replace("http://", "https://");
export const QUESTION = "What is the capital of France?";
export const STORY = "Tell a long story about a lighthouse and the sea, with many details.";
export const WEATHER = {
  type: "object",
  properties: { city: { type: "string", maxLength: 20 }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
  required: ["city", "unit"],
  additionalProperties: false,
};

const folder = process.env.OUTCROP_DIR;
const ini = readFileSync(join(folder, "credentials"), "utf8");
const setting = (name) => ini.match(new RegExp(`^${name}\\s*=\\s*(.+)$`, "m"))[1].trim();

export const API_KEY = readFileSync(join(folder, "api-key"), "utf8").trim();
export const KEY_PAIR = { accessKeyId: setting("aws_access_key_id"), secretAccessKey: setting("aws_secret_access_key") };

const cases = new Map();

/** Adds a case; its name reads as the promise that it holds. */
export function test(name, body) {
  cases.set(name.replaceAll(" ", "_"), body);
}

/** When the pieces of a stream came, to tell one that flows from one that was held back. */
export class Arrivals {
  start = performance.now();
  times = [];

  note() {
    this.times.push(performance.now());
  }

  assertIncremental() {
    assert(this.times.length >= 20, `${this.times.length} pieces are too few to tell`);
    const [first, last] = [this.times[0] - this.start, this.times.at(-1) - this.start];
    assert(first <= last / 2, `first piece after ${first} ms, last after ${last} ms: held back`);
  }
}

/** Whether `value` is an input that WEATHER allows. */
export function assertWeather(value) {
  assert.deepEqual(Object.keys(value).sort(), ["city", "unit"]);
  assert.equal(typeof value.city, "string");
  assert(["celsius", "fahrenheit"].includes(value.unit), value.unit);
}

async function run(name) {
  try {
    await cases.get(name)();
  } catch (error) {
    return error.stack ?? String(error);
  }
}

const [module, ...names] = process.argv.slice(2);

export async function main() {
  await import(`./${module}.mjs`);
  if (names.length) {
    for (const name of names[0] === "all" ? cases.keys() : names) {
      const problem = await run(name);
      console.log(problem ? `FAILED ${name}\n${problem}` : `ok     ${name}`);
      process.exitCode ||= problem ? 1 : 0;
    }
  } else {
    for (const name of cases.keys()) console.log(`::case ${name}`);
    console.log("::ready");
    for await (const line of createInterface({ input: process.stdin })) {
      const problem = await run(line.trim());
      console.log(problem ? `::failed ${JSON.stringify(problem)}` : "::passed");
    }
  }
  process.exit();
}
