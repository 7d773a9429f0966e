//! A look into everything that a body holds: a chain of levels, each of which takes what the one
//! before unpacks. The first bytes of every file that begins at a level decide what the level is.

use std::collections::VecDeque;

use super::behind::Behind;
use super::layer::{Layer, Output, Piece};
use super::sniff::{self, Kind, Trust};
use super::{DEEPEST_FILE, RATIO, SLACK, Unreadable};

/// Takes the contents of a file, with its depth: 1 for a file directly in the body.
pub type Sink<'a> = dyn FnMut(usize, Piece<'_>) -> Result<(), Unreadable> + 'a;

/// A look into one body as it passes.
pub struct Look {
    levels: Vec<Level>,
    terms: Terms,
}

/// What all levels share.
#[derive(Clone, Copy)]
struct Terms {
    /// How many bytes of the body came.
    came: u64,
    /// Whether contents that cannot be looked into are an error, or are let pass.
    strict: bool,
}

struct Level {
    content: Content,
    /// How many bytes came to this level, of all files.
    taken: u64,
    /// How many bytes they unpacked to.
    made: u64,
    /// Pairs: once the next level has looked at the second number of its bytes, the first number of
    /// bytes is looked at here.
    marks: VecDeque<(u64, u64)>,
    digested: u64,
}

enum Content {
    /// The first bytes of a file.
    Unknown(Vec<u8>),
    /// Not packed, so far.
    Plain(Behind),
    Packed(Layer, Trust),
    /// Not looked into any further.
    Passed,
}

/// How many large layers may be nested.
const LARGE: usize = 2;

impl Look {
    /// A look into a stream about which nothing is known.
    pub fn sniffing() -> Self {
        Look::into(Vec::new(), false)
    }

    /// A look into a stream with these layers, in this order; below them, its bytes decide.
    pub(super) fn into(layers: Vec<Layer>, strict: bool) -> Self {
        let unknown = (0..=DEEPEST_FILE).map(|_| Level::new(Content::Unknown(Vec::new())));
        let mut look = Look::through(layers);
        look.levels.extend(unknown);
        look.terms.strict = strict;
        look
    }

    /// A look through these layers alone.
    pub(super) fn through(layers: Vec<Layer>) -> Self {
        let declared = layers.into_iter().map(|layer| Level::new(Content::Packed(layer, Trust::Declared)));
        Look { levels: declared.collect(), terms: Terms { came: 0, strict: false } }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        self.terms.came += bytes.len() as u64;
        feed(&mut self.levels, self.terms, 0, bytes, sink)
    }

    /// Ends the body.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
        if self.terms.came == 0 {
            return Ok(());
        }
        finish(&mut self.levels, self.terms, 0, sink)
    }

    /// How many bytes of the body were looked at, contents included. `held` says how many unpacked
    /// bytes at a depth are still undecided.
    pub fn digested(&mut self, held: &dyn Fn(usize) -> u64) -> u64 {
        digested(&mut self.levels, 0, held)
    }

    /// Whether something is being unpacked, which takes memory and time.
    pub fn unpacks(&self) -> bool {
        self.levels.iter().any(|level| matches!(&level.content, Content::Packed(layer, _) if layer.unpacks()))
    }

    /// Whether it takes megabytes, however little comes.
    pub fn is_large(&self) -> bool {
        self.levels.iter().any(Level::is_large)
    }

    /// Whether it would unpack a body that continues like this.
    pub fn would_unpack(&self, bytes: &[u8]) -> bool {
        let Some(Level { content: Content::Unknown(start), .. }) = self.levels.first() else { return self.unpacks() };
        let start: Vec<u8> = start.iter().chain(bytes.iter().take(sniff::ENOUGH)).copied().collect();
        matches!(sniff::sniff(&start, false, false), Kind::Layer(layer, _) if layer.unpacks())
    }
}

impl Level {
    fn new(content: Content) -> Self {
        Level { content, taken: 0, made: 0, marks: VecDeque::new(), digested: 0 }
    }

    fn is_large(&self) -> bool {
        matches!(&self.content, Content::Packed(layer, _) if layer.is_large())
    }

    /// Decides what this file is; returns the bytes that said so, for its layer.
    fn begin(&mut self, bytes: &[u8], last: bool, at: Place, terms: Terms) -> Result<Option<Vec<u8>>, Unreadable> {
        let start = match &mut self.content {
            Content::Unknown(start) => start,
            Content::Plain(_) => return Ok(self.behind(bytes, at)),
            Content::Packed(..) | Content::Passed => return Ok(None),
        };
        let mut start = std::mem::take(start);
        let kind = if start.is_empty() {
            sniff::sniff(bytes, last, terms.strict)
        } else {
            start.extend_from_slice(bytes);
            sniff::sniff(&start, last, terms.strict)
        };
        self.content = match kind {
            Kind::Unknown => {
                if start.is_empty() {
                    start.extend_from_slice(bytes);
                }
                Content::Unknown(start)
            }
            Kind::Closed(kind) if terms.strict => return Err(Unreadable::Kind(kind)),
            Kind::Closed(_) => Content::Passed,
            Kind::Plain => {
                let bytes = if start.is_empty() { bytes } else { &start };
                self.content = Content::Plain(Behind::default());
                return Ok(self.behind(bytes, at));
            }
            // Nothing looks beyond the last level; what is only perhaps a file may pass.
            Kind::Layer(_, Trust::Perhaps) if at.is_last => Content::Passed,
            Kind::Layer(..) if at.is_last => return Err(Unreadable::Nested),
            Kind::Layer(layer, _) if layer.is_large() && at.large >= LARGE => return Err(Unreadable::Nested),
            Kind::Layer(layer, trust) => {
                self.content = Content::Packed(layer, trust);
                return Ok(Some(if start.is_empty() { bytes.to_vec() } else { start }));
            }
        };
        Ok(None)
    }
}

