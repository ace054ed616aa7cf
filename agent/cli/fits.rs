//! `opsagent fits`: whether a model of so many bytes fits beside what is loaded.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;
use url::Url;

use super::failure::{Failure, Outcome, UNKNOWN, USAGE};
use super::out::Out;
use super::source::{self, Whom};
use super::{screen, text, words};
use crate::config::size;
use crate::view::{Fit, Verdict, fits};

const AFTER: &str = "\
Examples:
  opsagent fits 12GiB                   does it fit on a GPU of this machine?
  opsagent fits model.gguf              the size of a file; of a split one all its parts
  opsagent fits 40GB gpu1 gpu2:9000     which of these machines takes it?
  opsagent fits 12GiB --json            for programs

A model takes more than its file: context and buffers come on top, the more the longer the context.
What the driver takes for a new process (512 MiB a GPU) is taken into account.

Exit codes:
  0   it fits, as all is now
  1   only if Ollama unloads a model, or split over several GPUs
  2   it does not
  3   not known: no GPU tells, or no answer
  64  wrong usage
  130 interrupted by Ctrl-C";

/// Tells whether a model of so many bytes fits beside what is loaded
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    /// Memory that it needs, such as 12GiB or 800MB, or its file
    #[arg(value_name = "SIZE|FILE")]
    what: String,
    #[command(flatten)]
    whom: Whom,
    /// Prints what was found as JSON, an object a machine
    #[arg(long)]
    json: bool,
}

/// What one machine says.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    /// The agent that was asked, as it was named.
    agent: Option<&'a str>,
    #[serde(flatten)]
    fit: Fit,
}

/// Asks each machine by itself: no model is split over two.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    let wanted = Wanted::of(&args.what)?;
    source::block_on(ask(args, &wanted, out))
}

async fn ask(args: &Args, wanted: &Wanted, out: &mut Out) -> Outcome {
    let sources: Vec<&[Url]> =
        if args.whom.agents.is_empty() { vec![&[]] } else { args.whom.agents.chunks(1).collect() };
    let mut verdicts = Vec::new();
    for agent in sources {
        let source = args.whom.source(agent)?;
        let name = agent.first().and_then(Url::host_str);
        let told = match source.look().await {
            Ok(told) => told,
            // The others may still take it.
            Err(failure) if args.whom.agents.len() > 1 => {
                screen::note(failure.text().trim_end());
                verdicts.push(Verdict::Unknown);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        screen::note(&told.by);
        let fit = fits(&told.view, wanted.bytes);
        verdicts.push(fit.verdict);
        if args.json {
            let answer = Answer { agent: name, fit };
            let json = serde_json::to_string_pretty(&answer).context("cannot write the answer as JSON")?;
            out.raw(format!("{json}\n").as_bytes())?;
        } else {
            let on = name.filter(|_| args.whom.agents.len() > 1).map(|name| format!("{name}: "));
            let said = format!("{}{}: {}\n", on.unwrap_or_default(), wanted.shown, fit.text);
            out.text(&text::clean(said.trim_end()))?;
            out.text("\n")?;
        }
    }
    if wanted.is_file && !args.json {
        out.text("Only the file is counted: context and buffers come on top.\n")?;
    }
    Ok(code(&verdicts))
}

/// The best that any machine says; that it does not fit only if all say so.
fn code(verdicts: &[Verdict]) -> u8 {
    let any = |wanted: &[Verdict]| verdicts.iter().any(|verdict| wanted.contains(verdict));
    if any(&[Verdict::OneCard, Verdict::Host]) {
        0
    } else if any(&[Verdict::Split, Verdict::AfterUnload]) {
        1
    } else if any(&[Verdict::Unknown]) || verdicts.is_empty() {
        UNKNOWN
    } else {
        2
    }
}

/// The memory that is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    bytes: u64,
    shown: String,
    is_file: bool,
}

impl Wanted {
    /// A size, or a file's.
    fn of(text: &str) -> Result<Wanted, Failure> {
        if let Some(bytes) = size::parse(text) {
            return Ok(Wanted { bytes, shown: words::bytes(bytes), is_file: false });
        }
        let file = Path::new(text);
        let bytes = file_bytes(file).map_err(|error| {
            let what = format!("cannot take {text:?} for a size such as 12GiB, nor for a file: {error}");
            Failure::say(USAGE, text::clean(&what))
        })?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Ok(Wanted { bytes, shown: format!("{name} ({})", words::bytes(bytes)), is_file: true })
    }
}

/// The size of a file; of one that is the first of several, such as `x-00001-of-00003.gguf`, that of all.
fn file_bytes(file: &Path) -> io::Result<u64> {
    let length = |file: &Path| {
        let meta = fs::metadata(file)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))?;
        if meta.is_file() { Ok(meta.len()) } else { Err(io::Error::other("it is no file")) }
    };
    let Some((stem, count)) = parts(file) else { return length(file) };
    let part = |nth| length(&file.with_file_name(format!("{stem}-{nth:05}-of-{count:05}.gguf")));
    (1..=count).map(part).sum()
}

/// The name without its number, and how many parts there are, where a file is one of several.
fn parts(file: &Path) -> Option<(&str, u32)> {
    let (rest, count) = file.file_name()?.to_str()?.strip_suffix(".gguf")?.rsplit_once("-of-")?;
    let (stem, nth) = rest.rsplit_once('-')?;
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() == 5);
    let (nth, count) = (number(nth)?, number(count)?);
    // llama.cpp's own tool writes no more parts than this.
    (1..=count).contains(&nth).then_some((stem, count)).filter(|_| count <= 9999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_machine_counts_and_not_knowing_is_no_refusal() {
        use Verdict::{AfterUnload, Host, No, OneCard, Split, Unknown};
        let cases: [(&[Verdict], u8); 9] = [
            (&[OneCard], 0),
            (&[Host], 0),
            (&[Split], 1),
            (&[AfterUnload], 1),
            (&[No], 2),
            (&[Unknown], 3),
            (&[No, Unknown, OneCard], 0),
            (&[No, Unknown], 3),
            (&[], 3),
        ];
        for (verdicts, expected) in cases {
            assert_eq!(code(verdicts), expected, "{verdicts:?}");
        }
    }

    #[test]
    fn a_file_in_parts_is_as_large_as_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for (name, bytes) in [("a.gguf", 10), ("b-00001-of-00002.gguf", 3), ("b-00002-of-00002.gguf", 4)] {
            fs::write(at(name), vec![0; bytes]).unwrap();
        }
        let bytes = |name: &str| Wanted::of(at(name).to_str().unwrap()).map(|wanted| wanted.bytes).ok();
        assert_eq!(bytes("a.gguf"), Some(10));
        assert_eq!(bytes("b-00001-of-00002.gguf"), Some(7));
        assert_eq!(bytes("b-00002-of-00002.gguf"), Some(7), "whichever is named");
        fs::remove_file(at("b-00002-of-00002.gguf")).unwrap();
        let error = Wanted::of(at("b-00001-of-00002.gguf").to_str().unwrap()).unwrap_err().text();
        assert!(error.contains("b-00002-of-00002.gguf: No such file"), "{error}");
        assert!(Wanted::of(folder.path().to_str().unwrap()).is_err(), "a folder is no model");
    }

    #[test]
    fn a_size_is_a_size() {
        assert_eq!(Wanted::of("1.5GiB").unwrap().bytes, 3 << 29);
        let error = Wanted::of("12\u{1b}").unwrap_err().text();
        assert!(error.contains("12GiB") && !error.contains('\u{1b}'), "{error}");
    }
}
