// The same with Node's own clients.
import fs from "node:fs";
import https from "node:https";
import http2 from "node:http2";
import http from "node:http";
import tls from "node:tls";

const host = "site.example", file = "upload";
const say = (name, path, status, body) => console.log(name, path, status, status === 200 ? "" : JSON.parse(body).code);
const text = async (stream) => { let all = ""; for await (const piece of stream) all += piece; return all; };

for (const path of process.argv.slice(2)) {
  const answer = await fetch(`https://${host}${path}`, { method: "PUT", body: fs.readFileSync(file) });
  say("fetch", path, answer.status, await answer.text());

  await new Promise((done, failed) => {
    const length = fs.statSync(file).size;
    const request = https.request({ host, path, method: "PUT", headers: { "content-length": length } });
    // As a program that waits for its answer: what cannot be written any more is no answer.
    request.on("response", async (answer) => { say("https", path, answer.statusCode, await text(answer)); done(); });
    request.on("error", (error) => failed(new Error(`https: ${error.code}`)));
    fs.createReadStream(file).pipe(request);
  });

  await new Promise((done, failed) => {
    const to = `${host}:443`;
    http.request({ port: 3128, method: "CONNECT", path: to, headers: { host: to } }).on("connect", (_, socket) => {
      const secure = () => tls.connect({ socket, servername: host, ALPNProtocols: ["h2"] });
      const session = http2.connect(`https://${host}`, { createConnection: secure });
      session.on("error", failed);
      const stream = session.request({ ":method": "PUT", ":path": path });
      stream.on("response", async (head) => {
        say("http2", path, head[":status"], await text(stream));
        session.destroy();
        done();
      });
      stream.on("error", () => {});
      fs.createReadStream(file).on("error", () => {}).pipe(stream);
    }).end();
  });
}
