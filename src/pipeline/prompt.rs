//! What an agent reads of a chat. This is the only place that knows which kind of agent reads what: the shell a bare
//! command per call, any other agent everything that waits, as escaped XML with sender, local time and quotes.
//!
//! ```xml
//! <messages timezone="Europe/Berlin">
//! <message sender="Anna" time="2026-11-23 09:12" id="m7"><quote sender="Ben">when?</quote>at nine</message>
//! </messages>
//! ```
//!
//! No text can close or open an element, so none can pretend to be somebody else's. Names are those that the chat
//! shows, which people choose themselves.

use std::fmt::Write as _;

use containers::protocol::Agent;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::calling::{self, Name, is_unseen};
use crate::phrases::Phrases;
use crate::store::{Firing, MOST_TALK, Means, Message};

/// The most bytes of messages in one prompt, before they are escaped.
const PROMPT_LIMIT: usize = 256 << 10;

/// The most bytes of one message in a prompt.
const TEXT_LIMIT: usize = 64 << 10;

/// The most bytes of a quote.
const QUOTE_LIMIT: usize = 1 << 10;

/// The most bytes of the output of a task's command.
const FOUND_LIMIT: usize = 16 << 10;

/// The most bytes of a name.
const NAME_LIMIT: usize = 128;

/// How an agent reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One message, one command.
    Bare,
    /// Everything that waits, at once.
    Context,
}

impl Form {
    /// The form for an agent.
    pub fn of(agent: &Agent) -> Self {
        match agent {
            Agent::Shell => Form::Bare,
            Agent::Claude { .. } | Agent::Acp { .. } => Form::Context,
        }
    }

    /// Divides the waiting messages into turns. Each turn ends with a message that calls; messages after the last call
    /// belong to no turn.
    pub fn turns(self, waiting: Vec<Message>) -> Vec<Vec<Message>> {
        let mut turns: Vec<Vec<Message>> = Vec::new();
        let (mut stretch, mut bytes) = (Vec::new(), 0);
        for message in waiting {
            let calls = message.means != Means::Talk;
            bytes += if calls { weight(&message) } else { 0 };
            stretch.push(message);
            if !calls {
                continue;
            }
            match turns.last_mut() {
                Some(turn) if self == Form::Context && bytes <= PROMPT_LIMIT => turn.append(&mut stretch),
                _ => {
                    bytes = stretch.last().map_or(0, weight);
                    turns.push(std::mem::take(&mut stretch));
                }
            }
        }
        turns
    }

    /// Whether only part of this message fits.
    pub fn cuts(self, message: &Message) -> bool {
        self == Form::Context && message.means != Means::Talk && message.text.len() > TEXT_LIMIT
    }

    /// The prompt of a task that is due. `found`: the output of the command before it.
    pub fn task(self, firing: &Firing, found: Option<&str>) -> String {
        let what = &firing.task.what;
        match self {
            Form::Bare => what.prompt.clone(),
            Form::Context => {
                let (due, zone) =
                    (what.schedule.shows(firing.due_at), attribute(what.schedule.zone_name(), NAME_LIMIT));
                let prompt = text(&what.prompt, TEXT_LIMIT);
                let found = found
                    .map(|found| format!("\n<found>{}</found>", text(found.trim(), FOUND_LIMIT)))
                    .unwrap_or_default();
                let number = firing.task.id.0;
                format!("<task number=\"{number}\" due=\"{due}\" timezone=\"{zone}\">{prompt}{found}</task>")
            }
        }
    }

    /// The prompt of a turn.
    pub fn words(self, turn: &[Message], name: &Name, zone: &TimeZone) -> String {
        match self {
            Form::Bare => turn.last().map_or_else(String::new, |message| bare(&message.text, name).to_owned()),
            Form::Context => context(turn, zone),
        }
    }
}

/// What a sender is told if only part of their message was read.
pub fn cut_words() -> Phrases {
    Phrases::new("message-cut").count("kib", TEXT_LIMIT as u64 >> 10)
}

