//! Undoes layers and writes them, each in its own module.

use super::layer::Layer;
use super::needles::NeedleSet;
use super::view::View;
use super::{escapes, folded, joined, spaced, wide};

/// Undoes a layer; `None` if there is nothing to undo. `last`: no more text follows. An unfinished
/// escape ends the view and is not part of it.
pub(super) fn undo(layer: Layer, text: &[u8], needles: &NeedleSet, last: bool) -> Option<View> {
    match layer {
        Layer::Percent | Layer::Json | Layer::Html | Layer::Wrapped | Layer::Quoted => {
            escapes::undo(layer, text, needles, last)
        }
        Layer::Wide => wide::undo(text, needles, last),
        Layer::Folded => folded::undo(text, needles, last),
        Layer::Spaced => spaced::undo(text, needles),
        Layer::Joined => joined::undo(text, needles, last),
    }
}

/// Writes a text that replaces `found` under a layer.
///
/// Invisible characters, look-alike letters and separators were the writer's choice; what replaces
/// them is plain.
pub(super) fn write(layer: Layer, text: &[u8], found: &[u8]) -> Vec<u8> {
    match layer {
        Layer::Percent | Layer::Json | Layer::Html | Layer::Quoted => escapes::write(layer, text),
        Layer::Wide => wide::write(text, found),
        Layer::Wrapped | Layer::Folded | Layer::Spaced | Layer::Joined => text.to_vec(),
    }
}
