//! Ollama's own lines that matter here: `time=… level=INFO source=… msg="loaded runners" count=1`.

use std::time::Duration;

/// Where Ollama's own models live; its inventory leaves it out.
const REGISTRY: &str = "registry.ollama.ai/library/";

/// How it says that a client left.
const ABORTED: &str = " request due to client closing the connection";

/// What such a line says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Notice {
    /// Ollama began.
    Begins,
    /// A model is being loaded.
    Loading,
    /// It took so long.
    Started(Duration),
    /// This is the model that was loaded.
    Model(String),
    /// So many are loaded now.
    Runners(u64),
    /// A prompt was cut to so many tokens, since it did not fit.
    PromptCut(u64),
    /// A client left while its request waited for a slot; its access line says 500.
    Aborted,
    /// A model's process ended by itself.
    Gone,
    /// Another line of Ollama's.
    Other,
}

/// Reads such a line.
pub(super) fn notice(text: &str) -> Option<Notice> {
    let rest = text.strip_prefix("time=")?;
    let said = field(rest, "msg=")?;
    let number = |name| field(rest, name).and_then(|number| number.parse().ok());
    Some(match said {
        "starting llama-server" | "starting runner" | "starting llama server" => Notice::Loading,
        "loaded runners" => number(" count=").map_or(Notice::Other, Notice::Runners),
        "truncating input prompt" => number(" new=").map_or(Notice::Other, Notice::PromptCut),
        "llama-server process no longer running" | "llama-server terminated" => Notice::Gone,
        "template selection" => field(rest, " model=").map_or(Notice::Other, |name| {
            Notice::Model(name.strip_prefix(REGISTRY).unwrap_or(name).to_owned())
        }),
        _ if said.starts_with("Listening on ") => Notice::Begins,
        _ if said.starts_with("aborting ") && said.ends_with(ABORTED) => Notice::Aborted,
        _ => started(said).map_or(Notice::Other, Notice::Started),
    })
}

/// `llama-server started in 0.50 seconds`.
fn started(said: &str) -> Option<Duration> {
    let took = said
        .strip_prefix("llama-server started in ")
        .or_else(|| said.strip_prefix("llama runner started in "));
    Duration::try_from_secs_f64(took?.strip_suffix(" seconds")?.parse().ok()?).ok()
}

/// A value, without its quotes.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = &text[text.find(name)? + name.len()..];
    match rest.strip_prefix('"') {
        Some(quoted) => Some(&quoted[..quoted.find('"')?]),
        None => rest.split(' ').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_that_matter_are_read() {
        for (rest, notice) in [
            (
                "source=llama_server.go:1362 msg=\"llama-server started in 0.50 seconds\"",
                Notice::Started(Duration::from_millis(500)),
            ),
            (
                "source=server.go:637 msg=\"llama runner started in 12.25 seconds\"",
                Notice::Started(Duration::from_millis(12_250)),
            ),
            (
                "source=llama_server.go:433 msg=\"starting llama-server\" cmd=\"/usr/lib/ollama/llama-server --model x\"",
                Notice::Loading,
            ),
            (
                "source=images.go:424 msg=\"template selection\" model=registry.ollama.ai/library/smol2:latest selected=go_template renderer=\"\"",
                Notice::Model("smol2:latest".into()),
            ),
            (
                "source=images.go:424 msg=\"template selection\" model=hf.co/a/b:Q4_K_M selected=x",
                Notice::Model("hf.co/a/b:Q4_K_M".into()),
            ),
            ("source=sched.go:728 msg=\"loaded runners\" count=2", Notice::Runners(2)),
            (
                "source=llama_server.go:317 msg=\"truncating input prompt\" limit=2050 prompt=10010 keep=4 new=2050",
                Notice::PromptCut(2050),
            ),
            (
                "source=llama_server.go:1196 msg=\"llama-server process no longer running\" sys=9 string=\"signal: killed\"",
                Notice::Gone,
            ),
            ("source=routes.go:1357 msg=\"Listening on 127.0.0.1:11434 (version 0.34.0)\"", Notice::Begins),
            ("source=ggml.go:104 msg=system CPU.0.LLAMAFILE=1", Notice::Other),
            (
                "source=llama_server.go:1542 msg=\"aborting completion request due to client closing the connection\"",
                Notice::Aborted,
            ),
            ("source=x msg=\"llama-server started in a few seconds\"", Notice::Other),
        ] {
            let text = format!("time=2026-11-22T16:11:47.602Z level=INFO {rest}");
            assert_eq!(super::notice(&text), Some(notice), "{text}");
        }
        for text in ["", "time=", "msg=\"loaded runners\" count=1", "time=x msg=\"unclosed"] {
            assert_eq!(notice(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(text in "\\PC{0,200}") {
            notice(&text);
            notice(&format!("time={text}"));
            notice(&format!("time=x msg=\"{text}"));
        }
    }
}
