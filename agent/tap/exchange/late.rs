//! The time limits of one exchange: for each wait one, for the whole none.

use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

use super::{Break, Exchange, Trouble};
use crate::sample::Failure;
use crate::tap::refusal::Refused;

/// How long a client may go on with a body that the server answered before it was whole. Short ones end within
/// it, and the connection can be used on.
const REST: Duration = Duration::from_secs(5);

/// How often a client that cannot be read from, since what it sent is not taken yet, is asked for.
const LOOK: Duration = Duration::from_secs(1);

impl Exchange<'_> {
    /// The time limits, and a look for a client that is not read from.
    pub(super) fn poll_late(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<Result<(), Break>> {
        let deadline = self.deadline();
        loop {
            let unread = !self.client.is_heard() || self.up.is_stuck();
            let next = if unread { deadline.min(self.looked + LOOK) } else { deadline };
            if !self.client.alarm.rings(cx, now, next) {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now >= deadline {
                return Poll::Ready(Err(self.late()));
            }
            self.looked = now;
            if unread && self.client.has_left() {
                return Poll::Ready(Err(Break::ClientGone));
            }
        }
    }

    fn deadline(&self) -> Instant {
        let limits = &self.site.plan.limits;
        self.moved
            + match () {
                () if self.down.is_over() => REST,
                () if self.down.is_passed() || !self.up.is_sent() => limits.idle,
                () => limits.first_byte,
            }
    }

    /// Whose fault it is that nothing went on for so long.
    fn late(&self) -> Break {
        let limits = &self.site.plan.limits;
        let upstream = |failure, text| Break::Upstream(Trouble { failure, text, reset: false });
        if self.down.is_over() || !self.down.is_flushed() {
            return Break::ClientGone;
        }
        if self.down.is_passed() {
            return upstream(Failure::IdleTimeout, String::new());
        }
        if self.up.is_sent() {
            let text =
                format!("the server began no answer within {:?} (first_byte_timeout)", limits.first_byte);
            return upstream(Failure::FirstByteTimeout, text);
        }
        if self.up.is_stuck() {
            let text = format!("the server took nothing of the request for {:?} (idle_timeout)", limits.idle);
            return upstream(Failure::FirstByteTimeout, text);
        }
        Break::Refused(Refused::slow(limits.idle))
    }
}
