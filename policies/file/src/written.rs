//! Rules written down again, as a file says them.

use policies::{Condition, Wanted, Words};

/// `query = { service = "x" }`
pub(crate) fn query(pairs: &[(String, String)]) -> String {
    let all: Vec<_> = pairs.iter().map(|(key, value)| format!("{} = {}", quoted(key), quoted(value))).collect();
    if all.is_empty() { "query = {}".to_owned() } else { format!("query = {{ {} }}", all.join(", ")) }
}

/// `json = { "a.b" = { not = ["x"] } }`
pub(crate) fn json(conditions: &[Condition]) -> String {
    let all: Vec<_> = conditions.iter().map(condition).collect();
    format!("json = {{ {} }}", all.join(", "))
}

fn condition(condition: &Condition) -> String {
    let list = |wanted: &[Wanted]| {
        let one = |wanted: &Wanted| match wanted {
            Wanted::Text(text) => quoted(text),
            Wanted::Bool(value) => value.to_string(),
        };
        wanted.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let said = match &condition.words {
        Words::Not(wanted) => format!("{{ not = [{}] }}", list(wanted)),
        Words::Only(wanted) => format!("{{ only = [{}] }}", list(wanted)),
        Words::Any(wanted) => format!("{{ any = [{}] }}", list(wanted)),
        Words::Absent => "\"absent\"".to_owned(),
        Words::Present => "\"present\"".to_owned(),
    };
    format!("{} = {said}", quoted(&condition.field.to_string()))
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
