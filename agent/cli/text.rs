//! Text fit for a terminal: harmless, measured by what it shows, cut and wrapped. Pure.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// More of a name or an error than this is never worth a screen.
const MAX_CHARS: usize = 400;

/// Marks upon one letter that a script may need; what goes on beyond is there to deface.
const MAX_MARKS: usize = 3;

/// The text in one line without what could steer a terminal or turn the direction of writing:
/// other programs chose it, and a view may come from another machine.
pub fn clean(text: &str) -> String {
    let mut marks = 0;
    let mut kept = String::new();
    for c in text.chars().take(MAX_CHARS) {
        let c = match c {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
            c if is_bad(c) => '?',
            c => c,
        };
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if marks <= MAX_MARKS {
            kept.push(c);
        }
    }
    if text.chars().nth(MAX_CHARS).is_some() {
        kept.push('…');
    }
    kept
}

/// How many columns it takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text, or as much of it as fits before an `…`.
pub fn fit(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let ends = text.char_indices().map(|(at, _)| at);
    // Measured from the start each time: the width of a sequence is not the sum of its parts.
    let end = ends.take_while(|at| width(&text[..*at]) < columns).last().unwrap_or(0);
    format!("{}…", &text[..end])
}

/// The text in lines of at most so many columns, cut at spaces where there are any.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        while width(&line) > columns {
            let rest = line.split_off(split_at_width(&line, columns));
            if rest.is_empty() {
                break;
            }
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    lines.push(line);
    lines
}

/// The end of the longest part that fits, at least one character.
fn split_at_width(text: &str, columns: usize) -> usize {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let first = text.chars().next().map_or(0, char::len_utf8);
    ends.take_while(|end| width(&text[..*end]) <= columns).last().unwrap_or(first)
}

/// Control characters and those that turn the direction of writing.
fn is_bad(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_taken_out() {
        assert_eq!(clean("a\u{1b}[2Jb\u{9b}c\u{7f}"), "a?[2Jb?c?");
        assert_eq!(clean("evil\u{202e}txt.exe"), "evil?txt.exe");
        assert_eq!(clean("two\nlines\tand tabs"), "two lines and tabs");
        assert_eq!(clean("größe 模型 \"q\""), "größe 模型 \"q\"");
    }

    #[test]
    fn a_pile_of_marks_is_flattened() {
        let piled = format!("a{}b", "\u{0301}".repeat(100));
        assert_eq!(clean(&piled), format!("a{}b", "\u{0301}".repeat(3)));
    }

    #[test]
    fn four_kilobytes_become_a_line() {
        let long = clean(&"x".repeat(4096));
        assert!(long.chars().count() == 401 && long.ends_with('…'));
    }

    #[test]
    fn text_is_cut_by_what_it_shows() {
        let cases = [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("模型模型", 5, "模型…"),
            ("模型模型", 4, "模…"),
            ("模型", 1, "…"),
            ("abc", 0, ""),
        ];
        for (text, columns, cut) in cases {
            assert_eq!(fit(text, columns), cut, "{text} in {columns}");
        }
        for columns in 0..20 {
            for text in ["👩‍👩‍👧 family", "e\u{301}e\u{301}e\u{301}", "模a型b", "plain text of some length"]
            {
                assert!(width(&fit(text, columns)) <= columns, "{text} in {columns}");
            }
        }
    }

    #[test]
    fn lines_break_at_spaces_and_else_anywhere() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("模型", 1), ["模", "型"]);
        for columns in 2..30 {
            for line in wrap("模型 a-very-long-word-without-a-space and some 文字", columns) {
                assert!(width(&line) <= columns);
            }
        }
    }
}
