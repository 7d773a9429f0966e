//! The search through a text and every view of it.
//!
//! It keeps no state: whoever searches a stream keeps the text from the returned place on and
//! passes it in again with the next bytes. Text before that place can be part of no further value.
//! The place follows from lengths alone: how long values may be, and how much text each of their
//! bytes took. Whether the text resembles a value makes no difference (invariant 16).

use std::ops::ControlFlow;

use super::layer::Layer;
use super::needles::{NeedleSet, Which};
use super::spelling::Form;
use super::undo::undo;
use super::view::View;

/// How many layers of escapes are undone: JSON in JSON, a query in JSON, percent twice.
const DEPTH: usize = 2;

/// One occurrence of one needle.
#[derive(Clone)]
pub(super) struct Hit {
    /// Where it starts in the text.
    pub(super) start: usize,
    /// Where it ends in the text.
    pub(super) end: usize,
    /// Which needle.
    pub(super) needle: Which,
    /// The layers it was under, outermost first.
    pub(super) layers: Vec<Layer>,
}

impl Hit {
    /// The form that is reported to the owner.
    pub(super) fn form(&self, needles: &NeedleSet) -> Form {
        match (needles.needle(self.needle).spelling.form(), self.layers.first()) {
            (Form::Raw, Some(layer)) => layer.form(),
            (form, _) => form,
        }
    }
}

/// Disguises are searched for in this many bytes of a stream, and of each file and message in it: the search for them
/// costs most, and megabytes of data seldom contain any. How the text is cut makes no difference.
pub const DISGUISED: u64 = 1 << 20;

/// Calls `visit` for every occurrence until it breaks, and says from where on the text has to be kept.
/// `disguised`: a disguise may begin in this many bytes of the text; `last`: no more text follows, so nothing
/// is kept.
pub(super) fn each_hit(
    needles: &NeedleSet,
    text: &[u8],
    disguised: u64,
    last: bool,
    visit: &mut dyn FnMut(Hit) -> ControlFlow<()>,
) -> usize {
    if needles.is_empty() {
        return text.len();
    }
    let disguised = usize::try_from(disguised).unwrap_or(usize::MAX);
    let mut search = Search { needles, last, disguised, safe: text.len(), visit };
    // The break carries nothing: the caller already has what it needs.
    let _ = search.descend(text, None);
    search.safe
}

struct Search<'a> {
    needles: &'a NeedleSet,
    last: bool,
    /// A disguise may begin in this many bytes of the text.
    disguised: usize,
    safe: usize,
    visit: &'a mut dyn FnMut(Hit) -> ControlFlow<()>,
}

/// A view, and those below it.
struct Above<'a> {
    view: &'a View,
    layer: Layer,
    on: Option<&'a Above<'a>>,
}

impl Search<'_> {
    fn descend(&mut self, text: &[u8], above: Option<&Above<'_>>) -> ControlFlow<()> {
        let needles = self.needles;
        needles.each(text, &mut |start, needle| {
            let end = start + needles.needle(needle).bytes.len();
            let (start, end, layers) = to_the_ground(above, start, end);
            if start >= self.disguised && layers.iter().any(|layer| layer.is_disguise()) {
                return ControlFlow::Continue(());
            }
            (self.visit)(Hit { start, end, needle, layers })
        })?;
        if !self.last {
            // The end of a view is where an unfinished escape starts, so that is kept as well.
            let begins = text.len().saturating_sub(needles.held() - 1);
            self.safe = self.safe.min(kept_from(above, begins));
        }
        if depth(above) < DEPTH {
            let layers = Layer::upon(above.map(|above| above.layer)).iter();
            let disguised = self.disguised > 0;
            for &layer in layers.filter(|layer| disguised || !layer.is_disguise()) {
                if let Some(view) = undo(layer, text, needles, self.last) {
                    self.descend(&view.text, Some(&Above { view: &view, layer, on: above }))?;
                }
            }
        }
        ControlFlow::Continue(())
    }
}

fn depth(above: Option<&Above<'_>>) -> usize {
    above.map_or(0, |above| 1 + depth(above.on))
}

/// From where on the original text has to be kept for what begins here in a view. Text before a gap
/// of a view has no part in what follows the gap, nor has it in views of that view.
fn kept_from(mut above: Option<&Above<'_>>, mut begins: usize) -> usize {
    while let Some(Above { view, on, .. }) = above {
        begins = view.start_below(begins.max(view.apart()).min(view.text.len()));
        above = *on;
    }
    begins
}

/// Translates a place in a view to the original text.
fn to_the_ground(mut above: Option<&Above<'_>>, mut start: usize, mut end: usize) -> (usize, usize, Vec<Layer>) {
    let mut layers = Vec::new();
    while let Some(Above { view, layer, on }) = above {
        (start, end) = (view.start_below(start), view.end_below(end));
        layers.push(*layer);
        above = *on;
    }
    layers.reverse();
    (start, end, layers)
}
