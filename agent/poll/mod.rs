//! The jobs that poll: a server, the GPUs. A job owns the time, the success and the count; what it
//! polls only returns what it saw.

mod server;

pub use server::PollServer;
