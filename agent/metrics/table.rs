//! The catalogue as a list: for README's table, `opsagent explain` and the checks of dashboards.

use super::canaries::OfCanaries;
use super::counted::Counted;
use super::declare::{Kind, Spec};
use super::gpus::OfGpus;
use super::host::Host;
use super::observed::{Observed, OfPage};
use super::process::Process;
use super::traffic::Traffic;

const PARTS: [&[Spec]; 8] = [
    Observed::SPECS,
    Traffic::SPECS,
    OfCanaries::SPECS,
    OfGpus::SPECS,
    Host::SPECS,
    Counted::SPECS,
    OfPage::SPECS,
    Process::SPECS,
];

/// Every metric, in the order of the catalogue.
pub static SPECS: &[Spec] = &joined::<{ number_of_all() }>();

const fn number_of_all() -> usize {
    let (mut part, mut all) = (0, 0);
    while part < PARTS.len() {
        all += PARTS[part].len();
        part += 1;
    }
    all
}

const fn joined<const N: usize>() -> [Spec; N] {
    let mut all = [PARTS[0][0]; N];
    let (mut part, mut from, mut to) = (0, 0, 0);
    while part < PARTS.len() {
        while from < PARTS[part].len() {
            all[to] = PARTS[part][from];
            (from, to) = (from + 1, to + 1);
        }
        (part, from) = (part + 1, 0);
    }
    all
}

/// The metric of that name, as people write it: with or without the prefix, with the `_total`,
/// `_bucket`, `_sum` or `_count` that its series have or without, with a selector behind it.
pub fn spec(name: &str) -> Option<&'static Spec> {
    let name = name.split('{').next().unwrap_or(name).trim();
    let find = |wanted: &str| {
        SPECS.iter().find(|spec| {
            let short = spec.name.strip_prefix("opsagent_").unwrap_or(spec.name);
            let (family, short_family) = (spec.family(), short.strip_suffix("_total").unwrap_or(short));
            [spec.name, short, family, short_family].contains(&wanted)
        })
    };
    let of_histogram = || {
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix))?;
        find(stem).filter(|spec| spec.kind == Kind::Histogram)
    };
    find(name).or_else(of_histogram)
}

/// The catalogue as a table in Markdown.
pub fn table() -> String {
    let mut table = String::from("| metric | type | labels | what it is |\n| --- | --- | --- | --- |\n");
    for spec in SPECS {
        let labels: Vec<String> = spec.labels.iter().map(|label| format!("`{label}`")).collect();
        let row = [&format!("`{}`", spec.name), spec.kind.name(), &labels.join(" "), spec.help];
        table.push_str("| ");
        table.push_str(&row.map(|cell| cell.replace('|', "\\|")).join(" | "));
        table.push_str(" |\n");
    }
    table
}
