//! The log as `doorward audit --json` shows it.

use serde_json::Value;

use super::Ran;

/// Records of requests, oldest first; and of what happened besides.
#[derive(Debug)]
pub struct Audit(pub Vec<Value>, pub Vec<Value>);

impl Audit {
    #[track_caller]
    pub(super) fn read(ran: &Ran) -> Self {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let (events, requests) = ran.out.lines().map(parse).partition(|record: &Value| record["what"].is_string());
        Audit(requests, events)
    }

    /// The words of what happened besides requests, of one kind.
    pub fn events(&self, what: &str) -> Vec<&str> {
        let of_kind = self.1.iter().filter(|event| event["what"] == what);
        of_kind.map(|event| event["text"].as_str().unwrap_or_default()).collect()
    }

    /// Those in which a field has this value.
    pub fn with(&self, field: &str, value: &str) -> Vec<&Value> {
        self.0.iter().filter(|record| record[field] == value).collect()
    }

    /// The one in which a field has this value.
    #[track_caller]
    pub fn only(&self, field: &str, value: &str) -> &Value {
        let found = self.with(field, value);
        assert_eq!(found.len(), 1, "records with {field} = {value}: {self:#?}");
        found[0]
    }
}
