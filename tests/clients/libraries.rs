//! Vendors' own libraries, which ask in ways of their own: Stripe's names another account in a header, Google's
//! pages with tokens, AWS' for JavaScript sends a stream in frames.

use super::*;

/// A home whose group has a credential for `site.example`, and what `more` says of it.
fn guarded(
    rule: &str,
    more: &str,
    answer: impl Fn(&Request) -> Response + Send + Sync + 'static,
) -> (Home, Upstream, Daemon) {
    let site = Upstream::start(&["site.example"], answer);
    let policy =
        format!("[[allow]]\nhost = \"site.example\"\nprivate = [\"127.0.0.1/32\"]\ncredential = \"site\"\n{rule}\n");
    let more = format!("hosts = [\"site.example\"]\nenv = \"SITE_TOKEN\"\n{more}\n");
    let home = with_clients().credential("site", "site-1f3c5e7a9b2d4f6081a3c5e7f9b1d3f5", &more);
    let home = home.host("site.example", &site).group("family").policy("family", &policy);
    let daemon = home.up();
    (home, site, daemon)
}

/// What decides for whom something is done arrives, or nothing does.
#[test]
fn stripe_acts_for_the_account_it_names_or_not_at_all() {
    let rule = "do = [\"POST /v1/refunds\", \"GET /v1/charges\"]";
    let (home, site, _daemon) = guarded(rule, "", |request| {
        let told = match &*request.method {
            "GET" => r#"{"object":"list","data":[],"has_more":false,"url":"/v1/charges"}"#,
            _ => r#"{"id":"re_1","object":"refund"}"#,
        };
        Response::ok(told).header("content-type", "application/json")
    });
    let script = r#"
import os, stripe
stripe.api_base, stripe.api_key = "https://site.example", os.environ["SITE_TOKEN"]
stripe.ca_bundle_path, stripe.max_network_retries = os.environ["SSL_CERT_FILE"], 0
account = "acct_1Ab2Cd3Ef4Gh5Ij6"
print(stripe.Refund.create(charge="ch_1", stripe_account=account, idempotency_key="9f1c2b7e-4a7d-4f0e-8c55-0b1f3f1d2a99").id)
print(stripe.Charge.list(limit=3, stripe_account=account).has_more)
try:
    client = stripe.StripeClient(stripe.api_key, base_addresses={"api": "https://site.example"})
    client.raw_request("get", "/v1/charges", headers={"X-Ledger-Account": "Ledger7Jq2mX9vB4nT6wR1zL8"})
    print("sent without it")
# It expects an object where the door's refusal has a text, and says so in place of a StripeError.
except (stripe.StripeError, AttributeError):
    print("refused")
"#;
    std::fs::write(home.group_folder("family").join("refund.py"), script).unwrap();
    let ran = home.exec("family", "PYTHONPATH=/opt/clients/python python3 refund.py").ok();
    ran.prints("re_1\nFalse\nrefused");
    assert_eq!(home.audit().with("verdict", "deny").len(), 1, "{:#?}", home.audit());
    assert_eq!(site.lines(), ["POST /v1/refunds", "GET /v1/charges?limit=3"]);
    for request in site.requests() {
        assert_eq!(request.header("stripe-account"), Some("acct_1Ab2Cd3Ef4Gh5Ij6"), "{request:?}");
    }
    assert!(home.audit().with("verdict", "allow").iter().all(|record| record["alarm"] == false));
}

