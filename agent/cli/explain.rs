//! `opsagent explain`: what a metric, a kind of server, a state, a reason, a word of traffic or of canaries, a check or
//! an XID means.
//! Needs no network.

use std::fmt::Write as _;

use super::canary_topics;
use super::failure::{Failure, Outcome, USAGE};
use super::grid::{Cell, Column, Grid};
use super::out::Out;
use super::topics::{self, Topic};
use super::{style, text};

/// Below this a name is no misspelling of another (Jaro-Winkler, 0..1; clap takes 0.7 for flags,
/// which for names that all begin with opsagent_ would be every one).
const ALIKE: f64 = 0.8;

/// Nearest names told.
const NEAREST: usize = 5;

const MORE: &str = "More of each: opsagent explain NAME
What NVIDIA's driver reports of its cards: opsagent explain xid
";

const MORE_WORDS: &str = "More of each: opsagent explain NAME\n";

const MORE_XIDS: &str = "More of each: opsagent explain xid NUMBER\n";

const AFTER: &str = "\
Examples:
  opsagent explain                       everything there is
  opsagent explain opsagent_target_up    a metric; also without the prefix
  opsagent explain ollama                a kind of server: what is polled, and what never
  opsagent explain hung                  a state
  opsagent explain timeout               a reason why a server is not up
  opsagent explain tap                   how users' requests are measured; also ttft, tpot, stall, goodput
  opsagent explain request reset         a reason why a request failed
  opsagent explain json                  a check of a canary, and how the config writes it
  opsagent explain canary                known prompts, asked of a model; also drift, baseline, kld
  opsagent explain cause                 what may be behind a drift; also verdict, severity, stream, skip
  opsagent explain hw_thermal            what holds a GPU's clocks down
  opsagent explain gpu lost              why a GPU gives no readings
  opsagent explain energy                how joules come about; also throttling, headroom, expected, mig
  opsagent explain xid                   what NVIDIA's driver reports of its cards, in a list
  opsagent explain xid 79                one of them, and what to do

Exit codes:
  0   explained
  64  there is nothing of that name; the nearest names are told";

/// Explains a metric, a kind of server, a state, a reason, traffic, canaries, checks, what GPUs tell, XIDs; offline
#[derive(Debug, clap::Args)]
#[command(after_long_help = AFTER)]
pub(super) struct Args {
    /// What to explain; everything in a line each when left out
    name: Vec<String>,
}

/// Explains.
pub(super) fn run(args: &Args, out: &mut Out) -> Outcome {
    let width = Out::screen().width;
    // What consists of two words, such as `xid 79`, may be two arguments.
    let name = args.name.join(" ");
    let said = if args.name.is_empty() {
        list(topics::all(), width) + MORE
    } else if topics::is_xids(&name) {
        list(vec![("XIDs: what NVIDIA's driver reports of a card", topics::xids())], width) + MORE_XIDS
    } else if let Some(group) = canary_topics::group(&name) {
        list(vec![group], width) + MORE_WORDS
    } else {
        match topics::find(&name) {
            Some(topic) => explain(&topic, width),
            None => return Err(Failure::say(USAGE, unknown(&name))),
        }
    };
    out.text(&said)?;
    Ok(0)
}

fn explain(topic: &Topic, width: usize) -> String {
    let mut said = format!("{}{}{:#}\n", style::BOLD, topic.name(), style::BOLD);
    let facts = topic.facts();
    let indent = facts.iter().map(|(name, _)| text::width(name) + 2).max().unwrap_or(0);
    for (name, value) in facts {
        for (nth, line) in text::wrap(&value, width.saturating_sub(indent)).into_iter().enumerate() {
            let name = if nth == 0 { name } else { "" };
            let pad = " ".repeat(indent - text::width(name));
            // Writing to a string cannot fail.
            writeln!(said, "{}{name}{:#}{pad}{line}", style::DIM, style::DIM).ok();
        }
    }
    said
}

fn list(groups: Vec<(&str, Vec<Topic>)>, width: usize) -> String {
    let mut said = String::new();
    for (title, topics) in groups {
        writeln!(said, "{}{title}{:#}", style::BOLD, style::BOLD).ok();
        let mut grid = Grid::new([Column::fixed(""), Column::flexible("", 20)]);
        for topic in topics {
            grid.push(vec![Cell::new(topic.name()), Cell::styled(&topic.brief(), style::DIM)]);
        }
        for line in grid.lines(width.saturating_sub(2), style::PLAIN).1 {
            writeln!(said, "  {line}").ok();
        }
        said.push('\n');
    }
    said
}

fn unknown(name: &str) -> String {
    let nearest = nearest(name);
    let hint = if name.trim().to_lowercase().starts_with("xid ") {
        "`opsagent explain xid` lists those known here, https://docs.nvidia.com/deploy/xid-errors the others"
            .to_owned()
    } else if nearest.is_empty() {
        "`opsagent explain` lists all there is".to_owned()
    } else {
        format!("the nearest are {}", nearest.join(", "))
    };
    format!("cannot explain {:?}: there is nothing of that name; {hint}", text::fit(&text::clean(name), 60))
}

/// The names most like it, the most alike first.
fn nearest(name: &str) -> Vec<&'static str> {
    let bare = |name: &str| name.trim().to_lowercase().trim_start_matches("opsagent_").to_owned();
    let wanted = bare(name);
    let names = topics::all().into_iter().flat_map(|(_, topics)| topics).map(|topic| topic.name());
    let likeness = |known: &str| {
        let known = bare(known);
        let whole_part = wanted.len() > 3 && known.contains(&wanted);
        if whole_part { 1.0 } else { strsim::jaro_winkler(&wanted, &known) }
    };
    let mut scored: Vec<(f64, &'static str)> =
        names.map(|known| (likeness(known), known)).filter(|(score, _)| *score >= ALIKE).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    scored.into_iter().take(NEAREST).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_the_list_can_be_explained_and_fits() {
        for topics in topics::all().into_iter().map(|(_, topics)| topics).chain([topics::xids()]) {
            for topic in topics {
                let found = topics::find(topic.name()).map(|found| found.name());
                assert_eq!(found, Some(topic.name()));
                let said = anstream::adapter::strip_str(&explain(&topic, 80)).to_string();
                assert!(said.lines().count() > 1 && !topic.about().is_empty(), "{said}");
                assert!(said.lines().all(|line| text::width(line) <= 80), "{said}");
            }
        }
        for groups in [topics::all(), vec![("XIDs", topics::xids())]] {
            let list = anstream::adapter::strip_str(&list(groups, 80)).to_string();
            assert!(list.lines().all(|line| text::width(line) <= 80), "{list}");
        }
    }

    #[test]
    fn a_misspelt_name_is_told_its_nearest() {
        assert_eq!(nearest("olama").first(), Some(&"ollama"));
        assert_eq!(nearest("opsagent_taget_up").first(), Some(&"opsagent_target_up"));
        assert_eq!(nearest("target_stat").first(), Some(&"opsagent_target_state"));
        assert_eq!(nearest("xyzzy"), Vec::<&str>::new());
        assert!(unknown("xyzzy\u{1b}[2J").contains("lists all"));
        assert!(unknown("xid 9999").contains("docs.nvidia.com"));
    }
}
