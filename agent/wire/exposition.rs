//! Reads the Prometheus text format (0.0.4 and OpenMetrics) as other servers write it: lenient,
//! one bad line costs that line.

/// One sample of a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name with its suffix, such as `llamacpp:prompt_tokens_total`.
    pub name: String,
    /// Its labels, in the page's order.
    pub labels: Vec<(String, String)>,
    /// Its value.
    pub value: f64,
}

/// All samples of a page. Lines that cannot be read are left out.
pub fn parse(page: &str) -> Vec<Sample> {
    page.lines().filter_map(line).collect()
}

/// The sum of all samples of that name, `None` where there is none: a server with several engines
/// tells each apart.
pub fn sum(samples: &[Sample], name: &str) -> Option<f64> {
    let mut values = samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value);
    let first = values.next()?;
    Some(values.fold(first, |sum, value| sum + value))
}

fn line(line: &str) -> Option<Sample> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let name_end = line.find(|c: char| c == '{' || c.is_whitespace())?;
    let (name, rest) = line.split_at(name_end);
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '.')) {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => labels(inside)?,
        None => (Vec::new(), rest),
    };
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name: name.to_owned(), labels, value })
}

fn labels(mut rest: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = quoted(after.trim_start().strip_prefix('"')?)?;
        labels.push((name.trim().to_owned(), value));
        rest = after;
    }
}

/// The text up to the closing quote, its escapes undone, and what comes behind.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_labels_and_values_are_read() {
        let page = "# HELP a b\n# TYPE a counter\na 1\nllamacpp:n{model_name=\"x \\\"y\\\"\\n\\\\\",engine=\"0\",} 1.23457e+06 1700\nz{}\t3\n";
        let samples = parse(page);
        assert_eq!(samples.len(), 3);
        assert_eq!(samples[1].name, "llamacpp:n");
        assert_eq!(
            samples[1].labels,
            [("model_name".into(), "x \"y\"\n\\".into()), ("engine".into(), "0".into())]
        );
        assert!((samples[1].value - 1_234_570.0).abs() < 0.1);
        assert!(samples[2].labels.is_empty());
    }

    #[test]
    fn a_bad_line_costs_that_line_only() {
        let page = "good 1\nno_value\nbad{a=\"unclosed 1\nbad{a} 1\n= 3\n{} 4\nbad x\ngood 2\n";
        let names: Vec<f64> = parse(page).iter().map(|sample| sample.value).collect();
        assert_eq!(names, [1.0, 2.0]);
    }

    #[test]
    fn the_sum_of_nothing_is_unknown() {
        let samples = parse("n{engine=\"0\"} 1\nn{engine=\"1\"} 2\n");
        assert_eq!(sum(&samples, "n"), Some(3.0));
        assert_eq!(sum(&samples, "m"), None);
    }
}
