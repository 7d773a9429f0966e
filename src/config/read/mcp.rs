//! The owner's MCP servers, parsed from a group's file.

use std::collections::{BTreeMap, BTreeSet};

use containers::protocol::{McpPlace, McpServer};
use desk::toml::TableKeys;
use policies::Facts;

use super::super::keys::{self, names};
use super::super::values;
use super::{Block, all};

pub(super) const MCP: TableKeys = TableKeys { header: "[[mcp]]", keys: &names(&keys::OF_MCP) };

/// The daemon's own server, through which agents get its operations.
const RESERVED: &str = "doorward";

/// The servers; their names are unique.
pub(super) fn servers(file: &mut Block<'_, '_>) -> Vec<McpServer> {
    let mut names = BTreeSet::new();
    file.each("mcp", MCP.header, |block| {
        let one = server(block)?;
        if !names.insert(one.name.clone()) {
            let help = Some("give one of them another name".to_owned());
            block.reader.problem(block.span_of("name"), format!("two MCP servers are called {}", one.name), help);
        }
        Some(one)
    })
}

fn server(block: &mut Block<'_, '_>) -> Option<McpServer> {
    block.known_keys(MCP.header, MCP.keys);
    let word = block.needed("name", MCP.header, "notes")?;
    let name = block.meaning(word, name)?;
    let place = match (block.has("command"), block.has("url")) {
        (true, false) => program(block),
        (false, true) => host(block)?,
        (said, _) => {
            let why = match said {
                true => "an MCP server is a program (`command`) or a host (`url`), not both",
                false => "an MCP server needs `command` or `url`",
            };
            let help = Some("docs/agents.md shows one of each".to_owned());
            block.reader.problem(block.span_of(if said { "url" } else { "name" }), why, help);
            return None;
        }
    };
    Some(McpServer { name, place })
}

fn program(block: &mut Block<'_, '_>) -> McpPlace {
    if block.has("token") {
        let why = "a program finds the variables of all credentials by itself";
        block.reader.problem(block.span_of("token"), why, Some("leave this out".to_owned()));
    }
    let words = block.strings("command");
    let command = all(block, words, values::argument);
    let mut environment = BTreeMap::new();
    for (span, name, value) in block.pairs("environment").unwrap_or_default() {
        match values::variable(&name) {
            Ok(name) => drop(environment.insert(name, value)),
            Err(why) => block.reader.problem(span, why, None),
        }
    }
    McpPlace::Program { command, environment }
}

fn host(block: &mut Block<'_, '_>) -> Option<McpPlace> {
    if block.has("environment") {
        let why = "a host has no environment";
        block.reader.problem(block.span_of("environment"), why, Some("leave this out".to_owned()));
    }
    let url = block.read("url", address)?;
    Some(McpPlace::Host { url, token: block.read("token", values::variable) })
}

fn name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    if text == RESERVED {
        return Err("this name is Doorward's own, by which agents know its operations".to_owned());
    }
    if !text.is_empty() && text.len() <= 32 && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("not a name for an MCP server; use 1 to 32 small letters, digits, - and _".to_owned())
}

/// An address that the door can judge.
fn address(text: &str) -> Result<String, String> {
    let facts = Facts::parse("POST", text).ok().filter(|_| text.starts_with("http") && !text.contains(['#', '@']));
    match facts {
        None => Err("not an address; write for example \"https://mcp.example.com/mcp\"".to_owned()),
        Some(facts) if facts.authority.host.to_string() == "doorward.internal" => {
            Err("Doorward's own operations are there for every agent already".to_owned())
        }
        Some(_) => Ok(text.to_owned()),
    }
}
