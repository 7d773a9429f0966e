#![allow(clippy::unwrap_used)]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use secrecy::ExposeSecret;

use super::*;

mod secrets;

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse("doorward.toml", text, Path::new("/etc/door"))
}

/// The problems of a text, in their plain form.
fn problems(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// Everything of a problem that a person could get to see.
fn everything_shown(text: &str) -> String {
    let found = parse(text).unwrap_err();
    let plain = format!("{found} {found:?}");
    found.0.into_iter().fold(plain, |shown, problem| shown + &format!("{:?}", miette::Report::new(problem)))
}

#[test]
fn nothing_said_means_the_defaults() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::load(&Home::at(dir.path()).unwrap()).unwrap();
    assert_eq!((config.engine, config.queue), (Engine::default(), Queue::default()));
    assert_eq!(config.upstream, Upstream::default());
    let (idle, longest) = (Duration::from_mins(10), Duration::from_hours(1));
    assert_eq!(parse("").unwrap().queue, Queue { sandboxes: 3, idle, longest });
    assert_eq!(parse("[queue]\nlongest = \"90m\"").unwrap().queue.longest, Duration::from_mins(90));
}

#[test]
fn numbers_sizes_and_times_have_more_than_one_spelling() {
    let engine = |line: &str| parse(&format!("[engine]\n{line}")).unwrap().engine;
    for size in ["512 MB", "512mb", "512000000 B", "512000 kB", "512000 KB"] {
        assert_eq!(engine(&format!("memory = \"{size}\"")).memory, 512_000_000, "{size}");
    }
    assert_eq!((engine("pids = 0x200").pids, engine("pids = 1_000").pids), (512, 1000));
    assert_eq!((engine("cpus = 1").cpus, engine("cpus = 1.5").cpus), (1.0, 1.5));
    for idle in ["1d", "24h", "23h 60m", "86400 seconds", "PT24H"] {
        let queue = parse(&format!("[queue]\nidle = \"{idle}\"")).unwrap().queue;
        assert_eq!(queue.idle, Duration::from_hours(24), "{idle}");
    }
    assert!(problems("[queue]\nidle = \"0s\"").contains("not a length of time"));
}

#[test]
fn the_assistant_has_a_name_and_a_clock() {
    let assistant = parse("[assistant]\nname = \"@Zo\u{eb}\"\ntime_zone = \"Europe/Berlin\"").unwrap().assistant;
    assert_eq!((assistant.name.as_str(), assistant.time_zone.iana_name()), ("Zo\u{eb}", Some("Europe/Berlin")));
    assert_eq!(parse("").unwrap().assistant.name, "Doorward");
    assert!(problems("[assistant]\nname = \"@\"").contains("doorward.toml:2:8: not a name that people could call"));
    assert!(problems("[assistant]\ntime_zone = \"Europe/Bielefeld\"").contains("knows no such time zone"));
}

#[test]
fn the_owner_has_ids_and_may_be_away() {
    let config = parse("[owner]\nidentities = [\"491701234567@s.whatsapp.net\"]\n[absence]\nafter = \"14d\"").unwrap();
    assert_eq!(config.owner.identities, ["491701234567@s.whatsapp.net"]);
    assert_eq!(config.absence.after, Some(Duration::from_hours(14 * 24)));
    assert_eq!(parse("").unwrap().absence.after, None);
    for after in ["0s", "59m", "11y", "a while"] {
        let found = problems(&format!("[absence]\nafter = \"{after}\""));
        assert!(found.contains("length of time") || found.contains("from an hour to ten years"), "{after}: {found}");
    }
    assert!(problems("[owner]\nidentities = [\"Anna Smith\"]").contains("not an id"));
    assert!(problems("[owner]\nids = []").contains("identities"));
}