/// Greetings, from people who take a shell for a person.
const GREETINGS: [&str; 13] = [
    "hello",
    "hi",
    "hey",
    "help",
    "hallo",
    "moin",
    "servus",
    "hilfe",
    "good morning",
    "good evening",
    "guten morgen",
    "guten tag",
    "مرحبا",
];

/// Whether a text says hello and nothing else.
pub(super) fn is_greeting(text: &str, name: &Name) -> bool {
    let text = bare(text, name).trim().trim_end_matches(['!', '.', '?', ',']);
    text.len() <= 32 && GREETINGS.contains(&calling::fold(text).as_str())
}

/// A text without the call in front of it.
pub fn bare<'t>(text: &'t str, name: &Name) -> &'t str {
    name.called(text).unwrap_or(text)
}

fn context(turn: &[Message], zone: &TimeZone) -> String {
    let mut xml = format!("<messages timezone=\"{}\">\n", attribute(zone.iana_name().unwrap_or("UTC"), NAME_LIMIT));
    let shown = shown(turn);
    if shown.len() < turn.len() {
        xml.push_str("<note>Older messages were left out here.</note>\n");
    }
    for message in shown {
        let named = message.sender.name.chars().any(|c| !c.is_whitespace() && !is_unseen(c));
        let sender = if named { &message.sender.name } else { &message.sender.id };
        let (sender, id) = (attribute(sender, NAME_LIMIT), attribute(&message.id, NAME_LIMIT));
        let _ = write!(xml, "<message sender=\"{sender}\" time=\"{}\" id=\"{id}\">", time(message, zone));
        if let Some(quote) = &message.quote {
            let known = if quote.sender.is_empty() { String::new() } else { attribute(&quote.sender, NAME_LIMIT) };
            let known = if known.is_empty() { known } else { format!(" sender=\"{known}\"") };
            let _ = write!(xml, "<quote{known}>{}</quote>", text(&quote.text, QUOTE_LIMIT));
        }
        let _ = writeln!(xml, "{}</message>", text(&message.text, TEXT_LIMIT));
    }
    xml.push_str("</messages>");
    xml
}

/// Every call, and as many of the newest other messages as fit.
fn shown(turn: &[Message]) -> Vec<&Message> {
    let calls: usize = turn.iter().filter(|message| message.means != Means::Talk).map(weight).sum();
    let (mut room, mut talk, mut full) = (PROMPT_LIMIT.saturating_sub(calls), 0, false);
    let mut shown: Vec<&Message> = Vec::with_capacity(turn.len());
    for message in turn.iter().rev() {
        if message.means == Means::Talk {
            talk += 1;
            full |= talk > MOST_TALK || weight(message) > room;
            if full {
                continue;
            }
            room -= weight(message);
        }
        shown.push(message);
    }
    shown.reverse();
    shown
}

/// The bytes of a message in a prompt.
fn weight(message: &Message) -> usize {
    message.text.len().min(TEXT_LIMIT)
        + message.quote.as_ref().map_or(0, |quote| quote.text.len().min(QUOTE_LIMIT))
        + 256
}

/// The time by the chat's clock, or by ours if the chat's is implausible.
fn time(message: &Message, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(message.at).or_else(|_| Timestamp::from_millisecond(message.received_at));
    at.unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

fn text(text: &str, limit: usize) -> String {
    let kept = &text[..text.floor_char_boundary(limit)];
    let mut escaped = escape(kept);
    if kept.len() < text.len() {
        let _ = write!(escaped, " (cut here: {} more bytes)", text.len() - kept.len());
    }
    escaped
}

fn attribute(text: &str, limit: usize) -> String {
    escape(&text[..text.floor_char_boundary(limit)]).replace(['\n', '\t'], " ")
}

/// Makes control characters visible, drops invisible marks that change how a text reads, and escapes look-alikes of
/// brackets like brackets, so that no model mistakes one.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            '\u{fe64}' | '\u{fe65}' | '\u{ff1c}' | '\u{ff1e}' => {
                let _ = write!(escaped, "&#x{:X};", u32::from(c));
            }
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => escaped.push('\n'),
            '\t' => escaped.push('\t'),
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0000}'..='\u{e007f}' => {}
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
#[path = "tests/prompt.rs"]
mod tests;
