//! The keys that a policy file may have, each described once: the reader's lists, the
//! schema that editors read and the table of docs/policy.md are made of this.

use desk::toml::{TableKeys, Vocabulary};
use policies::Limits;

/// One key of a table.
#[derive(Debug)]
pub struct Key {
    /// As it stands in the file.
    pub name: &'static str,
    /// What its value may be, as JSON Schema.
    pub(crate) schema: &'static str,
    /// As docs/policy.md shows it: with its value, where it has only one.
    pub(crate) written: &'static str,
    /// What it means, in Markdown. Empty where the page tells it in its own words.
    pub(crate) meaning: &'static str,
}

const fn key(name: &'static str, schema: &'static str) -> Key {
    Key { name, schema, written: name, meaning: "" }
}

/// `[[allow]]`.
pub(crate) const OF_ALLOW: [Key; 19] = [
    Key {
        name: "host",
        schema: r##"{ "description": "api.x.com, *.x.com (one label) or **.x.com (any depth).", "type": "string" }"##,
        written: "host",
        meaning: "required. `api.x.com` is exactly that; `*.x.com` one label below; `**.x.com` any depth. Neither star covers `x.com` itself, nor names where strangers can have theirs (by the [public suffix list](https://publicsuffix.org) and a list of clouds and services): `**.amazonaws.com` is no bucket below `s3.amazonaws.com`, `**.azure.com` no machine below `westeurope.cloudapp.azure.com`. No list is whole: name hosts exactly where a cloud's customers may be neighbours. An address is written as itself, IPv6 in brackets",
    },
    Key {
        name: "scheme",
        schema: r##"{ "enum": ["https", "http"] }"##,
        written: r##"scheme = "http""##,
        meaning: "plain http on port 80. Without it, https on 443",
    },
    Key {
        name: "ports",
        schema: r##"{ "$ref": "#/definitions/ports" }"##,
        written: "ports",
        meaning: "other ports: `[8443]`",
    },
    Key {
        name: "access",
        schema: r##"{ "description": "GET, HEAD and OPTIONS on every path.", "enum": ["read"] }"##,
        written: r##"access = "read""##,
        meaning: "GET, HEAD and OPTIONS on every path, but for a GET whose query holds a GraphQL mutation",
    },
    Key {
        name: "do",
        schema: r##"{ "$ref": "#/definitions/requests" }"##,
        written: "do",
        meaning: r##"or the requests one by one: `"METHOD /path"`, `*` for any method. COPY and MOVE cannot be named: they write to a second path. Exactly one of `access` and `do` is required"##,
    },
    Key {
        name: "query",
        schema: r##"{ "description": "The whole query, pair by pair; {} for none.", "type": "object", "additionalProperties": { "type": "string" } }"##,
        written: "query",
        meaning: r##"the whole query, pair by pair: `{ service = "git-upload-pack" }`; `{}` for no query at all. Without it, any query goes with an allowed path"##,
    },
    Key {
        name: "json",
        schema: r##"{ "$ref": "#/definitions/json" }"##,
        written: "json",
        meaning: "what a JSON body must be, see below",
    },
    Key {
        name: "websocket",
        schema: r##"{ "description": "Lets a WebSocket begin where GET is allowed.", "type": "boolean" }"##,
        written: "websocket = true",
        meaning: "a GET that the rule allows may go on as a WebSocket, with messages of up to 1 MiB; a sandbox has 64 at a time. Refused without it",
    },
    Key {
        name: "tls",
        schema: r##"{ "description": "tunnel: the connection goes through unopened.", "enum": ["tunnel"] }"##,
        written: r##"tls = "tunnel""##,
        meaning: "the connection goes through unopened, see below",
    },
    Key {
        name: "credential",
        schema: r##"{ "description": "The name of a credential in doorward.toml.", "type": "string" }"##,
        written: "credential",
        meaning: "the name of a credential in `doorward.toml`",
    },
    Key {
        name: "private",
        schema: r##"{ "description": "Networks off the public internet that the host may resolve to.", "type": "array", "items": { "type": "string" } }"##,
        written: "private",
        meaning: r##"networks that the host may resolve to though they are not on the public internet: `["192.168.1.20/32"]`. One exact host only"##,
    },
    Key {
        name: "model",
        schema: r##"{ "description": "This host is the agent's language model.", "type": "boolean" }"##,
        written: "model = true",
        meaning: "this host is the agent's language model: a surrogate may be quoted in a body",
    },
    Key {
        name: "opaque",
        schema: r##"{ "description": "Answers that nobody can look into pass unread: for exact paths only.", "type": "boolean" }"##,
        written: "opaque = true",
        meaning: "answers of a host with a credential that nobody can look into (an encrypted PDF, a 7z archive, a text in UTF-16) pass unread. One exact host, and in `do` exact methods and paths only; `policy check` warns. See [credentials](credentials.md#what-comes-back)",
    },
    Key {
        name: "hours",
        schema: r##"{ "description": "The rule holds only then, by the owner's clock: 07:00-21:00, or 22:00-06:00 over midnight.", "type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$" }"##,
        written: r##"hours = "07:00-21:00""##,
        meaning: "the rule holds only then, see below",
    },
    Key {
        name: "days",
        schema: r##"{ "description": "The days on which its hours begin.", "type": "array", "items": { "enum": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] } }"##,
        written: r##"days = ["mon", "tue"]"##,
        meaning: "and only on these days of the week, see below",
    },
    Key {
        name: "from",
        schema: r##"{ "description": "The rule holds from then on, by the owner's clock: 2026-12-05 08:00.", "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-5][0-9]$" }"##,
        written: r##"from = "2026-12-05 08:00""##,
        meaning: "the rule holds from then on, see below",
    },
    Key {
        name: "until",
        schema: r##"{ "description": "The rule ends then for good, by the owner's clock: 2026-12-05 22:00.", "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-5][0-9]$" }"##,
        written: r##"until = "2026-12-05 22:00""##,
        meaning: "the rule ends then for good, see below",
    },
    Key {
        name: "unasked",
        schema: r##"{ "description": "No [[ask]] binds these requests: for exact paths only.", "type": "boolean" }"##,
        written: r##"unasked = true"##,
        meaning: "no `[[ask]]` binds these requests: a yes for good. Without `credential` it does not count for requests to which another rule gives one. One exact host, and in `do` exact methods and paths only; in a group's own file",
    },
    Key {
        name: "why",
        schema: r##"{ "$ref": "#/definitions/why" }"##,
        written: "why",
        meaning: "one sentence for whoever reads a refusal or an explanation",
    },
];

