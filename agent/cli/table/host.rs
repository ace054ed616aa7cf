//! The host: a row for the machine, one for each disk of models and each limit, and what is wrong.

use super::block;
use crate::cli::grid::{Cell, Column, Grid};
use crate::cli::{style, words};
use crate::sample::NoteLevel;
use crate::view::{CgroupSample, FolderSample, HostView, View};

/// Rows of disks and limits that are shown of a host; the page and `--json` have all.
const SHOWN_ROWS: usize = 6;

/// Every host that was looked at.
pub(super) fn hosts(view: &View, width: usize, lines: &mut Vec<String>) {
    for host in &view.hosts {
        lines.push(String::new());
        machine(host, width, lines);
        parts(host, width, lines);
        for note in host.notes.iter().filter(|note| note.level == NoteLevel::Warning) {
            lines.extend(block(style::WARNING, "  warning: ", &note.text, width));
            if let Some(remedy) = &note.remedy {
                lines.extend(block(style::PLAIN, "    -> ", remedy, width));
            }
        }
    }
}

fn machine(host: &HostView, width: usize, lines: &mut Vec<String>) {
    if let Some(error) = &host.error {
        let name = host.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
        lines.extend(block(style::DIM, "", &format!("host{name}: {error}"), width));
        return;
    }
    let fixed = Column::fixed("");
    let mut grid = Grid::new([fixed, Column::flexible("", 8), fixed, fixed, fixed.goes(1), fixed.goes(2)]);
    let said = |value: Option<String>| Cell::new(&value.unwrap_or_default());
    let memory = &host.memory;
    let pair = |used: Option<u64>, all: Option<u64>| match (used, all) {
        (Some(used), Some(all)) => Some(format!("{}/{} GiB", words::gib(used), words::gib(all))),
        (None, Some(all)) => Some(format!("?/{} GiB", words::gib(all))),
        _ => None,
    };
    let swap = memory.swap_total_bytes.filter(|all| *all > 0);
    let swap_used = swap.zip(memory.swap_free_bytes).map(|(all, free)| all.saturating_sub(free));
    grid.push(vec![
        Cell::new("host"),
        Cell::new(host.name.as_deref().unwrap_or("")),
        said(processors(host)),
        said(pair(host.memory_used_bytes(), memory.total_bytes).map(|pair| format!("memory {pair}"))),
        said(pair(swap_used, swap).map(|pair| format!("swap {pair}"))),
        said(host.package_watts().map(|watts| format!("CPU {watts:.0} W"))),
    ]);
    grid.drop_columns_of("");
    grid.drop_columns_to_fit(width);
    lines.extend(grid.lines(width, style::PLAIN).1);
}

fn processors(host: &HostView) -> Option<String> {
    let cpus = host.cpus.map(|cpus| words::count(cpus as usize, "CPU"));
    match (cpus, host.cpu_use_ratio) {
        (Some(cpus), Some(ratio)) => Some(format!("{cpus} {} busy", words::percent(ratio))),
        (cpus, None) => cpus,
        (None, Some(ratio)) => Some(format!("CPU {} busy", words::percent(ratio))),
    }
}

fn parts(host: &HostView, width: usize, lines: &mut Vec<String>) {
    let mut grid = Grid::new([Column::fixed(""), Column::flexible("", 12), Column::flexible("", 10)]);
    let rows: Vec<_> = host.folders.iter().map(folder).chain(host.cgroups.iter().map(limit)).collect();
    let more = super::more(rows.len(), SHOWN_ROWS);
    for row in rows.into_iter().take(SHOWN_ROWS) {
        grid.push(row);
    }
    let inside = width.saturating_sub(2);
    lines.extend(grid.lines(inside, style::PLAIN).1.into_iter().map(|row| format!("  {row}")));
    if let Some(more) = more {
        lines.extend(block(
            style::DIM,
            "  ",
            &format!("and {more} more disks and limits: see --json"),
            width,
        ));
    }
}

fn folder(folder: &FolderSample) -> Vec<Cell> {
    let room = match (folder.disk, &folder.error) {
        (Some(disk), _) => {
            let (free, size) = (words::bytes(disk.available_bytes), words::bytes(disk.size_bytes));
            format!("{free} of {size} free")
        }
        (None, Some(error)) => error.clone(),
        (None, None) => "not known".into(),
    };
    vec![Cell::new("disk"), Cell::new(&folder.folder), Cell::new(&room)]
}

fn limit(group: &CgroupSample) -> Vec<Cell> {
    let whose = if group.cgroup == "/" { "this container" } else { &group.cgroup };
    let limit = group.limit_bytes.or(group.high_bytes).map_or_else(String::new, words::bytes);
    let used = group.used_bytes.map_or_else(|| "?".into(), words::bytes);
    vec![Cell::new("limit"), Cell::new(whose), Cell::new(&format!("memory {used} of {limit}"))]
}
