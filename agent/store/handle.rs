//! The agent's handle: one thread writes, another reads, and no caller ever waits for the disk on its own thread.

use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use super::batch::{Applied, Batch};
use super::db::Db;
use super::error::{Reason, StoreError};
use super::health::Health;
use super::retention::Retention;
use super::writer::{self, Ask, Writer};

/// What may wait for the thread that writes while a call holds it up. Beyond that it is lost, and counted.
const MOST_ASKS: usize = 256;

/// Questions that may wait for the thread that reads.
const MOST_QUESTIONS: usize = 64;

type Question = Box<dyn FnOnce(&Db) + Send>;

/// The agent's store. Cloned handles are the same one; with the last its threads end.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    asks: SyncSender<Ask>,
    questions: SyncSender<Question>,
    health: Arc<Mutex<Health>>,
}

impl Store {
    /// Opens the store, makes it where there is none, brings an older one to this version, and looks through it
    /// whole. Blocks, some seconds where it is large. A file that is something else, damaged or newer is never
    /// written to.
    ///
    /// # Errors
    /// No store can be there, or what is there is none that can be used.
    pub fn open(path: &Path, retention: Retention) -> Result<Store, StoreError> {
        Store::start(Db::open(path)?, retention)
    }

    fn start(db: Db, retention: Retention) -> Result<Store, StoreError> {
        let (path, reader) = (db.path().to_owned(), db.reader()?);
        let health: Arc<Mutex<Health>> = Arc::default();
        let (asks, asked) = sync_channel(MOST_ASKS);
        let (questions, questioned) = sync_channel(MOST_QUESTIONS);
        let writer = Writer::new(db, retention, Arc::clone(&health));
        // Neither is ever joined: a disk that is gone holds them up for ever. They end with the last handle.
        thread(&path, "store", move || writer.run(asked))?;
        thread(&path, "store-reads", move || answer(&reader, &questioned))?;
        Ok(Store { inner: Arc::new(Inner { path, asks, questions, health }) })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Hands a batch over to be written; it is on its way even if nobody awaits what is given back.
    pub fn write(&self, batch: Batch) -> Receipt {
        let (tell, told) = oneshot::channel();
        let sent = self.inner.asks.try_send(Ask::Write(batch, tell));
        let closed = matches!(sent, Err(TrySendError::Disconnected(_)));
        if let Err(TrySendError::Full(ask) | TrySendError::Disconnected(ask)) = sent
            && let Ask::Write(batch, tell) = ask
        {
            writer::lose(&self.inner.health, &[batch]);
            tell.send(Err(if closed { gone(&self.inner.path) } else { self.overflow() })).ok();
        }
        Receipt { told, path: self.inner.path.clone() }
    }

    /// Asks something of what is stored. A write whose receipt said that it is done is seen.
    ///
    /// # Errors
    /// What the question says, or too many wait.
    pub async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Db) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (tell, told) = oneshot::channel();
        let ask: Question = Box::new(move |db| drop(tell.send(question(db))));
        self.inner.questions.try_send(ask).map_err(|_| self.overflow())?;
        told.await.unwrap_or_else(|_| Err(gone(&self.inner.path)))
    }

    /// Whether another connection, such as a command at a shell, wrote since this was asked last, or since the
    /// store was opened. Where it cannot be told: no.
    pub async fn changed_by_others(&self) -> bool {
        let (tell, told) = oneshot::channel();
        self.inner.asks.try_send(Ask::Changed(tell)).is_ok() && told.await.unwrap_or(false)
    }

    /// How long what is kept, from now on.
    pub fn keep(&self, retention: Retention) {
        // Where so much waits, nothing is deleted for now anyway; the next reload tells it again.
        self.inner.asks.try_send(Ask::Retention(retention)).ok();
    }

    /// How it fares.
    pub fn health(&self) -> Health {
        writer::health(&self.inner.health).clone()
    }

    /// Writes what waits, and closes the file. Blocks, no longer than this; `false`: it was not done by then.
    pub fn close(&self, within: Duration) -> bool {
        let (tell, closed) = channel();
        self.inner.asks.try_send(Ask::Close(tell)).is_ok() && closed.recv_timeout(within).is_ok()
    }

    fn overflow(&self) -> StoreError {
        let found = "more waits for the disk than is kept in memory";
        StoreError::new(Reason::Overflow, &self.inner.path, found)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.inner.path.display())
    }
}

/// What came of a batch: a future. An error that [`StoreError::is_kept`] means that it waits in memory and is tried
/// again; any other that it will not be written.
#[derive(Debug)]
pub struct Receipt {
    told: oneshot::Receiver<Result<Applied, StoreError>>,
    path: PathBuf,
}

impl Future for Receipt {
    type Output = Result<Applied, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.told).poll(context).map(|told| told.unwrap_or_else(|_| Err(gone(&self.path))))
    }
}

fn gone(path: &Path) -> StoreError {
    StoreError::new(Reason::Closed, path, "the store is closed")
}

fn thread(path: &Path, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let started = std::thread::Builder::new().name(name.to_owned()).spawn(work);
    started.map(drop).map_err(|error| StoreError::of_io(path, "start a thread for it", &error))
}

fn answer(db: &Db, questions: &Receiver<Question>) {
    for question in questions {
        // Whoever asked learns of a panic by getting no answer; the next question is answered.
        std::panic::catch_unwind(AssertUnwindSafe(|| question(db))).ok();
    }
}

#[cfg(test)]
mod tests;
