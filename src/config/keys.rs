//! The keys that `doorward.toml` and `groups/NAME.toml` may have, each described once: the readers' lists,
//! the tables of docs/configuration.md and the help of `doorward group set` are made of this.

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it stands in the file.
    pub name: &'static str,
    /// What its value may be, as it is written.
    pub value: &'static str,
    /// What it means, in Markdown.
    pub meaning: &'static str,
}

const fn key(name: &'static str, value: &'static str, meaning: &'static str) -> Key {
    Key { name, value, meaning }
}

pub(super) const OF_ASSISTANT: [Key; 2] = [
    key("name", r#""Doorward""#, "how people call the assistant: `@Doorward`"),
    key("time_zone", r#""Europe/Berlin""#, "of times, days and limits; otherwise the machine's"),
];
pub(super) const OF_CHAT: [Key; 1] =
    [key("language", r#""en", "de", "ar""#, "what Doorward itself says in chats; otherwise English")];
pub(super) const OF_OWNER: [Key; 1] = [key(
    "identities",
    r#"["491701234567@s.whatsapp.net"]"#,
    "who you are in a main group of several people; see [being asked](asking.md)",
)];
pub(super) const OF_ABSENCE: [Key; 1] = [key(
    "after",
    r#""14d""#,
    "without a word of yours for this long, groups reach their models alone, 1h to 3650d; otherwise never; see [being asked](asking.md)",
)];
pub(super) const OF_ENGINE: [Key; 8] = [
    key("host", r#""unix:///var/run/docker.sock""#, "the container engine; otherwise the first in the usual places"),
    key("runtime", r#""runsc""#, "the engine's runtime for sandboxes; otherwise its own"),
    key("image", r#""my/image:1""#, "of shell groups that name none; otherwise Doorward's base image"),
    key("memory", r#""2 GiB""#, "of one sandbox; B, kB, MB, GB, KiB, MiB, GiB, in any case"),
    key("cpus", "2.0", "processors of one sandbox, 0.1 to 1024"),
    key("pids", "512", "processes and threads of one sandbox, 16 to 4194304"),
    key("disk", r#""20 GB""#, "of a group's folder and its agent's home, together"),
    key("files", "1000000", "how many files they may hold, 100 to 1000000000"),
];
pub(super) const OF_QUEUE: [Key; 3] = [
    key("sandboxes", "3", "at most this many at once, 1 to 1000; the main group gets one more"),
    key("idle", r#""10m""#, r#"a sandbox with nothing to do is closed after this time; "90s", "2h", "1d""#),
    key("longest", r#""1h""#, "a run that takes longer is ended, and its chat told"),
];
pub(super) const OF_UPSTREAM: [Key; 4] = [
    key(
        "resolver",
        r#""system", "1.1.1.1", "https://1.1.1.1/dns-query""#,
        "who resolves the names of hosts; see below",
    ),
    key("extra_ca", r#"["home-ca.pem"]"#, "certificate authorities beside the usual ones, relative to this file"),
    key("crl", r#"["home-ca.crl"]"#, "lists of revoked certificates; see below"),
    key(
        "hosts",
        r#"{ "nas.home" = "192.168.1.20" }"#,
        r#"names with addresses of your choice, also with a port: "127.0.0.1:8443""#,
    ),
];
pub(super) const OF_ALARM: [Key; 1] = [key(
    "command",
    r#"["/usr/local/bin/tell-me", "doorward"]"#,
    "run for each alarm, without a shell; see [the audit log](audit.md)",
)];
pub(super) const OF_AUDIT: [Key; 2] = [
    key("keep_days", "400", "older records are removed first, 2 to 36500"),
    key("keep_size", r#""2 GiB""#, "and when the log is larger than this"),
];
pub(super) const OF_MESSAGES: [Key; 1] =
    [key("keep_days", "400", "messages, runs and answers leave after this, 2 to 36500; open ones stay")];
pub(super) const OF_DIGEST: [Key; 1] = [key(
    "at",
    r#""08:00", "off""#,
    "when the main chat hears of the day, in the owner's zone; see [limits](limits.md)",
)];
pub(super) const OF_PRICE: [Key; 4] = [
    key("input", "3.00", "US dollars for a million tokens that are sent"),
    key("output", "15.00", "for a million that come back"),
    key("cache_read", "0.30", "for a million that were read from the model's cache"),
    key("cache_write", "3.75", "for a million that were put there"),
];
pub(super) const OF_PRIVACY: [Key; 1] = [key(
    "notice",
    r#""…", "off""#,
    "what a chat of several people hears once; otherwise Doorward's own words; see [people](people.md)",
)];
pub(super) const OF_MOUNTS: [Key; 3] = [
    key("read", r#"["~/notes"]"#, "folders below which groups may mount, to read"),
    key("write", r#"["~/shared"]"#, "folders below which one group may mount, to write"),
    key("refuse", r#"["*.kdbx"]"#, "names of files that are refused, beside those that always are"),
];
pub(super) const OF_CHANNELS: [Key; 1] = [key("whatsapp", "[channels.whatsapp]", "see there")];
pub(super) const OF_WHATSAPP: [Key; 3] = [
    key("enabled", "true", "otherwise WhatsApp is not started"),
    key("program", r#""bin/doorward-whatsapp""#, "otherwise next to doorward itself, relative to this file"),
    key("mode", r#""own-number", "self-chat""#, "whose account it is: the assistant's own, or yours"),
];
pub(super) const OF_CREDENTIAL: [Key; 11] = [
    key(
        "secret",
        r#""file:secrets/github""#,
        "where the secret is: `file:`, `env:`, `command:` or `keyring:`; required",
    ),
    key("lifetime", r#""5m""#, "how long what a `command:` printed is kept"),
    key("hosts", r#"["api.github.com"]"#, "the only hosts that it may go to; required"),
    key("place", r#"["header:authorization"]"#, "where in a request it stands"),
    key("harmless", r#"["header:x-request-id"]"#, "what else may look like a key there and is none"),
    key("only", r#"["GET /user"]"#, "the only requests on which it is put"),
    key("env", r#""GITHUB_TOKEN""#, "the variable that shows a sandbox its surrogate"),
    key("prefix", r#""ghp_""#, "how a surrogate begins; otherwise as the secret does"),
    key("shape", r#""hex""#, "the letters of a surrogate; otherwise those of the secret"),
    key("oauth", "[credentials.NAME.oauth]", "the secret is a refresh token of OAuth 2"),
    key("mints", "[[credentials.NAME.mints]]", "answers that bring new keys, which the door keeps"),
];
pub(super) const OF_MINTS: [Key; 2] = [
    key("do", r#"["POST /keys"]"#, "the requests whose answers bring keys; required"),
    key("fields", r#"["token"]"#, "the fields of the answer that hold them; required"),
];
pub(super) const OF_OAUTH: [Key; 6] = [
    key(
        "token",
        r#""https://oauth2.example.com/token""#,
        "the token endpoint: an https address without query; required",
    ),
    key("client_id", r#""my-client""#, "the client that the token was issued to; required"),
    key("client_secret", r#""file:secrets/client""#, "where that client's secret is, if it has one"),
    key("refresh_env", r#""REFRESH_TOKEN""#, "the variable in which a sandbox finds a surrogate of the refresh token"),
    key("json", "true", "the endpoint expects JSON instead of a form"),
    key("private", r#"["192.168.1.20/32"]"#, "networks that the endpoint may be in though they are not public"),
];
/// The keys at the top of `doorward.toml`.
pub(super) const OF_SETTINGS: [&str; 17] = [
    "assistant",
    "chat",
    "owner",
    "absence",
    "engine",
    "queue",
    "upstream",
    "alarm",
    "audit",
    "messages",
    "mounts",
    "digest",
    "privacy",
    "channels",
    "credentials",
    "prices",
    "canaries",
];

/// The top of a group's file.
pub(crate) const OF_GROUP: [Key; 9] = [
    key(
        "agent",
        r#""claude", "opencode", "codex", "acp", "shell""#,
        "who answers: Claude Code, opencode, Codex, another that speaks ACP, or a shell that takes each message as a command",
    ),
    key(
        "agents",
        r#"["claude", "opencode"]"#,
        "instead of `agent`, several: the next answers where the model of the one before is overloaded or out of credit",
    ),
    key("model", r#""sonnet""#, "its model, as the agent names it; otherwise its own choice"),
    key("endpoint", r#""http://nas:11434/v1""#, "the server of opencode's model, where it is one of yours"),
    key("command", r#"["goose", "acp"]"#, "how `acp` is started"),
    key(
        "trigger",
        r#""name", "always", "@Bob""#,
        "what is answered in a chat of several people: when it is called, all, or when it is called by this name as well",
    ),
    key("language", r#""en", "de", "ar""#, "what Doorward itself says in this chat; otherwise as `[chat]` says"),
    key(
        "image",
        r#""tools", "my/own-image:1""#,
        "the image of its sandboxes: one of [yours](agents.md), or one that the engine has; otherwise the agent's own",
    ),
    key("keep_days", "90", "for how many days its messages are kept; otherwise as `[messages]` says"),
];
/// The top of an image's file.
pub(crate) const OF_IMAGE: [Key; 1] = [key(
    "from",
    r#""base", "claude", "opencode", "codex""#,
    "which of Doorward's images it begins with; otherwise the base image; see [agents](agents.md)",
)];
/// `[models]` of a group's file.
pub(super) const OF_GROUP_MODELS: [Key; 4] = [
    key("claude", r#""sonnet""#, "the model of this one among `agents`; `model` is that of the first"),
    key("opencode", r#""mistral/mistral-large-latest""#, "likewise"),
    key("codex", r#""gpt-5.2-codex""#, "likewise"),
    key("acp", r#""a-model""#, "likewise"),
];
/// `[helpers]` of a group's file.
pub(super) const OF_GROUP_HELPERS: [Key; 3] = [
    key("most", "3", "helpers that its agent may have at once, 0 to 8; see [agents](agents.md)"),
    key("minutes", "10", "how long one of them may take, 1 to 60"),
    key("voices", "true", "the chat hears what each has found; otherwise the agent alone"),
];
/// `[[mcp]]` of a group's file.
pub(super) const OF_MCP: [Key; 5] = [
    key("name", r#""notes""#, "what agents call it; not `doorward`"),
    key("command", r#"["/workspace/extra/tools/notes"]"#, "a program in the sandbox, and its arguments"),
    key("environment", r#"{ NOTES = "/workspace/group" }"#, "variables for that program"),
    key("url", r#""https://mcp.example.com/mcp""#, "instead of a program: a host, which the policy must allow"),
    key("token", r#""CALENDAR_TOKEN""#, "the variable (`env` of a credential) whose value is sent there as a bearer"),
];
/// `[privacy]` of a group's file.
pub(super) const OF_GROUP_PRIVACY: [Key; 1] =
    [key("people", r#""names", "stand-ins""#, "how the model hears of the group's people; see [people](people.md)")];
/// `[[mount]]` of a group's file.
pub(super) const OF_MOUNT: [Key; 5] = [
    key("path", r#""~/notes""#, "a folder of this machine, below one of those in `[mounts]`"),
    key("name", r#""notes""#, "what it is called inside; otherwise its own name"),
    key("write", "true", "whether it may be written; by one group at most"),
    key("copy", "true", "each sandbox reads a copy of its own"),
    key("known", r#"["keys/public.pem"]"#, "files in it that look like secrets and are known to be none"),
];
/// `[limits]` of a group's file.
pub(crate) const OF_GROUP_LIMITS: [Key; 6] = [
    key("memory", r#""2 GiB""#, "memory of one sandbox; Claude Code wants 512 MiB at least"),
    key("cpus", "2", "processors of one sandbox"),
    key("pids", "512", "processes and threads of one sandbox"),
    key("open_files", "4096", "open files of one process, 64 to 1048576"),
    key("disk", r#""20 GB""#, "what the group may keep in its folders"),
    key("files", "1000000", "and in how many files"),
];

/// The names of keys, for whoever reads them.
pub(crate) const fn names<const N: usize>(keys: &[Key; N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut at = 0;
    while at < N {
        names[at] = keys[at].name;
        at += 1;
    }
    names
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fmt::Write as _;
    use std::path::Path;

    use super::super::{Config, GroupSettings};
    use super::*;

    /// A table with its keys.
    #[derive(Debug)]
    struct Table {
        /// How it is written: `[engine]`.
        header: &'static str,
        /// Its keys.
        keys: &'static [Key],
    }

    /// Every table of `doorward.toml`.
    static SETTINGS: [Table; 19] = [
        Table { header: "[assistant]", keys: &OF_ASSISTANT },
        Table { header: "[chat]", keys: &OF_CHAT },
        Table { header: "[owner]", keys: &OF_OWNER },
        Table { header: "[absence]", keys: &OF_ABSENCE },
        Table { header: "[engine]", keys: &OF_ENGINE },
        Table { header: "[queue]", keys: &OF_QUEUE },
        Table { header: "[upstream]", keys: &OF_UPSTREAM },
        Table { header: "[alarm]", keys: &OF_ALARM },
        Table { header: "[audit]", keys: &OF_AUDIT },
        Table { header: "[messages]", keys: &OF_MESSAGES },
        Table { header: "[mounts]", keys: &OF_MOUNTS },
        Table { header: "[digest]", keys: &OF_DIGEST },
        Table { header: "[privacy]", keys: &OF_PRIVACY },
        Table { header: "[prices.\"MODEL\"]", keys: &OF_PRICE },
        Table { header: "[channels.whatsapp]", keys: &OF_WHATSAPP },
        Table { header: "[credentials.NAME]", keys: &OF_CREDENTIAL },
        Table { header: "[[credentials.NAME.mints]]", keys: &OF_MINTS },
        Table { header: "[credentials.NAME.oauth]", keys: &OF_OAUTH },
        Table {
            header: "[canaries]",
            keys: &[key(
                "NAME",
                r#""file:bait.txt""#,
                "a bait: a text that nobody has a reason to send; see [credentials](credentials.md)",
            )],
        },
    ];

    /// Every table of `groups/NAME.toml`.
    static GROUP: [Table; 7] = [
        Table { header: "", keys: &OF_GROUP },
        Table { header: "[limits]", keys: &OF_GROUP_LIMITS },
        Table { header: "[models]", keys: &OF_GROUP_MODELS },
        Table { header: "[helpers]", keys: &OF_GROUP_HELPERS },
        Table { header: "[privacy]", keys: &OF_GROUP_PRIVACY },
        Table { header: "[[mount]]", keys: &OF_MOUNT },
        Table { header: "[[mcp]]", keys: &OF_MCP },
    ];

    /// Every table of `images/NAME/image.toml`.
    static IMAGE: [Table; 1] = [Table { header: "", keys: &OF_IMAGE }];

    /// Tables of a page.
    fn page(tables: &[Table]) -> String {
        let mut page = String::new();
        for Table { header, keys } in tables {
            let what = if header.is_empty() { "At the top:".to_owned() } else { format!("`{header}`") };
            // Writing to a String cannot fail, here and below.
            let _ = writeln!(page, "{what}\n\n| key | like | meaning |\n| --- | --- | --- |");
            for Key { name, value, meaning } in *keys {
                let _ = writeln!(page, "| `{name}` | `{value}` | {meaning} |");
            }
            page.push('\n');
        }
        page
    }

    const OF_IMAGES: &str = "## Every key of images/NAME/image.toml";

    /// `UPDATE=1` writes the page.
    #[test]
    fn the_page_has_every_key() {
        let path = format!("{}/docs/configuration.md", env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(&path).unwrap();
        let between = |page: &str, head: &str, next: &str, tables: &[Table]| {
            let (before, rest) = page.split_once(head).unwrap();
            let (_, after) = rest.split_once(next).unwrap();
            format!("{before}{head}\n\n{}{next}{after}", self::page(tables))
        };
        let want = between(&page, "## Every key of doorward.toml", "## Every key of groups/NAME.toml", &SETTINGS);
        let want = between(&want, "## Every key of groups/NAME.toml", OF_IMAGES, &GROUP);
        let want = between(&want, OF_IMAGES, "## Names and certificates", &IMAGE);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &want).unwrap();
        } else {
            assert!(page == want, "docs/configuration.md is not what the keys say; UPDATE=1 writes it:\n{want}");
        }
    }

    /// What has to stand beside a key for its example to be right.
    fn beside(header: &str, key: &str) -> &'static [(&'static str, &'static str)] {
        match (header, key) {
            ("[credentials.NAME]", "lifetime") => &[("secret", r#""command:print-it""#), ("hosts", r#"["a.example"]"#)],
            ("[credentials.NAME]", _) => &[("secret", r#""file:secrets/a""#), ("hosts", r#"["a.example"]"#)],
            ("[[credentials.NAME.mints]]", _) => &[("do", r#"["POST /a"]"#), ("fields", r#"["a"]"#)],
            ("[credentials.NAME.oauth]", _) => &[("token", r#""https://a.example/token""#), ("client_id", r#""a""#)],
            ("[prices.\"MODEL\"]", _) => &[("input", "1.00"), ("output", "1.00")],
            ("[[mount]]", _) => &[("path", r#""/srv/a""#)],
            ("[[mcp]]", "url") => &[("name", r#""a""#)],
            ("[[mcp]]", "token") => &[("name", r#""a""#), ("url", r#""https://a.example/mcp""#)],
            ("[[mcp]]", _) => &[("name", r#""a""#), ("command", r#"["/a"]"#)],
            ("", "model") => &[("agent", r#""claude""#)],
            ("", "endpoint") => &[("agent", r#""opencode""#), ("model", r#""a""#)],
            ("", "command") => &[("agent", r#""acp""#), ("image", r#""a:1""#)],
            _ => &[],
        }
    }

    /// A file with this line and what has to stand beside it.
    fn file(of: &str, key: &str, example: &str) -> String {
        let mut text = String::new();
        if of.starts_with("[[credentials") || of.ends_with("oauth]") {
            text.push_str("[credentials.github]\nsecret = \"file:secrets/a\"\nhosts = [\"a.example\"]\n");
        }
        if of == "[models]" {
            let other = if key == "claude" { "opencode" } else { "claude" };
            let _ = writeln!(text, "agents = [\"{other}\", \"{key}\"]");
        }
        if (of, key) == ("[models]", "acp") {
            text.push_str("command = [\"goose\", \"acp\"]\nimage = \"a:1\"\n");
        }
        let (header, name) = (of.replace("NAME", "github"), key.replace("NAME", "letter"));
        let _ = writeln!(text, "{header}\n{name} = {example}");
        for (other, value) in beside(of, key).iter().filter(|(other, _)| *other != key) {
            let _ = writeln!(text, "{other} = {value}");
        }
        if (key, example) == ("agent", r#""acp""#) {
            text.push_str("command = [\"goose\", \"acp\"]\nimage = \"a:1\"\n");
        }
        text
    }

    /// The examples of a key; none where its value is a table of its own.
    fn examples(key: &Key) -> Vec<String> {
        if SETTINGS.iter().any(|table| table.header == key.value) {
            return Vec::new();
        }
        let list: toml_edit::Value = format!("[{}]", key.value).parse().unwrap();
        list.as_array().unwrap().iter().map(|one| one.to_string().trim().to_owned()).collect()
    }

    #[test]
    fn an_example_is_what_the_reader_takes() {
        let settings = |text: &str| Config::parse("doorward.toml", text, Path::new("/")).err();
        let group = |text: &str| GroupSettings::parse("groups/family.toml", text).err();
        let mut read = 0;
        for (table, of_group) in SETTINGS.iter().map(|one| (one, false)).chain(GROUP.iter().map(|one| (one, true))) {
            for (key, example) in table.keys.iter().flat_map(|key| examples(key).into_iter().map(move |one| (key, one)))
            {
                let text = file(table.header, key.name, &example);
                let wrong = if of_group { group(&text) } else { settings(&text) };
                assert!(wrong.is_none(), "{}\n{text}", wrong.map(|why| why.to_string()).unwrap_or_default());
                // The line is read, and not passed over.
                let broken = file(table.header, key.name, "{ nothing = [{ of = 1979-05-27 }] }");
                assert!(if of_group { group(&broken) } else { settings(&broken) }.is_some(), "{broken}");
                read += 1;
            }
        }
        assert!(read > 80, "{read}");
    }

    #[test]
    fn a_table_is_no_key_of_another() {
        let tables: Vec<&str> = SETTINGS.iter().map(|table| table.header.trim_matches(['[', ']'])).collect();
        for top in OF_SETTINGS {
            assert!(tables.iter().any(|table| table.split('.').next() == Some(top)), "{top} has a table");
        }
    }
}
