//! Aligned columns that fit a width: the widest give way first. Pure.

use std::fmt::Write as _;

use anstyle::Style;

use super::text;

/// Columns between two columns.
const GAP: usize = 2;

/// One piece of text and its looks.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Text of whatever origin.
    pub(super) fn new(text: &str) -> Cell {
        Cell::styled(text, Style::new())
    }

    /// Text with looks.
    pub(super) fn styled(text: &str, style: Style) -> Cell {
        Cell { text: text::clean(text), style }
    }
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    /// To how much text it may shrink when room is short; `None`: it gives way last.
    shrinks_to: Option<usize>,
    /// When room is shorter still, the columns with a number go, the lowest first.
    goes: Option<u8>,
}

impl Column {
    /// One that keeps its width as long as it can.
    pub(super) const fn fixed(title: &'static str) -> Column {
        Column { title, shrinks_to: None, goes: None }
    }

    /// One that may shrink to so much text.
    pub(super) const fn flexible(title: &'static str, least: usize) -> Column {
        Column { title, shrinks_to: Some(least), goes: None }
    }

    /// The same, left out where there is no room for all; the lowest number first.
    pub(super) const fn goes(self, order: u8) -> Column {
        Column { goes: Some(order), ..self }
    }
}

/// Rows that share their columns.
#[derive(Debug)]
pub(super) struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// No rows yet.
    pub(super) fn new(columns: impl Into<Vec<Column>>) -> Grid {
        Grid { columns: columns.into(), rows: Vec::new() }
    }

    /// One more row. What it lacks is empty; what is too much is dropped.
    pub(super) fn push(&mut self, mut row: Vec<Cell>) {
        row.resize(self.columns.len(), Cell::default());
        self.rows.push(row);
    }

    /// Leaves out columns of which no row says anything.
    pub(super) fn drop_columns_of(&mut self, nothing: &str) {
        for at in (0..self.columns.len()).rev() {
            if self.rows.iter().all(|row| row[at].text == nothing || row[at].text.is_empty()) {
                self.remove(at);
            }
        }
    }

    /// Leaves out those columns that may go, as long as the others would have to be cut.
    pub(super) fn drop_columns_to_fit(&mut self, width: usize) {
        loop {
            let least = |at: usize| {
                let natural = self.natural(at);
                self.columns[at].shrinks_to.map_or(natural, |least| natural.min(least))
            };
            let needed: usize = (0..self.columns.len()).map(least).sum();
            let expendable = (0..self.columns.len()).filter(|at| self.columns[*at].goes.is_some());
            match expendable.min_by_key(|at| self.columns[*at].goes) {
                Some(at) if needed > self.room(width) => self.remove(at),
                _ => return,
            }
        }
    }

    /// The head and each row, a line each, at most so wide.
    pub(super) fn lines(&self, width: usize, head: Style) -> (String, Vec<String>) {
        let widths = self.widths(width);
        let titles: Vec<Cell> =
            self.columns.iter().map(|column| Cell { text: column.title.into(), style: head }).collect();
        (line(&titles, &widths), self.rows.iter().map(|row| line(row, &widths)).collect())
    }

    fn widths(&self, width: usize) -> Vec<usize> {
        let mut widths: Vec<usize> = (0..self.columns.len()).map(|at| self.natural(at)).collect();
        let room = self.room(width);
        let floors: Vec<usize> =
            self.columns.iter().map(|column| column.shrinks_to.unwrap_or(usize::MAX)).collect();
        shrink(&mut widths, &floors, room);
        shrink(&mut widths, &vec![1; self.columns.len()], room);
        widths
    }
}

impl Grid {
    fn remove(&mut self, at: usize) {
        self.columns.remove(at);
        for row in &mut self.rows {
            row.remove(at);
        }
    }

    /// What a column would take if it could.
    fn natural(&self, at: usize) -> usize {
        let cells = self.rows.iter().map(|row| text::width(&row[at].text));
        cells.chain([text::width(self.columns[at].title)]).max().unwrap_or(0)
    }

    /// What is left for text.
    fn room(&self, width: usize) -> usize {
        width.saturating_sub(GAP * self.columns.len().saturating_sub(1))
    }
}

/// Takes from the widest, one by one, until all fit or none may give more.
fn shrink(widths: &mut [usize], floors: &[usize], room: usize) {
    let mut over = widths.iter().sum::<usize>().saturating_sub(room);
    while over > 0 {
        let able = (0..widths.len()).filter(|at| widths[*at] > floors[*at]);
        let Some(widest) = able.max_by_key(|at| widths[*at]) else { return };
        widths[widest] -= 1;
        over -= 1;
    }
}

fn line(cells: &[Cell], widths: &[usize]) -> String {
    let mut line = String::new();
    let mut owed = 0;
    for (cell, width) in cells.iter().zip(widths) {
        let shown = text::fit(&cell.text, *width);
        if !shown.is_empty() {
            line.push_str(&" ".repeat(owed));
            owed = 0;
            // Writing to a string cannot fail.
            write!(line, "{}{shown}{:#}", cell.style, cell.style).ok();
        }
        owed += width - text::width(&shown) + GAP;
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(rows: &[&[&str]]) -> Grid {
        let columns = [Column::fixed("A"), Column::flexible("NAME", 4), Column::fixed("B").goes(1)];
        let mut grid = Grid::new(columns);
        for row in rows {
            grid.push(row.iter().map(|text| Cell::new(text)).collect());
        }
        grid
    }

    #[test]
    fn columns_align_by_what_is_shown_and_no_line_ends_in_spaces() {
        let (head, rows) = grid(&[&["1", "模型", "x"], &["22", "abc"]]).lines(80, Style::new());
        assert_eq!(head, "A   NAME  B");
        assert_eq!(rows, ["1   模型  x", "22  abc"]);
    }

    #[test]
    fn the_one_that_may_shrink_gives_way_first() {
        let (_, rows) = grid(&[&["fixed", "a long name", "fixed"]]).lines(20, Style::new());
        assert_eq!(rows, ["fixed  a lon…  fixed"]);
    }

    #[test]
    fn it_fits_wherever_there_is_room_for_a_letter_a_column() {
        let grid = grid(&[&["fixed", "模型模型模型模型", "fixed"], &["x", "y", "z"]]);
        for width in 7..40 {
            let (head, rows) = grid.lines(width, Style::new());
            for line in rows.iter().chain([&head]) {
                assert!(text::width(line) <= width, "{line:?} in {width}");
            }
        }
    }

    #[test]
    fn what_may_go_goes_before_anything_is_cut() {
        let with_room = |width| {
            let mut grid = grid(&[&["fixed", "name", "expendable"]]);
            grid.drop_columns_to_fit(width);
            grid.lines(width, Style::new()).1.remove(0)
        };
        assert_eq!(with_room(23), "fixed  name  expendable");
        assert_eq!(with_room(22), "fixed  name");
    }

    #[test]
    fn a_column_that_says_nothing_is_left_out() {
        let mut grid = grid(&[&["1", "-", "x"], &["2", "-", "-"]]);
        grid.drop_columns_of("-");
        assert_eq!(grid.lines(80, Style::new()).1, ["1  x", "2  -"]);
    }
}
