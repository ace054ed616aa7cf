//! The catalogue: every metric the agent exports, declared once, and the page that is made of them.
//!
//! To add one: a line where it is declared (`observed`, `canaries` and `gpus` for what is read off the view, `counted` and
//! `traffic` for what this process counts) and a line that sets it. README's table and `opsagent explain` follow.

mod buckets;
mod canaries;
mod counted;
mod declare;
mod encode;
mod family;
mod fill;
mod format;
mod gpus;
mod histogram;
mod host;
mod observed;
mod process;
mod table;
#[cfg(test)]
mod tests;
mod traffic;

pub use buckets::{Bounds, Buckets, MOST_BOUNDS};
pub use counted::Counted;
pub use declare::{Kind, Spec};
pub use fill::REVISION;
pub use format::Format;
pub use table::{SPECS, spec, table};
pub use traffic::{Traffic, Whose, decode, prefill};

use crate::usage::ProcessStats;
use crate::view::View;
use canaries::OfCanaries;
use encode::Page;
use gpus::OfGpus;
use host::Host;
use observed::{Observed, OfPage};
use process::Process;

/// The metrics page: all that the view says, what the process counted, and what it takes itself if
/// that was read. Families are sorted by name, series by labels; a metric without series is not there.
pub fn render(view: &View, counted: &Counted, process: Option<&ProcessStats>, format: Format) -> String {
    let mut families = Observed::of(view).families();
    families.extend(OfCanaries::of(view).families());
    families.extend(OfGpus::of(view).families());
    families.extend(Host::of(view.hosts.first()).families());
    families.extend(counted.families());
    families.extend(process.into_iter().flat_map(|stats| Process::of(stats).families()));
    let others = families.iter().map(|family| family.series()).sum();
    families.extend(OfPage::of(others).families());
    families.retain(|family| family.series() > 0);
    families.sort_by_key(|family| family.spec().name);
    let mut page = Page::new(format, families.len(), others + 1);
    for family in families {
        page.head(family.spec());
        family.write(&mut page);
    }
    page.finish()
}
