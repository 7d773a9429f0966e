//! All that can go wrong with a credential, in each of its places and with a token of
//! OAuth: servers that say what they were told, that fail, hang up, lie, garble or are
//! silent, and a group that asks them all.

use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::support::{Answer, Door, Home, Request, Response, Upstream, random_key, until};

/// The ways in which a credential is put on: its name, its place, and a request with it.
pub const PLACES: [(&str, &str, &str, &str); 5] = [
    ("header", "header:authorization", "GET /a HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\n", ""),
    ("basic", "basic:password", "GET /a HTTP/1.1\r\nAuthorization: Basic BASIC\r\n", ""),
    ("query", "query:key", "GET /a?key=TOKEN HTTP/1.1\r\n", ""),
    ("path", "path:/bot{}", "GET /botTOKEN/send HTTP/1.1\r\n", ""),
    (
        "json",
        "json:auth.key",
        "POST /a HTTP/1.1\r\nContent-Type: application/json\r\n",
        "{\"auth\":{\"key\":\"TOKEN\"}}",
    ),
];

/// What can go wrong upstream, by the first label of the host.
const TROUBLES: [&str; 8] = ["echo", "fails", "garbles", "breaks", "closed", "silent", "liar", "nowhere"];

/// How a token endpoint can be, by the first label of its host, and what a request that
/// needs a token of it comes to.
pub const GRANTS: [(&str, u16); 5] =
    [("grants", 200), ("denies", 503), ("babbles", 503), ("breaks", 503), ("liar", 503)];

/// The home, its servers, and every secret there is.
pub struct Stage {
    pub home: Home,
    /// One for each place.
    pub keys: Vec<String>,
    pub echo: Upstream,
    /// Refresh tokens and clients' secrets, and the access tokens that come of them.
    tokens: Vec<String>,
    endpoint: Upstream,
    _others: Vec<Upstream>,
}

fn names(first: &str) -> Vec<String> {
    PLACES.iter().map(|(name, ..)| format!("{first}.{name}.example")).collect()
}

fn told(request: &Request) -> String {
    format!("{} {:?} {}", request.target, request.headers, String::from_utf8_lossy(&request.body))
}

fn start(names: &[String], answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Upstream {
    Upstream::start(&names.iter().map(String::as_str).collect::<Vec<_>>(), answer)
}

/// A listener, served by `each`, for as long as this process runs.
fn listener(each: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(each));
    address
}

impl Stage {
    pub fn new() -> Self {
        let echoing: Vec<_> =
            names("echo").into_iter().chain(["news.example".to_owned(), "api.example".to_owned()]).collect();
        // It says all that it was told: in its body, in a header, in where it sends on to.
        let echo = start(&echoing, |request| {
            let told = told(request);
            Response::ok(told.clone())
                .header("x-told", &told.replace(['"', '[', ']'], ""))
                .header("location", &request.target)
        });
        let fails = start(&names("fails"), |request| Response {
            status: 500,
            headers: Vec::new(),
            body: format!("cannot {}", told(request)).into_bytes(),
        });
        // Two lengths: nobody can say where its answer ends.
        let garbles = start(&names("garbles"), |request| Response::ok(told(request)).header("content-length", "7"));
        let liar = start(&["somebody-else.example".to_owned()], |_| Response::ok("never"));
        let broken = listener(drop);
        // Says nothing, not even a TLS handshake; kept, or it would be closed.
        let silent = listener(std::mem::forget);
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

        let mut home = Home::new().resolver(&closed).host("news.example", &echo).group("family");
        let mut policy = allowed("news.example", "");
        let mut keys = Vec::new();
        for (name, place, ..) in PLACES {
            for (trouble, server) in [("echo", &echo), ("fails", &fails), ("garbles", &garbles), ("liar", &liar)] {
                home = home.host(&format!("{trouble}.{name}.example"), server);
            }
            for (trouble, address) in [("breaks", &broken), ("closed", &closed), ("silent", &silent)] {
                home = home.host_at(&format!("{trouble}.{name}.example"), &address.to_string());
            }
            let hosts: Vec<String> = TROUBLES.iter().map(|trouble| format!("\"{trouble}.{name}.example\"")).collect();
            let key = random_key("live-");
            let toml = format!("hosts = [{}]\nplace = [\"{place}\"]\n{}", hosts.join(", "), variable(name));
            home = home.credential(name, &key, &toml);
            for trouble in TROUBLES {
                policy += &allowed(&format!("{trouble}.{name}.example"), name);
            }
            keys.push(key);
        }
        let (home, endpoint, tokens) = with_tokens(home, &mut policy, &echo, &liar, broken);
        let heard = home.at("heard");
        let hook = format!("[alarm]\ncommand = [\"/bin/sh\", \"-c\", \"cat >> {}\"]\n", heard.display());
        let home = home.config(&hook).policy("family", &policy);
        Stage { home, keys, echo, tokens, endpoint, _others: vec![fails, garbles, liar] }
    }

    /// Every real secret.
    pub fn secrets(&self) -> Vec<&String> {
        self.keys.iter().chain(&self.tokens).collect()
    }

    /// Every placement, with every trouble, all at once; gives what came back.
    pub fn ask_everything(&self, door: &Door) -> Vec<Answer> {
        let asked = PLACES.iter().flat_map(|place| TROUBLES.map(|trouble| (place, trouble)));
        std::thread::scope(|scope| {
            let asking: Vec<_> = asked
                .map(|((name, _, head, body), trouble)| scope.spawn(move || ask(door, trouble, name, head, body)))
                .collect();
            asking.into_iter().map(|asking| asking.join().unwrap()).collect()
        })
    }

