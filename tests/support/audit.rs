//! The log as `doorward audit --json` shows it.

use serde_json::Value;

use super::Ran;

/// Records, oldest first.
#[derive(Debug)]
pub struct Audit(pub Vec<Value>);

impl Audit {
    #[track_caller]
    pub(super) fn read(ran: &Ran) -> Self {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Audit(ran.out.lines().map(parse).collect())
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
