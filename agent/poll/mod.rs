//! The jobs that poll: a server, its log, the GPUs, the host, the kernel's log. A job owns the time, the success and the
//! count; what it polls only returns what it saw.

mod aside;
mod gpus;
mod host;
mod kernel_log;
mod server;
mod server_log;
mod whose;
mod xids;

pub use gpus::{GpuPoller, OnOpen};
pub use host::HostPoller;
pub use kernel_log::{KERNEL_LOG_EVERY, ListenToKernel};
pub use server::PollServer;
pub use server_log::{FollowLog, SERVER_LOG_EVERY};
pub use whose::Whose;
pub use xids::listen_to_driver;
