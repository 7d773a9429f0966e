//! What stands for policies from outside, in one program: linked once.

mod docs;
mod invalid;
mod permits;
mod properties;
mod tools;
mod verdicts;
mod words;
