//! `mode = "observe"` and `observe_until`, as a file says them.

use policies::Observe;

use crate::table::Block;

const EXAMPLE: &str = "2026-12-31";

/// Reads `mode` and `observe_until`, which need each other.
pub(crate) fn observe(block: &mut Block<'_, '_>) -> Option<Observe> {
    let mode = block.string("mode");
    if let Some((span, text)) = &mode
        && text != "observe"
    {
        let help = "remove it (every rule is enforced), or write mode = \"observe\" with an observe_until";
        block.reader.problem(span.clone(), format!("{text:?} is no mode"), Some(help.to_owned()));
        return None;
    }
    let until = block.date("observe_until", EXAMPLE);
    match (mode, block.has("observe_until")) {
        (None, true) if !block.has("mode") => {
            let help = Some("add mode = \"observe\", or remove it".to_owned());
            block.reader.problem(block.span_of("observe_until"), "`observe_until` without `mode` does nothing", help);
            None
        }
        (Some((span, _)), false) => {
            let help = Some(format!("add observe_until = \"{EXAMPLE}\" with the last day on which you watch"));
            block.reader.problem(span, "an observation without an end is an open door", help);
            None
        }
        (Some((span, _)), true) => Some(Observe { until: until?, at: block.reader.rule_ref(&span) }),
        _ => None,
    }
}
