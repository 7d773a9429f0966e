// How Express with method-override, body-parser and multer reads a request: node express.js PORT
const express = require("express");
const methodOverride = require("method-override");
const multer = require("multer");

const app = express();
app.use((request, response, next) => {
  multer().any()(request, response, () => next());
});
const quietly = (parse) => (request, response, next) => parse(request, response, () => next());
app.use(quietly(express.json({ strict: false })));
app.use(quietly(express.urlencoded({ extended: true })));
// The ways that its README shows: header, query, field of the body.
app.use(methodOverride("X-HTTP-Method-Override"));
app.use(methodOverride("X-HTTP-Method"));
app.use(methodOverride("X-Method-Override"));
app.use(methodOverride("_method"));
app.use(methodOverride((request) => {
  if (request.body && typeof request.body === "object" && "_method" in request.body) {
    return String(request.body._method);
  }
}));
app.use((request, response) => {
  let path = request.path;
  try {
    path = decodeURIComponent(path);
  } catch { /* The router refuses it. */ }
  const version = require("express/package.json").version;
  response.json([{ framework: `Express ${version}`, method: request.method, path: encodeURIComponent(path),
    query: request.query, form: request.body && typeof request.body === "object" ? request.body : {} }]);
});
app.listen(Number(process.argv[2]), "127.0.0.1");
