// Records what the JavaScript SDK signs over its default HTTP/2 handler: `npm i @aws-sdk/client-bedrock-runtime`, then
// `node record.mjs DIRECTORY`. See record.py.
import { createServer } from "node:http2";
import { writeFileSync } from "node:fs";
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from "@aws-sdk/client-bedrock-runtime";

const credentials = { accessKeyId: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY" };
const input = {
  modelId: "meta.llama3-1-8b-instruct-v1:0",
  messages: [{ role: "user", content: [{ text: "Say  hé!" }] }],
};
let name;
const server = createServer((request, response) => {
  const body = [];
  request.on("data", (chunk) => body.push(chunk));
  request.on("end", () => {
    const { ":method": method, ":path": path, ":scheme": _scheme, "user-agent": _agent, ...headers } = request.headers;
    const lines = Object.entries(headers).map(([header, value]) => `${header}: ${value}`);
    writeFileSync(`${process.argv[2]}/${name}.http`, [`${method} ${path} HTTP/2`, ...lines, "", Buffer.concat(body)].join("\n"));
    response.writeHead(400, { "content-type": "application/json" });
    response.end('{"message":"no"}');
  });
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const endpoint = `http://127.0.0.1:${server.address().port}`;
const client = new BedrockRuntimeClient({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 });
for (const [file, command] of [["js-converse", new ConverseCommand(input)], ["js-converse-stream", new ConverseStreamCommand(input)]]) {
  name = file;
  await client.send(command).catch((refusal) => console.log(name, refusal.name));
}
client.destroy();
server.close();
