//! The tests of policies from outside, linked once into one program.

mod asks;
mod asks_model;
mod bodies;
mod docs;
mod from;
mod hours;
mod invalid;
mod narrow;
mod nearest;
mod paths;
mod permits;
mod properties;
mod requests;
mod sentences;
mod skills;
mod tools;
mod verdicts;
mod words;
mod written;