/// Pages and fields are parameters whose names only look like keys.
#[test]
fn google_pages_through_a_list() {
    let rule = "do = [\"GET /drive/v3/files\"]";
    let (home, site, _daemon) = guarded(rule, "", |request| {
        let more =
            if request.target.contains("pageToken") { "" } else { r#","nextPageToken":"~!!~AI9FV7Tx0aQ9k2LmP4""# };
        Response::ok(format!(r#"{{"files":[{{"id":"1"}}]{more}}}"#)).header("content-type", "application/json")
    });
    let script = r#"
import json, os
from googleapiclient.discovery import build_from_document
from googleapiclient.http import HttpRequest
import httplib2
parameters = {name: {"type": "string", "location": "query"} for name in ("pageToken", "fields", "q")}
document = {"rootUrl": "https://site.example/", "servicePath": "drive/v3/", "baseUrl": "https://site.example/drive/v3/",
            "batchPath": "batch", "resources": {"files": {"methods": {"list": {"id": "drive.files.list", "path": "files",
            "httpMethod": "GET", "parameters": parameters, "response": {"$ref": "Files"}}}}},
            "schemas": {"Files": {"id": "Files", "type": "object", "properties": {"nextPageToken": {"type": "string"}}}},
            "name": "drive", "version": "v3"}
class Asks(HttpRequest):
    def __init__(self, *args, **named):
        super().__init__(*args, **named)
        self.headers["authorization"] = "Bearer " + os.environ["SITE_TOKEN"]
files = build_from_document(json.dumps(document), http=httplib2.Http(timeout=60), requestBuilder=Asks).files()
request, pages = files.list(q="name contains 'milk'", fields="nextPageToken,files(id)"), 0
while request is not None:
    pages += 1
    request = files.list_next(request, request.execute())
print("pages", pages)
"#;
    std::fs::write(home.group_folder("family").join("list.py"), script).unwrap();
    let ran = home.exec("family", "PYTHONPATH=/opt/clients/python python3 list.py");
    ran.prints("pages 2");
    assert_eq!(site.lines().len(), 2, "{:?}", site.lines());
    assert!(home.audit().0.iter().all(|record| record["alarm"] != true));
}

/// A buffer goes as it is, a stream in frames; what either holds is looked at.
#[test]
fn aws_for_javascript_uploads_buffers_and_streams() {
    let rule = "do = [\"PUT /bucket/*\"]";
    let site = Upstream::start(&["store.example"], |_| Response::ok("").header("etag", "\"x\""));
    let policy = format!(
        "[[allow]]\nhost = \"store.example\"\nprivate = [\"127.0.0.1/32\"]\n{rule}\n\
         [[allow]]\nhost = \"site.example\"\ndo = [\"GET /**\"]\ncredential = \"site\"\n"
    );
    let more = "hosts = [\"site.example\"]\nenv = \"SITE_TOKEN\"\n";
    let home = with_clients().credential("site", "site-1f3c5e7a9b2d4f6081a3c5e7f9b1d3f5", more);
    let home = home.host("store.example", &site).group("family").policy("family", &policy);
    let _daemon = home.up();
    std::fs::write(home.group_folder("family").join("put.mjs"), include_str!("put.mjs")).unwrap();
    let ran = home
        .exec("family", "cp -r /opt/clients/node_modules /tmp && cp put.mjs /tmp && /opt/clients/node /tmp/put.mjs");
    ran.prints("sent bytes\nsent stream\nrefused secret");
    let lines: Vec<_> = site.lines().iter().map(|line| line.split('?').next().unwrap().to_owned()).collect();
    assert_eq!(lines, ["PUT /bucket/bytes", "PUT /bucket/stream"]);
    let requests = site.requests();
    assert!(
        requests[1].header("content-encoding").is_some_and(|coding| coding.contains("aws-chunked")),
        "{requests:?}"
    );
}

/// Opens a tunnel for `ws://` too.
#[test]
fn websockets_in_the_clear_talk_through_a_tunnel() {
    let live = Live::plain_websocket();
    let policy = "[[allow]]\nhost = \"live.example\"\nscheme = \"http\"\ndo = [\"GET /live\"]\nwebsocket = true\n\
                  private = [\"127.0.0.1/32\"]\n";
    let home = with_clients().host("live.example", &live).group("family").policy("family", policy);
    let _daemon = home.up();
    let script = r#"
import asyncio, websockets
async def talk():
    async with websockets.connect("ws://live.example/live") as socket:
        for word in ["milk", "x" * 100000]:
            await socket.send(word)
            assert await socket.recv() == word
    try:
        async with websockets.connect("ws://live.example/other"):
            pass
    except websockets.InvalidStatus as error:
        print("refused", error.response.status_code)
asyncio.run(talk())
"#;
    std::fs::write(home.group_folder("family").join("talk.py"), script).unwrap();
    home.exec("family", "PYTHONPATH=/opt/clients/python python3 talk.py").prints("refused 403");
    let audit = home.audit();
    let record = audit.only("path", "/live");
    assert_eq!((&record["verdict"], &record["scheme"]), (&"allow".into(), &"http".into()), "{audit:#?}");
}