/// What an `[[allow]]` may say and an `[[ask]]` not, and why.
pub(crate) const NEVER_ASKED: [(&str, &str); 4] = [
    ("websocket", "what follows in a WebSocket is not known when its owner is asked"),
    ("tls", "nobody looks into a tunnel, so there is nothing to ask about"),
    ("private", "nobody is asked about addresses that are not on the public internet"),
    ("unasked", "this rule is what asks"),
];

/// What an `[[allow]]` may say and one with `tls` not: it needs a look inside.
pub(crate) const NEVER_OF_A_TUNNEL: [&str; 10] =
    ["scheme", "access", "do", "query", "json", "websocket", "credential", "model", "opaque", "unasked"];

/// `[ask]`.
pub(crate) const OF_ASKING: [Key; 3] = [
    Key {
        name: "unlisted",
        schema: r##"{ "description": "Asks about hosts that no rule names instead of refusing them.", "type": "boolean" }"##,
        written: "unlisted = true",
        meaning: "a host that no rule names is asked about instead of refused: by its name, on the usual port",
    },
    Key {
        name: "hold",
        schema: r##"{ "description": "How long an asked request waits: 50s at most.", "type": "string" }"##,
        written: r##"hold = "20s""##,
        meaning: "how long a request waits for the answer: `50s` at most, and without it",
    },
    Key {
        name: "quiet",
        schema: r##"{ "description": "When nobody is asked, by the owner's clock: 22:00-07:00.", "type": "array", "items": { "type": "string" } }"##,
        written: r##"quiet = ["22:00-07:00"]"##,
        meaning: "when nobody is asked, by the owner's clock: what would be asked is refused",
    },
];

