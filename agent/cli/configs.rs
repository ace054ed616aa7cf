//! The config and the web config as they were named: all faults of both at once.

use std::path::Path;

use super::failure::{BAD_CONFIG, Failure};
use crate::config::Config;
use crate::web::toolkit::WebConfig;

/// Reads both; `web`: named on the command line, which holds over the config's. `cannot`: what does
/// not happen if one has a fault.
pub(super) fn load(
    file: Option<&Path>,
    web: Option<&Path>,
    cannot: &str,
) -> Result<(Config, WebConfig), Failure> {
    let mut faults: Vec<String> = Vec::new();
    let config = Config::load(file).unwrap_or_else(|errors| {
        faults.extend(errors.iter().map(ToString::to_string));
        Config::default()
    });
    let web = web.or(config.web_config_file.as_deref());
    let web = web.map_or_else(|| Ok(WebConfig::default()), WebConfig::load).unwrap_or_else(|errors| {
        faults.extend(errors);
        WebConfig::default()
    });
    if faults.is_empty() { Ok((config, web)) } else { Err(Failure::faults(BAD_CONFIG, &faults, cannot)) }
}
