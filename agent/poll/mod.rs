//! The jobs that poll: a server, the GPUs. A job owns the time, the success and the count; what it
//! polls only returns what it saw.

mod gpus;
mod server;
mod whose;

pub use gpus::GpuPoller;
pub use server::PollServer;
pub use whose::Whose;
