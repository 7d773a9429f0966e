//! What a sandbox sees, and what becomes of a real key.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{self, Daemon, Door, Home, Response, Upstream, docker, random_key, until};

const POLICY: &str = "\
[[allow]]
host = \"bank.example\"
do = [\"GET /balance\"]
credential = \"bank\"
private = [\"127.0.0.1/32\"]

[[allow]]
host = \"news.example\"
access = \"read\"
private = [\"127.0.0.1/32\"]
";

/// A group with a credential for a bank that shows what it was shown.
struct Stage {
    // Ended before its home is removed.
    daemon: Daemon,
    home: Home,
    key: String,
    bank: Upstream,
    news: Upstream,
}

impl Stage {
    fn new() -> Self {
        let key = random_key("bank-");
        let bank = Upstream::start(&["bank.example"], |request| {
            let shown = request.header("authorization").unwrap_or("nothing").to_owned();
            Response::ok(format!("you showed {shown}\n")).header("x-shown", &shown)
        });
        let news = Upstream::start(&["news.example"], |_| Response::ok("bridge\n"));
        let home = Home::new().host("bank.example", &bank).host("news.example", &news).group("family");
        let place = "hosts = [\"bank.example\"]\nplace = [\"header:authorization\"]\nenv = \"BANK_TOKEN\"\nprefix = \"bank-\"\n";
        let home = home.credential("bank", &key, place).policy("family", POLICY);
        let daemon = home.up();
        Stage { daemon, home, key, bank, news }
    }

    /// The same home under a new daemon.
    fn restarted(self) -> Self {
        let Stage { daemon, home, key, bank, news } = self;
        daemon.stop().ok();
        Stage { daemon: home.up(), home, key, bank, news }
    }

    /// `curl` with this header.
    fn curl(&self, header: &str, url: &str) -> support::Ran {
        self.home.exec("family", &format!("curl -sS -i -H \"{header}\" {url}")).ok()
    }
}

#[test]
fn the_sandbox_sees_nothing() {
    let stage = Stage::new();
    // It stays, so that the engine can be asked about it.
    let script = "ip addr; echo ROUTES; cat /proc/net/route; echo ENV; env; echo END; sleep 600";
    let running = stage.home.start(&["exec", "family", "--", "sh", "-c", script]);
    until("the sandbox to have looked", || running.printed().contains("END\n"));

    let seen = running.printed();
    let (addresses, rest) = seen.split_once("ROUTES\n").unwrap();
    let (routes, environment) = rest.split_once("ENV\n").unwrap();
    let interfaces = addresses.lines().filter(|line| !line.starts_with(' '));
    assert_eq!(interfaces.collect::<Vec<_>>().len(), 1, "{addresses}");
    assert!(addresses.starts_with("1: lo:"), "{addresses}");
    assert_eq!(routes.lines().count(), 1, "only the heading: {routes}");
    assert!(environment.contains("BANK_TOKEN=bank-"), "{environment}");

    let containers = stage.home.containers();
    assert_eq!(containers.len(), 1);
    for (what, text) in [("what it sees", seen.clone()), ("inspect", docker::inspect(&containers[0]))] {
        assert!(!text.contains(&stage.key), "the real key is in {what}");
    }
    for folder in ["data/groups", "data/agents", "data/inbox", "data/run"] {
        assert!(!holds(&stage.home.at(folder), stage.key.as_bytes()), "the real key is in {folder}");
    }
    stage.home.run(&["stop", "family"]).ok();
    until("the sandbox to be gone", || stage.home.containers().is_empty());
}

#[test]
fn the_real_key_is_put_on_at_the_door_and_taken_off_again() {
    let stage = Stage::new();
    let shown = stage.curl("Authorization: Bearer $BANK_TOKEN", "https://bank.example/balance");
    assert_eq!(stage.bank.requests()[0].header("authorization").unwrap(), format!("Bearer {}", stage.key));
    let shown = shown.prints("200").prints("you showed").never_says(&stage.key);
    assert!(!shown.out.contains("nothing"), "{shown:#?}");

    let audit = stage.home.audit();
    let record = audit.only("host", "bank.example");
    assert_eq!((&record["credential"], &record["swap"]), (&"bank".into(), &"header:authorization".into()));
    assert!(record["outcome"]["scrubbed"].as_u64().unwrap() >= 1, "{record:#}");
    assert!(!record.to_string().contains(&stage.key));
}

#[test]
fn a_surrogate_on_another_host_is_an_alarm() {
    let stage = Stage::new();
    stage.curl("Authorization: Bearer $BANK_TOKEN", "https://news.example/today").prints("403");
    let audit = stage.home.audit();
    let record = audit.only("host", "news.example");
    assert_eq!((&record["verdict"], &record["alarm"]), (&"deny".into(), &true.into()), "{record:#}");
    assert!(record["code"].as_str().unwrap().starts_with("surrogate_"), "{record:#}");
    assert_eq!(stage.news.connections(), 0);
}

#[test]
fn another_key_is_refused_where_a_credential_stands() {
    let stage = Stage::new();
    let keys = ["Authorization: Bearer bank-0123456789abcdef", "Cookie: session=0123456789abcdef"];
    for header in keys.into_iter().chain(["X-Api-Key: mine-0123456789abcdef"]) {
        stage.curl(header, "https://bank.example/balance").prints("403");
    }
    let audit = stage.home.audit();
    let codes: Vec<_> = audit.0.iter().map(|record| record["code"].as_str().unwrap_or("none")).collect();
    assert!(codes.iter().all(|code| code.starts_with("credential_") || code.starts_with("surrogate_")), "{codes:?}");
    assert_eq!(stage.bank.connections(), 0);
}

#[test]
fn the_surrogate_of_one_sandbox_is_worth_nothing_in_the_next() {
    let stage = Stage::new();
    let token = stage.home.exec("family", "printf %s \"$BANK_TOKEN\"").ok().out;
    assert!(token.starts_with("bank-") && token != stage.key, "{token}");
    stage.curl(&format!("Authorization: Bearer {token}"), "https://bank.example/balance").prints("403");
    let audit = stage.home.audit();
    assert_eq!(audit.only("host", "bank.example")["verdict"], "deny");
    assert_eq!(stage.bank.connections(), 0);
}

#[test]
fn a_new_key_is_kept_here_and_used_by_its_surrogate() {
    let (key, made) = (random_key("bank-"), random_key("ghp_"));
    let answer = made.clone();
    let bank = Upstream::start(&["bank.example"], move |request| match request.path() {
        "/keys" => Response::ok(format!("{{\"id\": 7, \"key\": {{\"secret\": \"{answer}\"}}}}")),
        _ => Response::ok(format!("you showed {}, and have {answer}", request.header("authorization").unwrap_or("-"))),
    });
    let news = Upstream::start(&["news.example"], |_| Response::ok("bridge\n"));
    let mints = "hosts = [\"bank.example\"]\nenv = \"BANK_TOKEN\"\n\
                 [[credentials.bank.mints]]\ndo = [\"POST /keys\"]\nfields = [\"key.secret\"]\n";
    let home = Home::new().host("bank.example", &bank).host("news.example", &news).group("family");
    let policy = POLICY.replace("\"GET /balance\"", "\"GET /balance\", \"POST /keys\"");
    let home = home.credential("bank", &key, mints).policy("family", &policy);
    let _daemon = home.up();
    let door = Door::open(&home, "family");
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    let own = bearer(&door.variable("BANK_TOKEN"));
    let asked =
        format!("POST /keys HTTP/1.1\r\nHost: bank.example\r\n{own}Content-Length: 0\r\nConnection: close\r\n\r\n");
    let told = door.ask("bank.example", &asked);
    let json: serde_json::Value = serde_json::from_str(&told.body).unwrap();
    let surrogate = json["key"]["secret"].as_str().unwrap().to_owned();
    assert!(surrogate.starts_with("ghp_") && surrogate != made, "{told:?}");
    // The host gives the same again: so does the door.
    assert_eq!(door.ask("bank.example", &asked).body, told.body);

    // It goes where the key goes that it was made with, and nowhere else.
    let used = door.get("bank.example", "/balance", &bearer(&surrogate));
    assert!(bank.received(&made), "the new key was put on");
    assert!(used.body.contains(&format!("you showed Bearer {surrogate}, and have {surrogate}")), "{used:?}");
    let seen = door.get("bank.example", "/balance", &own);
    assert!(seen.body.contains(&surrogate) && !seen.body.contains(&made), "{seen:?}");
    assert_eq!(door.get("news.example", "/", &bearer(&surrogate)).status, 403);
    assert_eq!(door.get("news.example", &format!("/{made}"), "").status, 403);
    assert_eq!(news.connections(), 0);
    let audit = home.audit();
    let codes: Vec<_> = audit.with("host", "news.example").iter().map(|record| record["code"].clone()).collect();
    assert_eq!(codes, ["surrogate_unbound", "secret_in_request"]);
    assert!(!format!("{audit:?}").contains(&made));

    // With the sandbox its keys are gone.
    door.shut();
    let door = Door::open(&home, "family");
    assert_eq!(door.get("bank.example", "/balance", &bearer(&surrogate)).status, 403);
    assert_eq!(home.audit().0.last().unwrap()["code"], "surrogate_retired");

    // To the next one the same key is new, and neither the owner's nor the last one's.
    let own = bearer(&door.variable("BANK_TOKEN"));
    let asked = asked.replace(asked.lines().find(|line| line.starts_with("Authorization")).unwrap(), own.trim_end());
    let told = door.ask("bank.example", &asked);
    let json: serde_json::Value = serde_json::from_str(&told.body).unwrap();
    let next = json["key"]["secret"].as_str().unwrap();
    assert!(next.starts_with("ghp_") && next != surrogate && next != made, "{told:?}");
    let used = door.get("bank.example", "/balance", &bearer(next));
    assert!(used.body.contains(&format!("you showed Bearer {next}, and have {next}")), "{used:?}");
}

/// What registries and git-lfs hand out: in lists, behind schemes, anew for each transfer.
#[test]
fn keys_in_lists_are_kept_here_and_the_longest_unused_makes_room() {
    let (key, made) = (random_key("bank-"), random_key("gitauth"));
    let (answer, count) = (made.clone(), AtomicUsize::new(0));
    let forge = Upstream::start(&["bank.example"], move |request| match request.path() {
        "/me/x.git/info/lfs/objects/batch" => {
            let header = format!("RemoteAuth {answer}-{:04}", count.fetch_add(1, Ordering::SeqCst));
            let action =
                serde_json::json!({"href": "https://bank.example/balance", "header": {"Authorization": header}});
            let objects = serde_json::json!([{"oid": "1", "actions": {"download": action}}, {"oid": "2"}]);
            Response::ok(serde_json::json!({"transfer": "basic", "objects": objects}).to_string())
        }
        _ => Response::ok(format!("you showed {}", request.header("authorization").unwrap_or("-"))),
    });
    let mints = "hosts = [\"bank.example\"]\nenv = \"BANK_TOKEN\"\n\
                 place = [\"basic:password\", \"header:authorization\"]\n\
                 [[credentials.bank.mints]]\ndo = [\"POST /**/info/lfs/objects/batch\"]\n\
                 fields = [\"objects[*].actions.*.header.Authorization\"]\n";
    let home = Home::new().host("bank.example", &forge).group("family");
    let policy = POLICY.replace("\"GET /balance\"", "\"GET /balance\", \"POST /me/x.git/**\"");
    let home = home.credential("bank", &key, mints).policy("family", &policy);
    let _daemon = home.up();
    let door = Door::open(&home, "family");
    let batch = format!(
        "POST /me/x.git/info/lfs/objects/batch HTTP/1.1\r\nHost: bank.example\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n",
        door.variable("BANK_TOKEN")
    );
    let mut headers = Vec::new();
    for n in 0..36 {
        let told = door.ask("bank.example", &batch);
        assert!(!told.body.contains(&made), "{told:?}");
        let json: serde_json::Value = serde_json::from_str(&told.body).unwrap();
        let header = json["objects"][0]["actions"]["download"]["header"]["Authorization"].as_str().unwrap().to_owned();
        assert!(header.starts_with("RemoteAuth "), "the scheme stays: {header}");
        headers.push(header);
        for header in [&headers[0], &headers[n]] {
            let used = door.get("bank.example", "/balance", &format!("Authorization: {header}\r\n"));
            assert_eq!(used.body, format!("you showed {header}"), "number {n}: {used:?}");
        }
        assert!(forge.received(&format!("RemoteAuth {made}-{n:04}")), "number {n} was put on");
    }
    // The second one was used for the last time before 32 others came.
    let gone = door.get("bank.example", "/balance", &format!("Authorization: {}\r\n", headers[1]));
    assert_eq!(gone.status, 403);
    assert!(gone.body.contains("newer ones have replaced"), "{gone:?}");
    let record = home.audit().0.last().unwrap().clone();
    assert_eq!((&record["code"], &record["alarm"]), (&"surrogate_retired".into(), &false.into()), "{record:#}");
}

/// A host that answers in another way than its `mints` expect has perhaps made a key, which is not let through.
#[test]
fn what_stands_in_the_place_of_a_key_and_is_none_is_withheld() {
    let key = random_key("bank-");
    let number = "73519028465719302846";
    let bank = Upstream::start(&["bank.example"], move |request| {
        let told = match request.path() {
            "/keys/number" => serde_json::json!({"token": 7_351_902_846_571_930_284_u64, "more": []}),
            "/keys/nothing" => serde_json::json!({"token": null, "more": []}),
            "/keys/object" => serde_json::json!({"token": {"value": number}, "more": []}),
            "/keys/listed" => serde_json::json!({"token": "made-9b2d4f6081a3c5e7", "more": [{"token": [number]}]}),
            "/keys/spelled" => serde_json::json!({"Token": "made-9b2d4f6081a3c5e7", "more": []}),
            _ => serde_json::json!({"token": "made-9b2d4f6081a3c5e7", "more": [{"token": null}, {}]}),
        };
        Response::ok(told.to_string())
    });
    let mints = "hosts = [\"bank.example\"]\nenv = \"BANK_TOKEN\"\n\
                 [[credentials.bank.mints]]\ndo = [\"POST /keys/*\"]\nfields = [\"token\", \"more[*].token\"]\n";
    let home = Home::new().host("bank.example", &bank).group("family");
    let policy = POLICY.replace("\"GET /balance\"", "\"POST /keys/*\"");
    let home = home.credential("bank", &key, mints).policy("family", &policy);
    let _daemon = home.up();
    let door = Door::open(&home, "family");
    let ask = |path: &str| {
        let token = door.variable("BANK_TOKEN");
        let head = format!("POST {path} HTTP/1.1\r\nHost: bank.example\r\nAuthorization: Bearer {token}\r\n");
        door.ask("bank.example", &format!("{head}Content-Length: 0\r\nConnection: close\r\n\r\n"))
    };
    for path in ["/keys/number", "/keys/nothing", "/keys/object", "/keys/listed"] {
        let told = ask(path);
        assert_eq!(told.status, 502, "{path}: {told:?}");
        assert!(told.body.contains("should bring a new key"), "{path}: {told:?}");
    }
    for path in ["/keys/right", "/keys/spelled"] {
        let told = ask(path);
        assert!(told.status == 200 && !told.body.contains("made-9b2d"), "{path}: {told:?}");
    }
}

#[test]
fn no_command_shows_a_secret() {
    let stage = Stage::new();
    for args in [&["secret", "list"][..], &["secret", "list", "--json"], &["secret", "test", "bank"], &["doctor"]] {
        stage.home.run(args).never_says(&stage.key);
    }
    stage.home.run(&["secret", "test", "bank"]).ok();
}

#[test]
fn a_secret_that_cannot_be_read_closes_its_host_and_says_why() {
    let mut stage = Stage::new();
    stage.home.run(&["secret", "test", "bank"]).ok();
    std::fs::remove_file(stage.home.at("bank.key")).unwrap();
    stage.home.run(&["secret", "test", "bank"]).code(1).says("bank.key");
    stage = stage.restarted();
    stage.curl("Authorization: Bearer $BANK_TOKEN", "https://bank.example/balance").prints("secret_unavailable");
    stage.curl("X-Nothing: 1", "https://news.example/today").prints("bridge");
    assert_eq!(stage.bank.connections(), 0);
}

/// Whether any file below a folder holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            return holds(&path, bytes);
        }
        kind.is_file() && std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}
