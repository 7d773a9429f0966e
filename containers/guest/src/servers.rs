//! MCP servers in each agent's format: the daemon's own, under a reserved name, and the owner's.

use std::env;

use serde_json::{Map, Value, json};

use crate::protocol::{McpPlace, McpServer};

/// The daemon's own.
const DOORWARD: (&str, &str) = ("doorward", "http://doorward.internal/mcp");

/// Connects to it for agents that do not support MCP over HTTP.
const BRIDGE: &str = "/opt/doorward/guest";

/// For Claude Code's `--mcp-config`.
pub(crate) fn for_claude(servers: &[McpServer]) -> Value {
    let (name, url) = DOORWARD;
    let mut all = Map::from_iter([(name.to_owned(), json!({ "type": "http", "url": url }))]);
    for McpServer { name, place } in servers {
        let told = match place {
            McpPlace::Program { command, environment } => {
                let (program, arguments) = parts(command);
                json!({ "type": "stdio", "command": program, "args": arguments, "env": environment })
            }
            McpPlace::Host { url, token } => {
                let headers: Map<String, Value> = bearer(token.as_deref())
                    .map(|value| ("Authorization".to_owned(), json!(value)))
                    .into_iter()
                    .collect();
                json!({ "type": "http", "url": url, "headers": headers })
            }
        };
        all.insert(name.clone(), told);
    }
    json!({ "mcpServers": all })
}

/// For ACP's `mcpServers`. `http`: whether the agent said that it supports MCP over HTTP.
pub(crate) fn for_acp(servers: &[McpServer], http: bool) -> Value {
    let (name, url) = DOORWARD;
    let own = match http {
        true => json!({ "type": "http", "name": name, "url": url, "headers": [] }),
        false => json!({ "name": name, "command": BRIDGE, "args": ["mcp"], "env": [] }),
    };
    let owners = servers.iter().filter_map(|McpServer { name, place }| match place {
        McpPlace::Program { command, environment } => {
            let (program, arguments) = parts(command);
            let environment: Vec<Value> =
                environment.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
            Some(json!({ "name": name, "command": program, "args": arguments, "env": environment }))
        }
        McpPlace::Host { url, token } if http => {
            let headers: Vec<Value> = bearer(token.as_deref())
                .map(|value| json!({ "name": "Authorization", "value": value }))
                .into_iter()
                .collect();
            Some(json!({ "type": "http", "name": name, "url": url, "headers": headers }))
        }
        McpPlace::Host { .. } => None,
    });
    std::iter::once(own).chain(owners).collect()
}

fn parts(command: &[String]) -> (&str, &[String]) {
    command.split_first().map_or(("", &[][..]), |(program, arguments)| (program, arguments))
}

/// The surrogate in this variable.
fn bearer(variable: Option<&str>) -> Option<String> {
    variable.and_then(|name| env::var(name).ok()).map(|token| format!("Bearer {token}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn servers() -> Vec<McpServer> {
        let environment = BTreeMap::from([("DIR".to_owned(), "/workspace/group".to_owned())]);
        let program = McpPlace::Program { command: vec!["/opt/notes".to_owned(), "--all".to_owned()], environment };
        // A variable that every process has.
        let host = McpPlace::Host { url: "https://mcp.example/mcp".to_owned(), token: Some("PATH".to_owned()) };
        [("notes", program), ("calendar", host)].map(|(name, place)| McpServer { name: name.to_owned(), place }).into()
    }

    #[test]
    fn claude_code_is_told_of_all() {
        let told = for_claude(&servers());
        let told = &told["mcpServers"];
        assert_eq!(told["doorward"], json!({ "type": "http", "url": "http://doorward.internal/mcp" }));
        assert_eq!(told["notes"]["command"], "/opt/notes");
        assert_eq!(told["notes"]["args"], json!(["--all"]));
        assert_eq!(told["notes"]["env"]["DIR"], "/workspace/group");
        let bearer = told["calendar"]["headers"]["Authorization"].as_str().unwrap_or_default();
        assert!(bearer.starts_with("Bearer /"), "{told}");
    }

    #[test]
    fn an_agent_without_http_is_told_of_programs_and_the_bridge() {
        let names = |http| -> Vec<String> {
            let told = for_acp(&servers(), http);
            let told = told.as_array().cloned().unwrap_or_default();
            told.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
        };
        assert_eq!(names(true), ["doorward", "notes", "calendar"]);
        assert_eq!(names(false), ["doorward", "notes"]);
        assert_eq!(for_acp(&servers(), false)[0]["args"], json!(["mcp"]));
        assert_eq!(for_acp(&servers(), true)[1]["env"], json!([{ "name": "DIR", "value": "/workspace/group" }]));
    }
}