impl Level {
    /// Whether something packed begins within plain bytes; from there on the level is that.
    fn behind(&mut self, bytes: &[u8], at: Place) -> Option<Vec<u8>> {
        let Content::Plain(behind) = &mut self.content else { return None };
        let (layer, rest) = behind.look(bytes).filter(|_| !at.is_last)?;
        self.content = Content::Packed(layer, Trust::Perhaps);
        Some(rest)
    }
}

/// Where a level stands.
#[derive(Clone, Copy)]
struct Place {
    is_last: bool,
    /// How many levels before it are large.
    large: usize,
}

/// Gives bytes of a file to the levels from here on.
fn feed(levels: &mut [Level], terms: Terms, depth: usize, bytes: &[u8], sink: &mut Sink<'_>) -> Result<(), Unreadable> {
    if depth >= levels.len() {
        return Ok(());
    }
    let at = place(levels, depth);
    let level = &mut levels[depth];
    level.taken += bytes.len() as u64;
    let begun = level.begin(bytes, false, at, terms)?;
    unpack(levels, terms, depth, begun.as_deref().unwrap_or(bytes), false, sink)
}

/// Ends the file at this level and those in it; another may begin.
fn finish(levels: &mut [Level], terms: Terms, depth: usize, sink: &mut Sink<'_>) -> Result<(), Unreadable> {
    if depth >= levels.len() {
        return Ok(());
    }
    let at = place(levels, depth);
    if let Some(begun) = levels[depth].begin(&[], true, at, terms)? {
        unpack(levels, terms, depth, &begun, false, sink)?;
    }
    unpack(levels, terms, depth, &[], true, sink)?;
    levels[depth].content = Content::Unknown(Vec::new());
    finish(levels, terms, depth + 1, sink)
}

fn place(levels: &[Level], depth: usize) -> Place {
    let large = levels[..depth].iter().filter(|level| level.is_large()).count();
    Place { is_last: depth + 1 == levels.len(), large }
}

fn unpack(
    levels: &mut [Level],
    terms: Terms,
    depth: usize,
    bytes: &[u8],
    last: bool,
    sink: &mut Sink<'_>,
) -> Result<(), Unreadable> {
    // Taken out while the deeper levels work; their errors are their own.
    let content = std::mem::replace(&mut levels[depth].content, Content::Passed);
    let Content::Packed(mut layer, trust) = content else {
        levels[depth].content = content;
        mark(levels, depth, 0, 0);
        return Ok(());
    };
    let mut deeper = Ok(());
    let mut onward = |piece: Piece<'_>| {
        let given = match piece {
            Piece::Begins => finish(levels, terms, depth + 1, sink).and_then(|()| sink(depth + 1, piece)),
            Piece::Within(bytes) => feed(levels, terms, depth + 1, bytes, sink).and_then(|()| sink(depth + 1, piece)),
            Piece::Unpacked(bytes) => {
                levels[depth].made += bytes.len() as u64;
                match levels[depth].made > SLACK + RATIO * terms.came {
                    true => Err(Unreadable::Bomb),
                    // What begins deeper is reported before the bytes that contain it.
                    false => feed(levels, terms, depth + 1, bytes, sink).and_then(|()| sink(depth + 1, piece)),
                }
            }
        };
        if deeper.is_ok() {
            deeper = given;
        }
        deeper.clone()
    };
    let mut out = Output::new(&mut onward);
    let pushed = layer.push(bytes, &mut out).and_then(|()| if last { layer.finish(&mut out) } else { Ok(()) });
    let flushed = out.flush();
    deeper.and(flushed)?;
    match pushed {
        // If a file within is damaged, as much of it was seen as any reader sees.
        Err(Unreadable::Broken)
            if !(trust == Trust::Declared || (trust == Trust::Sure && terms.strict && depth == 0)) =>
        {
            mark(levels, depth, 0, 0);
        }
        pushed => {
            pushed?;
            let (lag, retained) = (layer.lag(), layer.retained());
            levels[depth].content = Content::Packed(layer, trust);
            mark(levels, depth, lag, retained);
        }
    }
    Ok(())
}

/// Bytes here are looked at once their output is, except for the last `lag` of them.
fn mark(levels: &mut [Level], depth: usize, lag: u64, retained: u64) {
    let behind = levels.get(depth + 1).map_or(0, |deeper| deeper.taken);
    let level = &mut levels[depth];
    let (mut here, when) = (level.taken.saturating_sub(lag), behind + retained);
    while let Some(back) = level.marks.pop_back_if(|back| back.1 + NEAR > when) {
        here = here.max(back.0);
    }
    level.marks.push_back((here, when));
}

/// Marks closer than this are merged, so there are never many.
const NEAR: u64 = 4 << 10;

fn digested(levels: &mut [Level], depth: usize, held: &dyn Fn(usize) -> u64) -> u64 {
    if depth >= levels.len() {
        return u64::MAX;
    }
    let behind = digested(levels, depth + 1, held);
    let level = &mut levels[depth];
    while let Some((taken, _)) = level.marks.pop_front_if(|mark| mark.1 <= behind) {
        level.digested = level.digested.max(taken);
    }
    let held = if depth == 0 { 0 } else { held(depth) };
    level.digested.min(level.taken.saturating_sub(held))
}
