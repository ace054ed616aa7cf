//! Work that may block for ever, done by a thread of its own. Whoever asks waits no longer than a
//! limit, and asks nothing more while an answer is owed: at most one thread hangs for each.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// One thing that is asked, one question at a time.
#[derive(Debug)]
pub(super) struct Aside<T> {
    owed: Option<(oneshot::Receiver<T>, Instant)>,
}

impl<T> Default for Aside<T> {
    fn default() -> Self {
        Aside { owed: None }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoAnswer {
    /// It is owed for so long.
    Late(Duration),
    /// There was no thread for it, or the thread ended without one.
    Lost(String),
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoAnswer::Late(owed) => write!(f, "no answer for {} s", owed.as_secs().max(1)),
            NoAnswer::Lost(why) => f.write_str(why),
        }
    }
}

impl<T: Send + 'static> Aside<T> {
    /// Whether a thread still works on a question.
    pub(super) fn owes(&mut self) -> bool {
        let empty = |owed: &mut (oneshot::Receiver<T>, Instant)| {
            matches!(owed.0.try_recv(), Err(oneshot::error::TryRecvError::Empty))
        };
        let owes = self.owed.as_mut().is_some_and(empty);
        if !owes {
            self.owed = None;
        }
        owes
    }

    /// Does the work in a thread of that name, unless an answer is still owed, and waits for it.
    ///
    /// # Errors
    /// There is no answer within the limit.
    pub(super) async fn ask(
        &mut self,
        name: &str,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        if let Some((mut answer, asked)) = self.owed.take() {
            match answer.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.owed = Some((answer, asked));
                    return Err(NoAnswer::Late(asked.elapsed()));
                }
                // It came too late to be true now, or never will: ask anew.
                Ok(_) | Err(oneshot::error::TryRecvError::Closed) => {}
            }
        }
        let (reply, mut answer) = oneshot::channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Nobody waits for it any more: whoever asked is gone.
            drop(reply.send(work()));
        });
        thread.map_err(|error| NoAnswer::Lost(format!("no thread for it: {error}")))?;
        let asked = Instant::now();
        match tokio::time::timeout(limit, &mut answer).await {
            Ok(Ok(told)) => Ok(told),
            Ok(Err(_)) => Err(NoAnswer::Lost("the thread that asked it ended".into())),
            Err(_) => {
                self.owed = Some((answer, asked));
                Err(NoAnswer::Late(limit))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn what_hangs_owes_until_it_answers_and_a_panic_is_told() {
        let (release, held) = mpsc::channel::<()>();
        let mut aside = Aside::default();
        let limit = Duration::from_millis(20);
        assert!(!aside.owes());
        let late = aside.ask("test", limit, move || held.recv().is_ok()).await;
        assert_eq!(late, Err(NoAnswer::Late(limit)));
        assert!(aside.owes() && matches!(aside.ask("test", limit, || true).await, Err(NoAnswer::Late(_))));
        release.send(()).unwrap();
        while aside.owes() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let whole = Duration::from_secs(30);
        assert_eq!(aside.ask("test", whole, || true).await, Ok(true));
        let lost = aside.ask("test", whole, || panic!("the panic of a thread, which this test wants")).await;
        assert!(matches!(lost, Err(NoAnswer::Lost(_))), "{lost:?}");
        assert_eq!(aside.ask("test", whole, || true).await, Ok(true));
    }
}