#[test]
fn everything_that_can_be_said() {
    let config = parse(
        r#"
        [engine]
        host = "/run/user/1000/docker.sock"
        runtime = "runsc"
        image = "doorward/claude:1"
        memory = "512 MB"
        cpus = 1
        pids = 100
        [queue]
        sandboxes = 5
        idle = "90s"
        [audit]
        keep_days = 30
        keep_size = "100 MB"
        [messages]
        keep_days = 60
        [upstream]
        resolver = "1.1.1.1"
        extra_ca = ["home-ca.pem", "/srv/ca.pem"]
        [upstream.hosts]
        "nas.home" = "192.168.1.20"
        "Bank.Example" = "127.0.0.1:8443"
        "six.example" = "::1"
        [credentials.github]
        secret = "file:github.token"
        hosts = ["api.github.com", "uploads.github.com:8443"]
        place = ["header:Authorization", "header:x-api-key"]
        only = ["GET /**", "POST /repos/me/notes/issues"]
        env = "GITHUB_TOKEN"
        prefix = "ghp_"
        shape = "letters"
        [[credentials.github.mints]]
        do = ["POST /app/installations/*/access_tokens"]
        fields = ["token", "data.key"]
        [credentials.plain]
        secret = "env:PLAIN_KEY"
        hosts = ["a.example"]
        "#,
    )
    .unwrap();
    let engine = config.engine;
    assert_eq!(engine.host.as_deref(), Some("unix:///run/user/1000/docker.sock"));
    assert_eq!((engine.memory, engine.cpus, engine.pids), (512_000_000, 1.0, 100));
    assert_eq!((config.queue.sandboxes, config.queue.idle), (5, Duration::from_secs(90)));
    assert_eq!(config.audit, Audit { age: Duration::from_hours(24 * 30), size: 100_000_000 });
    assert_eq!(config.messages, Messages { age: Duration::from_hours(24 * 60) });
    assert_eq!(config.upstream.resolver, Resolver::Server("1.1.1.1:53".parse().unwrap()));
    assert_eq!(config.upstream.extra_ca, [Path::new("/etc/door/home-ca.pem"), Path::new("/srv/ca.pem")]);
    let pinned = |host: &str| config.upstream.hosts[&HostName::parse(host).unwrap()];
    assert_eq!(pinned("nas.home"), Pinned { ip: "192.168.1.20".parse().unwrap(), port: None });
    assert_eq!(pinned("bank.example"), Pinned { ip: "127.0.0.1".parse().unwrap(), port: Some(8443) });
    assert_eq!(pinned("six.example"), Pinned { ip: "::1".parse().unwrap(), port: None });
    let github = &config.credentials["github"];
    assert_eq!(github.source, SecretSource::File("/etc/door/github.token".into()));
    assert_eq!(github.hosts[1].to_string(), "uploads.github.com:8443");
    assert_eq!(github.place[0].to_string(), "header:authorization");
    assert_eq!((github.only.len(), github.shape), (2, Some(Shape::Letters)));
    let [mint] = &github.mints[..] else { panic!("{:?}", github.mints) };
    assert_eq!((mint.requests.len(), mint.fields[1].to_string()), (1, "data.key".to_owned()));
    let plain = &config.credentials["plain"];
    assert!(plain.mints.is_empty());
    assert_eq!(plain.source, SecretSource::Env("PLAIN_KEY".into()));
    assert_eq!(plain.place, [proxy::Place::Header(http::header::AUTHORIZATION)]);
    assert_eq!((plain.only.len(), plain.env.as_deref()), (0, None));
}

#[test]
fn unknown_keys_are_refused_with_place_and_suggestion() {
    assert_eq!(
        problems("[engine]\nmemroy = \"2 GB\"\n"),
        "doorward.toml:2:1: [engine] has no key `memroy`; did you mean `memory`?"
    );
    assert_eq!(
        problems("[quue]\nidle = \"1m\"\n"),
        "doorward.toml:1:2: doorward.toml has no key `quue`; did you mean `queue`?"
    );
    assert_eq!(
        problems("[queue]\nfrequency = 3\n"),
        "doorward.toml:2:1: [queue] has no key `frequency`; known here: sandboxes, idle, longest"
    );
    assert_eq!(
        problems("[engine]\nidle = \"1m\"\nkeep_days = 3\n[queue.audit]\n"),
        "doorward.toml:2:1: [engine] has no key `idle`; `idle` belongs into [queue]\n\
         doorward.toml:3:1: [engine] has no key `keep_days`; `keep_days` belongs into [audit] or [messages]\n\
         doorward.toml:4:8: [queue] has no key `audit`; write it as [audit]"
    );
    assert!(problems("[queue]\nsandboxes = 3\nsandboxes = 4\n").contains("doorward.toml:3:1: this key is there twice"));
    assert_eq!(
        problems("[queue]\nsandboxes = \"3\"\n"),
        "doorward.toml:2:13: `sandboxes` must be a whole number, like 120, not a text"
    );
}