    /// Requests that need an access token, one for each way to be of its endpoint.
    pub fn ask_with_tokens(&self, door: &Door) -> Vec<Answer> {
        let ask = |(grant, _): (&str, u16)| {
            let token = door.variable(&format!("{}_KEY", grant.to_uppercase()));
            door.get("api.example", &format!("/{grant}"), &format!("Authorization: Bearer {token}\r\n"))
        };
        GRANTS.map(ask).into()
    }

    /// A request with a secret put on that nobody answers, under way.
    pub fn ask_and_leave(&self, door: &Door) -> impl Sized + use<> {
        let stream = door.begin("silent.query.example", &request(door, "silent", "query", PLACES[2].2, ""));
        let under_way = |line: &str| line.contains("\"under_way\"") && line.contains("silent.query.example");
        until("it to be under way", || self.home.run(&["audit", "--json"]).ok().out.lines().any(under_way));
        stream
    }

    /// Whether the echo got this in a body.
    pub fn echo_heard(&self, text: &str) -> bool {
        self.echo.requests().iter().any(|request| told(request).contains(text))
    }

    /// Whether the endpoint was given the secrets that are meant for it.
    pub fn tokens_heard(&self) -> bool {
        let heard: String = self.endpoint.requests().iter().map(told).collect();
        self.tokens.iter().filter(|token| token.starts_with("refresh-")).filter(|token| heard.contains(*token)).count()
            == 3
    }

    /// Somebody has got hold of a real key, and tries to send it away.
    pub fn carry_away(&self, door: &Door) -> Vec<Answer> {
        let mut answers = Vec::new();
        for key in self.secrets() {
            let coded = STANDARD.encode(key);
            for request in [
                format!("GET /{key} HTTP/1.1\r\n"),
                format!("GET /a?b={key} HTTP/1.1\r\n"),
                format!("GET /a?b={coded} HTTP/1.1\r\n"),
                format!("GET /a HTTP/1.1\r\nX-Mine: {key}\r\n"),
                format!("GET /a HTTP/1.1\r\nUser-Agent: {coded}\r\n"),
            ] {
                answers.push(
                    door.ask("news.example", &format!("{request}Host: news.example\r\nConnection: close\r\n\r\n")),
                );
            }
            let body = format!(
                "POST /a HTTP/1.1\r\nHost: news.example\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{key}",
                key.len()
            );
            answers.push(door.ask("news.example", &body));
        }
        answers
    }
}

/// A rule for a host, with a credential where one is named.
fn allowed(host: &str, credential: &str) -> String {
    let credential = if credential.is_empty() { String::new() } else { format!("credential = \"{credential}\"\n") };
    format!("[[allow]]\nhost = \"{host}\"\ndo = [\"* /**\"]\n{credential}private = [\"127.0.0.1/32\"]\n")
}

fn variable(name: &str) -> String {
    format!("env = \"{}_KEY\"\nprefix = \"live-\"\n", name.to_uppercase())
}

/// Credentials whose tokens come from endpoints of each kind.
fn with_tokens(
    mut home: Home,
    policy: &mut String,
    echo: &Upstream,
    liar: &Upstream,
    broken: SocketAddr,
) -> (Home, Upstream, Vec<String>) {
    let (access, login) = (random_key("access-"), |grant: &str| format!("{grant}.login.example"));
    let granted = access.clone();
    let endpoint = start(&["grants", "denies", "babbles"].map(login), move |request| {
        let told = told(request);
        match request.header("host").unwrap().split('.').next() {
            Some("grants") => {
                Response::ok(format!("{{\"access_token\":\"{granted}\",\"expires_in\":3600,\"more\":\"{granted}\"}}"))
            }
            // Its error repeats the whole request.
            Some("denies") => Response {
                status: 400,
                headers: vec![("x-told".to_owned(), told.replace(['"', '[', ']'], ""))],
                body: serde_json::json!({ "error": told, "error_description": told }).to_string().into_bytes(),
            },
            _ => Response::ok(told),
        }
    });
    home = home.host("api.example", echo);
    let mut tokens = vec![access];
    for (grant, _) in GRANTS {
        let (refresh, client) = (random_key("refresh-"), random_key("client-"));
        let host = login(grant);
        home = match grant {
            "liar" => home.host(&host, liar),
            "breaks" => home.host_at(&host, &broken.to_string()),
            _ => home.host(&host, &endpoint),
        };
        let file = format!("{grant}-client.key");
        write_secret(&home.at(&file), &client);
        let toml = format!(
            "hosts = [\"api.example\"]\n{}[credentials.{grant}.oauth]\ntoken = \"https://{host}/token\"\n\
             client_id = \"us\"\nclient_secret = \"file:{file}\"\nprivate = [\"127.0.0.1/32\"]\n",
            variable(grant)
        );
        home = home.credential(grant, &refresh, &toml);
        *policy += &allowed("api.example", grant).replace("* /**", &format!("GET /{grant}"));
        tokens.extend([refresh, client]);
    }
    (home, endpoint, tokens)
}

fn write_secret(file: &Path, secret: &str) {
    std::fs::write(file, secret).unwrap();
    std::fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
}

fn request(door: &Door, trouble: &str, name: &str, head: &str, body: &str) -> String {
    let token = door.variable(&format!("{}_KEY", name.to_uppercase()));
    let basic = STANDARD.encode(format!("me:{token}"));
    let fill = |text: &str| text.replace("TOKEN", &token).replace("BASIC", &basic);
    let (head, body) = (fill(head), fill(body));
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    format!("{head}Host: {trouble}.{name}.example\r\n{length}Connection: close\r\n\r\n{body}")
}

fn ask(door: &Door, trouble: &str, name: &str, head: &str, body: &str) -> Answer {
    door.ask(&format!("{trouble}.{name}.example"), &request(door, trouble, name, head, body))
}
