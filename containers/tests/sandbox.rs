//! Real sandboxes on the machine's real engine. Where there is none they fail: a
//! sandbox that was never started proves nothing.

#![allow(clippy::unwrap_used)]

mod support;

use support::{Installation, ask};

#[tokio::test]
async fn the_shell_agent_runs_a_command_and_tells_how_it_ended() {
    let installation = Installation::new().await;
    let mut sandbox = installation.start().await;
    assert!(sandbox.findings().is_empty());
    assert_eq!(ask(&mut sandbox, 1, "echo out; echo err >&2; echo again").await, "out\nerr\nagain\n");
    assert_eq!(ask(&mut sandbox, 2, "echo x; exit 7").await, "x\n(exit code 7)");
    assert_eq!(ask(&mut sandbox, 3, "true").await, "(no output)");
}
