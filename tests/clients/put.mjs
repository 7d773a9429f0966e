// AWS' own client: its agent is told of the proxy, everything else is as the library does it.
import { Readable } from "node:stream";
import https from "node:https";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const client = new S3Client({
  endpoint: "https://store.example",
  region: "us-east-1",
  forcePathStyle: true,
  maxAttempts: 1,
  credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "x" },
  requestHandler: { httpsAgent: new https.Agent({ proxyEnv: process.env }) },
});
const put = async (Key, Body) => {
  try {
    await client.send(new PutObjectCommand({ Bucket: "bucket", Key, Body, ContentLength: Body.length ?? 3 << 20 }));
    console.log("sent", Key);
  } catch (error) {
    console.log("refused", Key);
    console.error(error);
  }
};
await put("bytes", Buffer.from("hello"));
await put("stream", Readable.from(Array.from({ length: 48 }, () => Buffer.alloc(1 << 16))));
await put("secret", Buffer.from(`${"x".repeat(100000)}${process.env.SITE_TOKEN}`));
process.exit(0);
