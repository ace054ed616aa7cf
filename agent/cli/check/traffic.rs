//! What a config says of real traffic, a line a thing: taps, logs, clients, objectives.

use crate::cli::text;
use crate::config::{Config, duration};
use crate::fleet::Slo;
use crate::tap::Client;

/// The lines, each whole; none where the config says nothing of it. No secret stands in them.
pub(super) fn lines(config: &Config) -> Vec<String> {
    let mut lines = Vec::new();
    for tap in &config.taps {
        let server = config.targets.iter().find(|target| target.name == tap.target);
        let server = server.map(|target| format!(" ({})", target.shown_url())).unwrap_or_default();
        let listen: Vec<String> = tap.listen.iter().map(ToString::to_string).collect();
        lines.push(format!("tap: {} before {}{server}", listen.join(" and "), tap.target));
    }
    lines.extend(config.logs.iter().map(|log| format!("log: {}, of {}", log.place, log.target)));
    lines.extend(config.clients.iter().map(client));
    lines.extend(config.slos.iter().map(slo));
    lines.iter().map(|line| text::clean(line)).collect()
}

fn client(client: &Client) -> String {
    let key = client.token.is_some().then(|| "its key".to_owned());
    let networks = client.networks.iter().map(ToString::to_string);
    let by: Vec<String> = key.into_iter().chain(networks).collect();
    format!("client: {}, known by {}", client.name, by.join(" or "))
}

fn slo(slo: &Slo) -> String {
    let limits = [
        ("time to first token", slo.time_to_first_token),
        ("time per output token", slo.time_per_output_token),
        ("duration", slo.duration),
    ];
    let limits = limits.into_iter().filter_map(|(name, limit)| Some((name, limit?)));
    let limits: Vec<String> =
        limits.map(|(name, limit)| format!("{name} {}", duration::write(limit))).collect();
    let of = |what: &str, names: &[String]| match names {
        [] => String::new(),
        names => format!(", of {what} {}", names.join(", ")),
    };
    let (targets, models) = (of("target", &slo.targets), of("model", &slo.models));
    format!("slo: {}, {}{targets}{models}", slo.name, limits.join(", "))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn each_thing_is_told_in_a_line_and_no_secret() {
        let text = r#"
[[client]]
name = "build"
token = "sk-secret"
networks = "10.0.0.0/8"

[[slo]]
name = "chat"
targets = ["box"]
models = ["llama3.2:3b", "b"]
time_to_first_token = "2s"
time_per_output_token = "50ms"

[[target]]
name = "box"
kind = "ollama"
token = "sk-secret"
tap = ["127.0.0.1:11435", "[::1]:11435"]

[[target]]
name = "other"
kind = "lm_studio"
log = "journal:lmstudio.service"
"#;
        let config = Config::parse(Path::new("x.toml"), text).unwrap();
        assert_eq!(
            lines(&config),
            [
                "tap: 127.0.0.1:11435 and [::1]:11435 before box (http://127.0.0.1:11434)",
                "log: journal of lmstudio.service, of other",
                "client: build, known by its key or 10.0.0.0/8",
                "slo: chat, time to first token 2s, time per output token 50ms, of target box, of model llama3.2:3b, b",
            ]
        );
        assert_eq!(lines(&Config::default()), Vec::<String>::new());
    }
}
