// Clients that open a tunnel for plain HTTP as well, also to the host itself.
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ProxyAgent, request } from "undici";

const url = "http://plain.example/page";
let answer = await fetch(url);
console.log("fetch", answer.status, await answer.text());
answer = await fetch("http://plain.example/other");
console.log("fetch", answer.status, (await answer.json()).code);

const { statusCode, body } = await request(url, { dispatcher: new ProxyAgent(process.env.HTTP_PROXY) });
console.log("undici", statusCode, await body.text());

answer = await fetch("http://doorward.internal/policy");
console.log("policy", answer.status);
await answer.text();
const client = new Client({ name: "test", version: "1" });
await client.connect(new StreamableHTTPClientTransport(new URL("http://doorward.internal/mcp")));
const { tools } = await client.listTools();
console.log("tools", tools.map((tool) => tool.name).find((name) => name === "send_message"));
process.exit(0);
