//! A sign of life on stderr for work that takes longer than two seconds.

use std::future::Future;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::show;

const QUIET: Duration = Duration::from_secs(2);

/// Waits for `work`; shows `doing` after two seconds: a spinner with the time on a terminal, one plain line elsewhere.
pub(crate) async fn while_waiting<T>(doing: &str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    match tokio::time::timeout(QUIET, &mut work).await {
        Ok(done) => done,
        Err(_) if std::io::stderr().is_terminal() => {
            let spinner = spinner(doing);
            let done = work.await;
            spinner.finish_and_clear();
            done
        }
        Err(_) => {
            show::aside(format!("doorward: {doing} …"));
            work.await
        }
    }
}

fn spinner(doing: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(doing.to_owned()).with_elapsed(QUIET);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}