#[test]
fn new_keys_are_named_by_requests_and_fields() {
    let mints = |lines: &str| {
        problems(&format!(
            "[credentials.a]\nsecret = \"env:A\"\nhosts = [\"a.example\"]\n[[credentials.a.mints]]\n{lines}\n"
        ))
    };
    assert_eq!(mints("do = [\"POST /keys\"]\nfields = []"), "doorward.toml:6:10: `fields` is empty; name at least one");
    assert_eq!(
        mints("do = [\"POST /keys\"]\nfields = [\"keys[0].value\"]"),
        "doorward.toml:6:11: the keys to the field are wanted, parted by dots: \"key\", \"data.token\"; in each item of \
         a list \"keys[*].value\", behind each key \"actions.*.token\""
    );
    assert_eq!(
        mints("do = [\"POST /keys\"]"),
        "doorward.toml:4:1: this [[credentials.NAME.mints]] has no `fields`; add fields = [\"token\"]"
    );
    assert_eq!(
        mints("do = [\"POST keys\"]\nfields = [\"key\"]"),
        "doorward.toml:5:7: the path does not start with a slash; write /keys"
    );
}

/// All problems are reported at once, each at its place.
#[test]
fn values_that_cannot_be_used() {
    let text = r#"[engine]
host = "tcp://10.0.0.1:2375"
memory = "2 apples"
cpus = 0.0
[queue]
sandboxes = 0
idle = "ten minutes"
[upstream]
resolver = "https://dns.example/dns-query"
[upstream.hosts]
"*.home" = "192.168.1.20"
"nas.home" = "nowhere"
[credentials.Git-Hub]
secret = "keyring:Git Hub"
hosts = ["*.github.com"]
place = ["path:token"]
only = []
env = "LD_PRELOAD"
"#;
    assert_eq!(
        problems(text),
        r#"doorward.toml:2:8: not a socket on this machine, and doors cannot reach an engine elsewhere; write it as "unix:///run/docker.sock"
doorward.toml:3:10: not a size; write a whole number and B, kB, MB, GB, KiB, MiB or GiB, like "20 MB"
doorward.toml:4:8: `cpus` must be a number from 0.1 to 1024
doorward.toml:6:13: `sandboxes` must be a number from 1 to 1000
doorward.toml:7:8: not a length of time; write it as "90s", "10m", "2h" or "7d"
doorward.toml:9:12: nobody else is asked where dns.example is; say so in [upstream.hosts]: "dns.example" = "192.0.2.53"
doorward.toml:11:1: the host holds '*'; write names in ASCII (A-labels), without user, port or escapes
doorward.toml:12:14: not an address; write it as "192.168.1.20" or "192.168.1.20:8443"
doorward.toml:13:14: a credential's name is 1 to 32 lower-case letters, digits, - or _, starting with a letter or digit
doorward.toml:14:10: `keyring:` wants the name that the secret has there: "keyring:github"
doorward.toml:15:10: a credential goes to hosts by their exact names; write each one
doorward.toml:16:10: `path:` wants how the path begins, with {} at its end for the secret: "path:/bot{}", "path:/hooks/{}"
doorward.toml:17:8: `only` is empty; remove it or fill it
doorward.toml:18:7: this variable has a meaning of its own inside a sandbox; choose another"#
    );
}

#[test]
fn names_can_be_asked_for_over_https() {
    let with_hosts = |url: &str| {
        format!(
            "[upstream]\nresolver = \"{url}\"\n[upstream.hosts]\n\"dns.example\" = \"192.0.2.53\"\n\"near.example\" = \"127.0.0.1:8443\"\n"
        )
    };
    for (url, address, host, path) in [
        ("https://1.1.1.1/dns-query", "1.1.1.1:443", "1.1.1.1", "/dns-query"),
        ("https://1.1.1.1", "1.1.1.1:443", "1.1.1.1", "/dns-query"),
        ("https://DNS.example:444/a%62c", "192.0.2.53:444", "dns.example", "/abc"),
        ("https://near.example/", "127.0.0.1:8443", "near.example", "/"),
    ] {
        let server = HttpsServer {
            address: address.parse().unwrap(),
            host: policies::Host::parse(host).unwrap(),
            path: policies::Path::parse(path).unwrap(),
        };
        assert_eq!(parse(&with_hosts(url)).unwrap().upstream.resolver, Resolver::Https(server), "{url}");
    }
    for (url, why) in [
        ("https://", "not a server of DNS over HTTPS; write it as \"https://1.1.1.1/dns-query\""),
        ("https://me:pass@1.1.1.1/dns-query", "not a server of DNS over HTTPS"),
        ("https://1.1.1.1:0/dns-query", "not a server of DNS over HTTPS"),
        ("https://1.1.1.1/dns-query{?dns}", "not a server of DNS over HTTPS"),
        ("https://1.1.1.1/dns-query?a=b", "not a server of DNS over HTTPS"),
        ("https://1.1/dns-query", "not a server of DNS over HTTPS"),
        ("https://[2606:4700::1111]/dns-query", "an IPv6 address cannot stand in this URL; write the server's name"),
        ("https://other.example/dns-query", "nobody else is asked where other.example is; say so in [upstream.hosts]"),
        ("http://1.1.1.1/dns-query", "not a resolver; write \"system\", \"1.1.1.1\", \"192.168.1.1:53\" or \"https://"),
    ] {
        let told = problems(&with_hosts(url));
        assert!(told.starts_with(&format!("doorward.toml:2:12: {why}")), "{url}: {told}");
    }
}

