//! What a person, an agent and a host see of Doorward, from outside: the real program, a real container engine, real
//! web servers on loopback. One program for all of them: each that is linked by itself takes seconds to build.

#![allow(missing_docs, unreachable_pub, reason = "a test program has its modules to itself")]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests drive programs, and fail by panicking")]
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "whoever repeats one wants to know what was drawn, or measured"
)]

mod support;

mod alarms;
mod apart;
mod ask;
mod backup;
mod changing;
mod claude;
mod claude_operations;
mod claude_tasks;
mod clients;
mod codex;
mod commands;
mod delegate;
mod disk;
mod drill;
mod egress;
mod evidence;
mod held;
mod household;
mod images;
mod ipc;
mod kills;
mod leaks;
mod locked;
mod manners;
mod mcp_servers;
mod models;
mod mounts;
mod oauth;
mod opencode;
mod operations;
mod pictures;
mod pipeline;
mod recipes;
mod recovery;
mod rest;
mod secrets;
mod service;
mod setup;
mod silence;
mod skills;
mod talk;
mod tasks;
mod trouble;
mod usage;
mod victim;
