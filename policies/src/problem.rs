//! What is wrong with a policy file: where, why, and what to write instead.

/// One problem: a miette diagnostic with its source line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {}

/// All problems of a file, in the order of its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);
