//! The JSON Schema for editors (docs/policy.schema.json), made from the keys.

use crate::keys::{Key, OF_ALLOW, OF_ASKING, OF_DENY, OF_GROUP, OF_LIMITS, OF_SAY, OF_TEST, of_ask};

/// Definitions shared by several keys.
const SHARED: &str = r##"    "size": { "description": "A whole number and a unit: 20 MB, 1 MiB.", "type": "string", "pattern": "^[0-9]+ *([kKmMgG][iI]?)?[bB] *$" },
    "money": { "description": "What models cost, in US dollars: 2 USD, 0.50 USD.", "type": "string", "pattern": "^ *[0-9]+(\\.[0-9]{1,6})? *(USD|usd) *$" },
    "ports": { "type": "array", "items": { "type": "integer" } },
    "requests": { "description": "METHOD /path; * for any method, * within a segment, ** for any segments. %2F, %25 and // are covered only where they are spelt.", "type": "array", "items": { "type": "string" } },
    "why": { "description": "One sentence for whoever reads a refusal.", "type": "string" },
    "json": {
      "description": "Fields of a JSON body (tools[*].type) and what they may be.",
      "type": "object",
      "additionalProperties": {
        "anyOf": [
          { "enum": ["absent", "present"] },
          {
            "type": "object",
            "additionalProperties": false,
            "properties": {
              "not": { "$ref": "#/definitions/values" },
              "only": { "$ref": "#/definitions/values" },
              "any": { "$ref": "#/definitions/values" }
            }
          }
        ]
      }
    },
    "values": { "type": "array", "items": { "type": ["string", "boolean"] } }"##;

/// The schema of a group's file.
pub fn schema() -> String {
    let tables = [
        table("limits", "How much may leave, over time.", &[], &OF_LIMITS),
        table("allow", "What may be reached. Needs access or do, or tls.", &["host"], &OF_ALLOW),
        table("ask", "What its owner is asked about first. Needs access or do.", &["host"], of_ask()),
        table("asking", "How its owner is asked.", &[], &OF_ASKING),
        table("deny", "What is refused, whatever allows it. Without do: the whole host.", &["host"], &OF_DENY),
        table("say", "What requests do, in a sentence.", &["do", "text"], &OF_SAY),
        table("test", "Run whenever the file is loaded.", &["request", "want"], &OF_TEST),
    ];
    format!(
        r##"{{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "title": "Doorward policy",
  "description": "What one group may reach. See docs/policy.md.",
  "type": "object",
  "additionalProperties": false,
  "properties": {{
{}
  }},
  "definitions": {{
{},
{SHARED}
  }}
}}
"##,
        properties(&OF_GROUP, 4),
        tables.join(",\n")
    )
}

fn table<'a>(name: &str, description: &str, required: &[&str], keys: impl IntoIterator<Item = &'a Key>) -> String {
    let required = match required {
        [] => String::new(),
        names => format!("      \"required\": [\"{}\"],\n", names.join("\", \"")),
    };
    format!(
        "    \"{name}\": {{\n      \"description\": \"{description}\",\n      \"type\": \"object\",\n      \
         \"additionalProperties\": false,\n{required}      \"properties\": {{\n{}\n      }}\n    }}",
        properties(keys, 8)
    )
}

fn properties<'a>(keys: impl IntoIterator<Item = &'a Key>, indent: usize) -> String {
    let line = |key: &Key| format!("{:indent$}\"{}\": {}", "", key.name, key.schema);
    keys.into_iter().map(line).collect::<Vec<_>>().join(",\n")
}

#[cfg(test)]
mod tests;