#[test]
fn headers_that_carry_the_request_hold_no_credential() {
    for header in ["host", "Content-Length", "proxy-authorization", "cookie", "a b", ""] {
        let text =
            format!("[credentials.a]\nsecret = \"env:A\"\nhosts = [\"a.example\"]\nplace = [\"header:{header}\"]\n");
        assert!(problems(&text).starts_with("doorward.toml:4:10:"), "{header}");
    }
}

#[test]
fn places_and_what_is_harmless_beside_them() {
    let credential = |lines: &str| format!("[credentials.a]\nsecret = \"env:A\"\nhosts = [\"a.example\"]\n{lines}\n");
    let parse = |lines: &str| Config::parse("doorward.toml", &credential(lines), Path::new("/"));
    let a = parse(
        "place = [\"path:/bot{}\", \"path:/file/bot{}\"]\nharmless = [\"header:X-Job-Token\", \"query:session\", \"basic:username\"]",
    );
    let a = a.unwrap().credentials["a"].clone();
    assert_eq!(a.place.iter().map(ToString::to_string).collect::<Vec<_>>(), ["path:/bot{}", "path:/file/bot{}"]);
    assert_eq!(
        a.harmless.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["header:x-job-token", "query:session", "basic:username"]
    );
    let many = (0..9).map(|n| format!("\"query:k{n}\"")).collect::<Vec<_>>().join(", ");
    assert!(problems(&credential(&format!("place = [{many}]"))).contains("at most 8 places"));
    // Every name that a parameter can have, as its host decodes it.
    let names = ["$skiptoken", "page[token]", "caf\u{e9}-session", "session key", "a+token", "100%token", "@token"];
    let all = names.map(|name| format!("\"query:{name}\"")).join(", ");
    let b = parse(&format!("harmless = [{all}]")).unwrap().credentials["a"].clone();
    assert_eq!(
        b.harmless.iter().map(ToString::to_string).collect::<Vec<_>>(),
        names.map(|name| format!("query:{name}"))
    );
    for wrong in [
        "header:authorization",
        "header:cookie",
        "basic:password",
        "path:/x{}",
        "query:",
        "query:a=b",
        "query:a&b",
        "query:a;b",
        "query:%24top",
        "query:a\\u0007b",
    ] {
        assert!(problems(&credential(&format!("harmless = [\"{wrong}\"]"))).starts_with("doorward.toml:4:"), "{wrong}");
    }
}

