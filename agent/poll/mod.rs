//! The jobs that poll: a server, the GPUs, the host. A job owns the time, the success and the count; what it
//! polls only returns what it saw.

mod aside;
mod gpus;
mod host;
mod server;
mod whose;

pub use gpus::{GpuPoller, OnOpen};
pub use host::HostPoller;
pub use server::PollServer;
pub use whose::Whose;
