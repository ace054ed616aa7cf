//! The tap between a client and a server that are both written byte for byte.

mod answers;
mod breaks;
mod gone;
mod lifecycle;
mod limits;
mod pool;
mod requests;
mod secured;
mod timeouts;
mod told;
mod upgrades;
mod volume;
