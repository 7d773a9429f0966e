//! `[ask]` in a file. TOML does not allow an `[ask]` beside an `[[ask]]`, so in that case it is an
//! `[[ask]]` of its own that names no host.

use std::ops::Range;

use desk::{ValueError, duration};
use policies::{AllowRule, Asking, Hours, Origin, Times};
use toml::de::DeValue;

use crate::table::{Block, rule_ref};
use crate::{blocks, hours, keys};

/// What a file says about asking.
pub(crate) struct Asks {
    pub(crate) rules: Vec<(Range<usize>, AllowRule)>,
    pub(crate) settings: Asking,
}

/// Reads `[[ask]]` and `[ask]`.
pub(crate) fn asks(file: &mut Block<'_, '_>) -> Asks {
    let is_alone = matches!(file.table.get("ask").map(toml::Spanned::get_ref), Some(DeValue::Table(_)));
    if is_alone {
        let settings = file.section("ask", "[ask]").map(|mut block| settings(&mut block));
        return Asks { rules: Vec::new(), settings: settings.unwrap_or_default() };
    }
    let (mut rules, mut said) = (Vec::new(), None);
    for part in file.each("ask", "[[ask]]", part) {
        match part {
            Part::Rule(rule) => rules.extend(rule.map(|rule| *rule)),
            Part::Settings(span, settings) => {
                if said.is_some() {
                    let help = Some("write them in one".to_owned());
                    file.reader.problem(span, "how its owner is asked is said twice", help);
                }
                said = Some(settings);
            }
        }
    }
    Asks { rules, settings: said.unwrap_or_default() }
}

enum Part {
    Rule(Option<Box<(Range<usize>, AllowRule)>>),
    Settings(Range<usize>, Asking),
}

fn part(block: &mut Block<'_, '_>) -> Option<Part> {
    let says_how = keys::ASKING.iter().any(|key| block.has(key)) && !block.has("host");
    let span = block.span.clone();
    Some(if says_how { Part::Settings(span, settings(block)) } else { Part::Rule(blocks::ask(block).map(Box::new)) })
}

fn settings(block: &mut Block<'_, '_>) -> Asking {
    block.known_keys("[ask]", &keys::ASKING);
    if block.reader.context != Origin::Group {
        let help = Some("keep the [[ask]]s, and remove this".to_owned());
        block.reader.problem(block.span.clone(), "only a group's own file says how its owner is asked", help);
    }
    let unlisted = block.bool("unlisted").then(|| rule_ref(block, &block.span_of("unlisted")));
    let hold = block.read("hold", hold).unwrap_or(Asking::HOLD);
    let mut quiet = Vec::new();
    for word in block.strings("quiet") {
        quiet.extend(
            block
                .meaning(word, hours::span)
                .and_then(|span| Hours::new(Times { span: Some(span), ..Times::default() })),
        );
    }
    Asking { unlisted, hold, quiet }
}

fn hold(text: &str) -> Result<u64, ValueError> {
    let most = Asking::HOLD;
    let help = || Some(format!("write hold = \"{most}s\", or less, in whole seconds"));
    let read = duration::read(text).filter(|hold| hold.subsec_nanos() == 0);
    let hold = read
        .map(|hold| hold.as_secs())
        .ok_or_else(|| ValueError::new(format!("{text:?} is no length of time here"), help()))?;
    if hold > Asking::HOLD {
        return Err(ValueError::new(format!("a request cannot wait for {text}: its client would give up"), help()));
    }
    Ok(hold)
}
