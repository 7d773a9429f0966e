//! Reports when the machine's clock is set, or the machine has slept, from a kernel event, so that nothing has to poll.

use std::io;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::net::unix::pipe;

/// A time that no correct clock shows.
const NEVER: Timespec = Timespec { tv_sec: 1 << 33, tv_nsec: 0 };

/// Watches the machine's clock with a timer that is cancelled when it is set, read like a pipe.
#[derive(Debug)]
pub struct ClockChanges(pipe::Receiver);

impl ClockChanges {
    /// Starts watching.
    pub fn watch() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        arm(&timer)?;
        Ok(ClockChanges(pipe::Receiver::from_owned_fd_unchecked(timer)?))
    }

    /// Waits until it is set, or the machine wakes. Cancel-safe.
    pub async fn next(&self) -> io::Result<()> {
        loop {
            self.0.readable().await?;
            match self.0.try_read(&mut [0; 8]) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.raw_os_error() != Some(Errno::CANCELED.raw_os_error()) => return Err(error),
                // Armed again for the next change.
                Ok(_) | Err(_) => return Ok(arm(self.0.as_fd())?),
            }
        }
    }
}

fn arm(timer: impl AsFd) -> Result<(), Errno> {
    let never = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: NEVER };
    let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
    timerfd_settime(timer, flags, &never).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    /// Testing the cancellation would mean setting the clock, which no test may do.
    #[tokio::test]
    async fn a_clock_that_goes_on_is_no_change() {
        let changes = ClockChanges::watch().unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(20), changes.next()).await.is_err());
    }
}