/// `[[deny]]`.
pub(crate) const OF_DENY: [Key; 5] = [
    key("host", r##"{ "type": "string" }"##),
    key("ports", r##"{ "$ref": "#/definitions/ports" }"##),
    key("do", r##"{ "$ref": "#/definitions/requests" }"##),
    key("json", r##"{ "$ref": "#/definitions/json" }"##),
    key("why", r##"{ "$ref": "#/definitions/why" }"##),
];

/// `[[say]]`.
pub(crate) const OF_SAY: [Key; 2] = [
    Key {
        name: "do",
        schema: r##"{ "$ref": "#/definitions/requests" }"##,
        written: "do",
        meaning: "the requests that it is about, as in an `[[allow]]`: of those that a rule of the same file covers",
    },
    Key {
        name: "text",
        schema: r##"{ "description": "One line; {1} is the segment of the first star, {query.name} a value of the query, {json.field} of a JSON body.", "type": "string" }"##,
        written: "text",
        meaning: "one line that goes on after \"The agent wants to\". `{1}` is the path segment in which the first star stands, `{2}` that of the second; `{query.name}` a value of the query; `{json.title}`, `{json.items[0].name}` a field of a JSON body. Each is shown as data, cut, with what hides made visible",
    },
];

/// `[[test]]`.
pub(crate) const OF_TEST: [Key; 4] = [
    key("request", r##"{ "description": "METHOD URL, like POST https://host/path.", "type": "string" }"##),
    key("body", r##"{ "description": "The body that conditions on JSON fields are asked about.", "type": "string" }"##),
    key(
        "at",
        r##"{ "description": "When it is asked: sat 22:00, 2026-12-01, 22:00. Without a date nothing is observed.", "type": "string" }"##,
    ),
    key("want", r##"{ "enum": ["allow", "ask", "deny"] }"##),
];

/// The top of a group's file.
pub(crate) const OF_GROUP: [Key; 10] = [
    key(
        "use",
        r##"{ "description": "Presets that ship with Doorward.", "type": "array", "items": { "type": "string" } }"##,
    ),
    key(
        "mode",
        r##"{ "description": "observe: lets hosts that no rule names through and marks them in the log, until observe_until.", "enum": ["observe"] }"##,
    ),
    key("observe_until", r##"{ "description": "The last day of observing, like 2026-12-31.", "type": "string" }"##),
    key(
        "leaks",
        r##"{ "description": "block: what only looks like a secret (a private key, a vendor's key, a card number) is refused.", "enum": ["block"] }"##,
    ),
    key("limits", r##"{ "$ref": "#/definitions/limits" }"##),
    key("allow", r##"{ "type": "array", "items": { "$ref": "#/definitions/allow" } }"##),
    key(
        "ask",
        r##"{ "description": "[[ask]]: what is asked about first. [ask]: how; beside an [[ask]] written as an [[ask]] of its own.", "anyOf": [{ "$ref": "#/definitions/asking" }, { "type": "array", "items": { "anyOf": [{ "$ref": "#/definitions/ask" }, { "$ref": "#/definitions/asking" }] } }] }"##,
    ),
    key("deny", r##"{ "type": "array", "items": { "$ref": "#/definitions/deny" } }"##),
    key("say", r##"{ "type": "array", "items": { "$ref": "#/definitions/say" } }"##),
    key("test", r##"{ "type": "array", "items": { "$ref": "#/definitions/test" } }"##),
];

/// `[limits]`.
pub(crate) const OF_LIMITS: [Key; 10] = [
    key("upload_per_day", r##"{ "$ref": "#/definitions/size" }"##),
    key("upload_per_request", r##"{ "$ref": "#/definitions/size" }"##),
    key("requests_per_minute", r##"{ "type": "integer" }"##),
    key("requests_per_day", r##"{ "type": "integer" }"##),
    key("new_names_per_day", r##"{ "description": "New names below a star, in a day.", "type": "integer" }"##),
    key("runs_per_day", r##"{ "description": "How often the agent is set to work, in a day.", "type": "integer" }"##),
    key("tokens_per_day", r##"{ "description": "Tokens of models, in a day.", "type": "integer" }"##),
    key("tokens_per_month", r##"{ "description": "Tokens of models, in a month.", "type": "integer" }"##),
    key("money_per_day", r##"{ "$ref": "#/definitions/money" }"##),
    key("money_per_month", r##"{ "$ref": "#/definitions/money" }"##),
];

/// The names of `[[allow]]`.
pub(crate) const ALLOW: [&str; 19] = names(&OF_ALLOW);
/// The names of `[[ask]]`.
pub(crate) const ASK: [&str; 15] = without(&ALLOW, &firsts(&NEVER_ASKED));
/// The names of an `[[allow]]` with `tls`.
pub(crate) const TUNNEL: [&str; 9] = without(&ALLOW, &NEVER_OF_A_TUNNEL);
/// The names of an `[[allow]]` of a skill.
const _: [&str; 15] = without(&ALLOW, &firsts(&NEVER_OF_A_SKILL));
/// The names of `[ask]`.
pub(crate) const ASKING: [&str; 3] = names(&OF_ASKING);
/// The names of `[[deny]]`.
pub(crate) const DENY: [&str; 5] = names(&OF_DENY);
/// The names of `[[say]]`.
pub(crate) const SAY: [&str; 2] = names(&OF_SAY);
/// The names of `[[test]]`.
pub(crate) const TEST: [&str; 4] = names(&OF_TEST);
/// The names at the top of a group's file.
pub(crate) const GROUP: [&str; 10] = names(&OF_GROUP);
/// The same of a preset's, which says nothing about the group.
pub(crate) const PRESET: [&str; 5] = ["allow", "ask", "deny", "say", "test"];
/// The same of a skill's, which only asks for what its owner is to accept: it takes nothing away.
pub(crate) const SKILL: [&str; 4] = ["allow", "ask", "say", "test"];
/// The same of base.toml's, which allows nothing.
pub(crate) const BASE: [&str; 4] = ["leaks", "limits", "deny", "test"];

/// What an `[[allow]]` or `[[ask]]` of a skill may not say, and why.
pub(crate) const NEVER_OF_A_SKILL: [(&str, &str); 4] = [
    ("tls", "nobody looks into a tunnel, so nobody could hold the skill to what was accepted"),
    ("model", "which host is the group's language model is for its own file to say"),
    ("opaque", "that answers pass unread is for the group's own file to say"),
    ("unasked", "that nobody is asked is for the group's own file to say"),
];

const fn names<const N: usize>(keys: &[Key; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = keys[at].name;
        at += 1;
    }
    names
}

/// Those that stand in no list of what never may: whoever adds a key says in each whether it may.
const fn without<const N: usize>(all: &[&'static str], never: &[&str]) -> [&'static str; N] {
    let mut names = [""; N];
    let (mut at, mut from) = (0, 0);
    while from < all.len() {
        if !is_one_of(never, all[from]) {
            names[at] = all[from];
            at += 1;
        }
        from += 1;
    }
    assert!(at == N, "each key may be said here, or stands among those that never may");
    names
}

const fn firsts<const N: usize>(pairs: &[(&'static str, &str); N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = pairs[at].0;
        at += 1;
    }
    names
}

const fn is_one_of(names: &[&str], name: &str) -> bool {
    let mut at = 0;
    while at < names.len() {
        if is_same(names[at].as_bytes(), name.as_bytes()) {
            return true;
        }
        at += 1;
    }
    false
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// Every key of an `[[ask]]`.
pub fn of_ask() -> impl Iterator<Item = &'static Key> {
    of_allow().filter(|key| ASK.contains(&key.name))
}

/// Every key of an `[[allow]]` with `tls`.
pub fn of_tunnel() -> impl Iterator<Item = &'static Key> {
    of_allow().filter(|key| TUNNEL.contains(&key.name))
}

/// Every key of an `[[allow]]`.
pub fn of_allow() -> impl Iterator<Item = &'static Key> {
    const { &OF_ALLOW }.iter()
}

/// The table of an `[[allow]]` in docs/policy.md.
pub fn table_of_allow() -> String {
    table_of(&OF_ALLOW)
}

/// What docs/policy.md says of `tls = "tunnel"`.
pub fn sentence_of_tunnel() -> String {
    let names: Vec<_> = of_tunnel().filter(|key| key.name != "tls").map(|key| format!("`{}`", key.name)).collect();
    let (last, others) = names.split_last().map_or(("", &[][..]), |(last, others)| (last.as_str(), others));
    format!("Only {} and {last} can be combined with it.", others.join(", "))
}

/// The table of `[ask]` there.
pub fn table_of_asking() -> String {
    table_of(&OF_ASKING)
}

/// The table of a `[[say]]` there.
pub fn table_of_say() -> String {
    table_of(&OF_SAY)
}

fn table_of(keys: &[Key]) -> String {
    let row = |key: &Key| format!("| `{}` | {} |\n", key.written, key.meaning);
    let rows: String = keys.iter().map(row).collect();
    format!("| key | meaning |\n| --- | --- |\n{rows}")
}

/// What may stand in a group's file.
pub(crate) static OF_A_GROUP: Vocabulary = with_top(&GROUP);
/// What may stand in a preset.
pub(crate) static OF_A_PRESET: Vocabulary = with_top(&PRESET);
/// What may stand in a skill's file.
pub(crate) static OF_A_SKILL: Vocabulary = with_top(&SKILL);
/// What may stand in base.toml.
pub(crate) static OF_THE_BASE: Vocabulary = with_top(&BASE);

const fn with_top(top: &'static [&'static str]) -> Vocabulary {
    Vocabulary { top, tables: &TABLES, synonyms: &SYNONYMS, planned: &[] }
}

static TABLES: [TableKeys; 7] = [
    TableKeys { header: "[limits]", keys: &Limits::NAMES },
    TableKeys { header: "[[allow]]", keys: &ALLOW },
    TableKeys { header: "[[ask]]", keys: &ASK },
    TableKeys { header: "[ask]", keys: &ASKING },
    TableKeys { header: "[[deny]]", keys: &DENY },
    TableKeys { header: "[[say]]", keys: &SAY },
    TableKeys { header: "[[test]]", keys: &TEST },
];

static SYNONYMS: [(&str, &str); 23] = [
    ("method", "do"),
    ("methods", "do"),
    ("path", "do"),
    ("paths", "do"),
    ("request", "do"),
    ("requests", "do"),
    ("url", "host"),
    ("domain", "host"),
    ("address", "host"),
    ("reason", "why"),
    ("comment", "why"),
    ("because", "why"),
    ("preset", "use"),
    ("presets", "use"),
    ("import", "use"),
    ("include", "use"),
    ("expect", "want"),
    ("begins", "from"),
    ("start", "from"),
    ("starts", "from"),
    ("since", "from"),
    ("expires", "until"),
    ("end", "until"),
];
