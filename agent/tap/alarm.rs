//! A deadline that moves with every byte, by a timer that does not: it is set anew only when it rings too early or
//! the deadline comes nearer. A stream of a hundred chunks a second touches it once in its idle limit.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How far ahead the timer is set at first. The limit of an answer that goes on is nearer than that of one that is
/// to begin, and to bring a timer nearer wakes the thread once more, which short requests would feel; so would it
/// be with the wait for the next request. A stream is woken once for it.
const FIRST: Duration = Duration::from_secs(60);

/// The timer of one task.
#[derive(Debug, Default)]
pub(super) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Whether the deadline has come; the task is woken when it does.
    pub(super) fn rings(&mut self, cx: &mut Context<'_>, now: Instant, deadline: Instant) -> bool {
        if now >= deadline {
            return true;
        }
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline.min(now + FIRST))));
        let at = sleep.deadline();
        if deadline < at || now >= at {
            sleep.as_mut().reset(deadline);
        }
        // It costs no call of the system, and it makes sure that this task is the one that is woken.
        sleep.as_mut().poll(cx).is_ready()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use super::*;

    async fn ring(alarm: &mut Alarm, deadline: Instant) {
        poll_fn(|cx| if alarm.rings(cx, Instant::now(), deadline) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_rings_at_the_deadline_wherever_that_moved() {
        let start = Instant::now();
        let mut alarm = Alarm::default();
        for (minutes, then) in [(10, 10), (11, 11), (11, 11), (30, 30)] {
            ring(&mut alarm, start + Duration::from_secs(60 * minutes)).await;
            assert_eq!(start.elapsed().as_secs() / 60, then);
        }
        // Far away first, and then nearer.
        let waits =
            poll_fn(|cx| Poll::Ready(alarm.rings(cx, Instant::now(), start + Duration::from_secs(9000))));
        assert!(!waits.await);
        ring(&mut alarm, start + Duration::from_secs(31 * 60)).await;
        assert_eq!(start.elapsed().as_secs() / 60, 31);
    }
}