/// Secrets pasted into the file, in every wrong way, are in no message, report or debug text.
#[test]
fn a_pasted_secret_is_never_shown() {
    const SECRET: &str = "ghp_S3cretS3cretS3cret";
    for text in [
        "[credentials.a]\nsecret = \"SECRET\"\nhosts = [\"a.example\"]\n",
        "[credentials.a]\nsecret = \"https://SECRET\"\nhosts = [\"a.example\"]\n",
        "[credentials.a]\nsecret = \"SECRET\"\nhosts = [\"*.a.example\"]\nenv = \"PATH\"\n",
        "[credentials.a]\nsecret = \"env:SECRET-x\"\nhosts = [\"a.example\"]\n",
        "[credentials.a]\nsecret = SECRET\n",
        "[credentials.a]\nsecret = \"command:x 'SECRET\"\nhosts = [\"a.example\"]\n",
        "[credentials.a]\nsecret = \"command:x SECRET\"\nlifetime = \"x\"\nhosts = [\"a.example\"]\n",
        "[credentials.a]\nsecret = \"SECRET\nhosts = [\"a.example\"]\n",
        "[credentials.a]\nsecret = [\"SECRET\"]\n",
        "[credentials.a]\nsecret = \"\"\"\nSECRET\n\"\"\"\nhosts = []\n",
        "[credentials]\na = \"SECRET\"\n",
        "[credentials.a]\ntoken = \"SECRET\"\n",
        "[credentials.a]\nhosts = [\"a.example\"]\n# secret = \"SECRET\"\n",
        "[credentials]\na = { secret = \"SECRET\", hosts = [\"*\"] }\n",
        "credentials = \"SECRET\"\n",
        "[credentials.a]\nhosts = \"SECRET\"\nsecret = \"env:A\"\n",
        "[credentials.a]\nsecret = \"env:A\"\nhosts = [\n[\"SECRET\"]\n]\n",
        "[engine]\nmemory = \"x\" # SECRET\n",
        // An error beside a secret reveals no more of it.
        "[credentials]\na = { client = \"SECRET\" }\n",
        "[credentials]\na = { hosts = [\"SECRET\", 3], only = [] }\n",
        "[credentials.a]\nsecret = \"env:A\"\nhosts = [\"a.example\"]\noauth = { client_secret = \"SECRET\" }\n",
        "[credentials.a]\nsecret = \"env:A\"\nhosts = [\"a.example\"]\nmints = [{ key = \"SECRET\" }]\nlifetime = 1\n",
        "[canaries]\na = \"SECRET\"\nb = [\"SECRET\"]\nc = 3\n",
        "[queue]\nidle = \"soon\"\nlongest = [\"SECRET\"]\n[alarm]\ncommand = { word = \"SECRET\" }\n",
    ] {
        let shown = everything_shown(&text.replace("SECRET", SECRET));
        assert!(!shown.contains("S3cret"), "{text}\n{shown}");
    }
    let help = problems("[credentials.a]\nsecret = \"ghp_abc\"\nhosts = [\"a.example\"]\n");
    assert!(
        help.contains("file:PATH") && help.contains("env:VARIABLE") && help.contains("doorward.toml:2:10"),
        "{help}"
    );
}

#[test]
fn a_number_pasted_as_secret_is_not_shown_either() {
    let shown = everything_shown("[credentials.a]\nsecret = 8675309\n");
    assert!(!shown.contains("8675309"), "{shown}");
    assert!(shown.contains("`secret` must be a text in quotes, not a number"), "{shown}");
}

#[test]
fn a_report_shows_the_line_it_is_about() {
    let shown = everything_shown("[queue]\nidle = \"soon\"\n");
    assert!(shown.contains("idle = \"soon\""), "{shown}");
}

#[test]
fn a_configuration_that_never_ends_is_not_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path()).unwrap();
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, home.config_file(), kind, mode, 0).unwrap();
    assert!(Config::load(&home).unwrap_err().to_string().contains("doorward.toml: it is no regular file"));
}

#[test]
fn an_alarm_command_is_a_program_and_its_arguments() {
    let config = parse("[alarm]\ncommand = [\"/usr/bin/notify\", \"Doorward; rm -rf\"]").unwrap();
    assert_eq!(config.alarm.command, ["/usr/bin/notify", "Doorward; rm -rf"]);
    assert!(parse("").unwrap().alarm.command.is_empty());
    assert!(problems("[alarm]\ncommand = [\"notify\"]").contains("full path"));
    assert!(problems("[alarm]\ncommand = []").contains("empty"));
    assert!(problems("[alarm]\ncommand = \"/bin/mail\"").contains(":2:"));
}

#[test]
fn the_whatsapp_channel_is_off_until_it_is_switched_on() {
    let parse = |text: &str| Config::parse("doorward.toml", text, Path::new("/home")).unwrap().channels.whatsapp;
    assert_eq!(parse(""), super::Whatsapp::default());
    assert!(!parse("[channels.whatsapp]\nmode = \"self-chat\"\n").enabled);
    let all = parse("[channels.whatsapp]\nenabled = true\nmode = \"self-chat\"\nprogram = \"bin/wa\"\n");
    let program = Some("/home/bin/wa".into());
    assert_eq!(all, super::Whatsapp { enabled: true, program, mode: super::WhatsappMode::SelfChat });
    let shown = everything_shown("[channels.whatsapp]\nmode = \"spy\"\n");
    assert!(shown.contains("own-number"), "{shown}");
}
