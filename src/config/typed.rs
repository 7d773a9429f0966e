//! `doorward.toml` and `groups/NAME.toml` as typed: shapes and spans, nothing checked.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) assistant: Assistant,
    pub(super) engine: Engine,
    pub(super) queue: Queue,
    pub(super) upstream: Upstream,
    pub(super) alarm: Alarm,
    pub(super) audit: Audit,
    pub(super) messages: Messages,
    pub(super) channels: Channels,
    pub(super) credentials: BTreeMap<Spanned<String>, Credential>,
    pub(super) canaries: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Assistant {
    pub(super) name: Option<Spanned<String>>,
    pub(super) time_zone: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Engine {
    pub(super) host: Option<Spanned<String>>,
    pub(super) runtime: Option<Spanned<String>>,
    pub(super) image: Option<Spanned<String>>,
    pub(super) memory: Option<Spanned<String>>,
    pub(super) cpus: Option<Spanned<f64>>,
    pub(super) pids: Option<Spanned<i64>>,
    pub(super) disk: Option<Spanned<String>>,
    pub(super) files: Option<Spanned<i64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Queue {
    pub(super) sandboxes: Option<Spanned<i64>>,
    pub(super) idle: Option<Spanned<String>>,
    pub(super) longest: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Channels {
    pub(super) whatsapp: Whatsapp,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Whatsapp {
    pub(super) enabled: bool,
    pub(super) program: Option<Spanned<String>>,
    pub(super) mode: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Upstream {
    pub(super) resolver: Option<Spanned<String>>,
    pub(super) extra_ca: Vec<Spanned<String>>,
    pub(super) crl: Vec<Spanned<String>>,
    pub(super) hosts: BTreeMap<Spanned<String>, Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Alarm {
    pub(super) command: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Audit {
    pub(super) keep_days: Option<Spanned<i64>>,
    pub(super) keep_size: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Messages {
    pub(super) keep_days: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    pub(super) secret: Spanned<String>,
    pub(super) lifetime: Option<Spanned<String>>,
    pub(super) hosts: Spanned<Vec<Spanned<String>>>,
    pub(super) place: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) harmless: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) only: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) env: Option<Spanned<String>>,
    pub(super) prefix: Option<Spanned<String>>,
    pub(super) shape: Option<Spanned<String>>,
    pub(super) oauth: Option<OAuth>,
    #[serde(default)]
    pub(super) mints: Vec<Mint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mint {
    #[serde(rename = "do")]
    pub(super) requests: Spanned<Vec<Spanned<String>>>,
    pub(super) fields: Spanned<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OAuth {
    pub(super) token: Spanned<String>,
    pub(super) client_id: Spanned<String>,
    pub(super) client_secret: Option<Spanned<String>>,
    pub(super) refresh_env: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) json: bool,
    pub(super) private: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Group {
    pub(super) agent: Option<Spanned<String>>,
    pub(super) model: Option<Spanned<String>>,
    pub(super) trigger: Option<Spanned<String>>,
    pub(super) image: Option<Spanned<String>>,
    pub(super) limits: Limits,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) memory: Option<Spanned<String>>,
    pub(super) cpus: Option<Spanned<f64>>,
    pub(super) pids: Option<Spanned<i64>>,
    pub(super) open_files: Option<Spanned<i64>>,
    pub(super) disk: Option<Spanned<String>>,
    pub(super) files: Option<Spanned<i64>>,
}
