//! The config and the web config as they were named: all faults of both at once.

use std::path::PathBuf;

use super::failure::{BAD_CONFIG, Failure};
use crate::config::Config;
use crate::web::toolkit::WebConfig;

/// The flags that name them.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Files {
    /// The config; /etc/opsagent/opsagent.toml if it exists, else the defaults
    #[arg(long, value_name = "FILE", env = "OPSAGENT_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// TLS and passwords in the format of Prometheus' exporter-toolkit, instead of the config's
    /// `web_config_file`
    #[arg(long = "web.config.file", value_name = "FILE", env = "OPSAGENT_WEB_CONFIG_FILE")]
    pub(super) web_config_file: Option<PathBuf>,
}

/// Reads both; the web config named on the command line holds over the config's. `cannot`: what
/// does not happen if one has a fault.
pub(super) fn load(files: &Files, cannot: &str) -> Result<(Config, WebConfig), Failure> {
    let mut faults: Vec<String> = Vec::new();
    let config = Config::load(files.config.as_deref()).unwrap_or_else(|errors| {
        faults.extend(errors.iter().map(ToString::to_string));
        Config::default()
    });
    let web = files.web_config_file.as_deref().or(config.web_config_file.as_deref());
    let web = web.map_or_else(|| Ok(WebConfig::default()), WebConfig::load).unwrap_or_else(|errors| {
        faults.extend(errors);
        WebConfig::default()
    });
    if faults.is_empty() { Ok((config, web)) } else { Err(Failure::faults(BAD_CONFIG, &faults, cannot)) }
}
