use proptest::prelude::*;

use super::declare::{Kind, Spec, metrics};
use super::encode::Page;
use super::family::{Family, Series};
use super::format::Format;
use super::histogram::Exemplar;
use super::{Buckets, SPECS, spec};
use crate::wire::exposition::parse;

metrics! {
    /// One of each kind that is counted.
    struct Tried in "tried_" {
        /// Time that it took, in seconds.
        wait_seconds: Histogram ["target", "a"] buckets load,
        /// Things.
        things_total: Counter ["target", "a"],
    }
}

fn tried() -> Tried {
    Tried::with(&Buckets { load: [0.5, 1.0, 2.5].into(), ..Buckets::default() })
}

const BOTH: [Format; 2] = [Format::Text, Format::OpenMetrics];

/// Help with all that has to be escaped, in one format or both.
static ODD: Spec = Spec::new("odd_ratio", "A \"b\"\\c\nd.", Kind::Gauge, &["one", "two"]);

fn page(format: Format, family: &dyn Family) -> String {
    let mut page = Page::new(format, 1, family.series());
    page.head(family.spec());
    family.write(&mut page);
    page.finish()
}

fn odd<const N: usize>(series: [([&str; 2], f64); N]) -> Series<'_, 2> {
    let mut all = Series::new(&ODD);
    for (labels, value) in series {
        all.set(labels, value);
    }
    all.sorted()
}

#[test]
fn each_format_escapes_and_orders_in_its_own_way() {
    let family = odd([(["b\\\n\"", "é"], 0.25), (["a", ""], 1.0)]);
    let lines = "odd_ratio{one=\"a\",two=\"\"} 1\nodd_ratio{one=\"b\\\\\\n\\\"\",two=\"é\"} 0.25\n";
    let text = "# HELP odd_ratio A \"b\"\\\\c\\nd.\n# TYPE odd_ratio gauge\n";
    assert_eq!(page(Format::Text, &family), format!("{text}{lines}"));
    let open = "# TYPE odd_ratio gauge\n# UNIT odd_ratio ratio\n# HELP odd_ratio A \\\"b\\\"\\\\c\\nd.\n";
    assert_eq!(page(Format::OpenMetrics, &family), format!("{open}{lines}# EOF\n"));
}

#[test]
fn a_counter_keeps_its_total_and_its_family_loses_it_in_openmetrics() {
    let tried = tried();
    tried.things_total.of(["x", "y"]).inc_by(3);
    let family = tried.things_total.gather();
    let line = "tried_things_total{target=\"x\",a=\"y\"} 3\n";
    let text = format!("# HELP tried_things_total Things.\n# TYPE tried_things_total counter\n{line}");
    assert_eq!(page(Format::Text, &family), text);
    let open = format!("# TYPE tried_things counter\n# HELP tried_things Things.\n{line}# EOF\n");
    assert_eq!(page(Format::OpenMetrics, &family), open);
}

#[test]
fn a_histogram_is_whole_in_both_formats() {
    let tried = tried();
    for seconds in [0.25, 1.0, 9.0] {
        tried.wait_seconds.observe(["x", "y"], seconds, None);
    }
    let family = tried.wait_seconds.gather();
    assert_eq!(family.series(), 6);
    let lines = |one: &str| {
        let line =
            |suffix, le, value| format!("tried_wait_seconds{suffix}{{target=\"x\",a=\"y\"{le}}} {value}\n");
        let bucket = |le: &str, value| line("_bucket", format!(",le=\"{le}\""), value);
        let buckets = [bucket("0.5", "1"), bucket(one, "2"), bucket("2.5", "2"), bucket("+Inf", "3")];
        buckets.concat() + &line("_sum", String::new(), "10.25") + &line("_count", String::new(), "3")
    };
    assert!(page(Format::Text, &family).ends_with(&lines("1")));
    assert!(page(Format::OpenMetrics, &family).ends_with(&format!("{}# EOF\n", lines("1.0"))));
}

#[test]
fn exemplars_stand_with_their_bucket_in_openmetrics_alone() {
    let exemplar = |value| {
        let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736".into();
        Some(Exemplar { trace_id, value, at: 1_790_000_000.25 })
    };
    let tried = tried();
    for seconds in [0.75, 0.875] {
        tried.wait_seconds.observe(["x", "y"], seconds, exemplar(seconds));
    }
    tried.wait_seconds.observe(["x", "y"], 9.0, None);
    tried.wait_seconds.add(["x", "y"], (&[0.5, 1.0, 2.5], &[3, 0, 0, 2]), 20.5, exemplar(12.0));
    let (text, open) = (Format::Text, Format::OpenMetrics);
    let bucket = |format, le: &str| {
        let wanted = format!("tried_wait_seconds_bucket{{target=\"x\",a=\"y\",le=\"{le}\"}} ");
        let page = page(format, &tried.wait_seconds.gather());
        page.lines().find_map(|line| line.strip_prefix(&wanted)).map(str::to_owned)
    };
    let trace =
        |value: f64| format!(" # {{trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\"}} {value} 1790000000.25");
    assert_eq!(bucket(open, "0.5"), Some("3".into()), "none was given");
    assert_eq!(bucket(open, "1.0"), Some(format!("5{}", trace(0.875))), "the latest");
    assert_eq!(bucket(open, "+Inf"), Some(format!("8{}", trace(12.0))));
    assert_eq!((bucket(text, "1"), bucket(text, "+Inf")), (Some("5".into()), Some("8".into())));
    let samples = parse(&page(open, &tried.wait_seconds.gather()));
    let told =
        |suffix| samples.iter().find(|sample| sample.name.ends_with(suffix)).map(|sample| sample.value);
    assert_eq!((told("_sum"), told("_count")), (Some(0.75 + 0.875 + 9.0 + 20.5), Some(8.0)));
}

#[test]
fn what_is_no_number_and_no_observation_makes_no_series() {
    let tried = tried();
    tried.wait_seconds.observe(["x", "y"], f64::NAN, None);
    tried.wait_seconds.add(["x", "y"], (&[0.5, 1.0, 2.5], &[0, 0, 0, 0]), 0.0, None);
    tried.wait_seconds.add(["x", "y"], (&[0.5, 1.0, 2.5], &[1, 0, 0, 0]), f64::INFINITY, None);
    assert_eq!(tried.wait_seconds.gather().series(), 0);
}

#[test]
fn the_series_of_a_target_end_with_it_and_no_others() {
    let tried = tried();
    for labels in [["x", "a"], ["x", "b"], ["a", "x"]] {
        tried.things_total.of(labels).inc();
        tried.wait_seconds.observe(labels, 1.0, None);
    }
    tried.end_target("x");
    for family in tried.families() {
        let samples = parse(&page(Format::Text, family.as_ref()));
        assert!(!samples.is_empty());
        assert!(samples.iter().all(|sample| sample.labels[0].1 == "a"), "{samples:?}");
    }
}

#[test]
fn buckets_ascend_and_none_is_too_many() {
    let Buckets { first_token, per_token, chunk_gap, stall, request, load, tap_added } = Buckets::default();
    for bounds in [first_token, per_token, chunk_gap, stall, request, load, tap_added] {
        assert!(bounds.is_sorted_by(|a, b| a < b) && bounds.len() <= 21, "{bounds:?}");
    }
}

#[test]
fn what_was_counted_by_finer_bounds_falls_into_the_buckets_that_hold_it() {
    let tried = Tried::with(&Buckets { load: [1.0, 5.0].into(), ..Buckets::default() });
    tried.wait_seconds.add(["x", "y"], (&[0.5, 1.0, 2.5, 5.0], &[1, 10, 100, 1000, 7]), 9.0, None);
    let text = page(Format::Text, &tried.wait_seconds.gather());
    let counts: Vec<f64> = parse(&text).iter().map(|sample| sample.value).collect();
    assert_eq!(counts, [11.0, 1111.0, 1118.0, 9.0, 1118.0]);
}

#[test]
fn what_is_declared_is_what_is_made() {
    let made: Vec<Spec> = tried().families().iter().map(|family| *family.spec()).collect();
    assert_eq!(made, Tried::SPECS);
    let labels: &[&str] = &["target", "a"];
    let [wait, things] = Tried::SPECS else { panic!("two are declared") };
    assert_eq!((wait.name, wait.kind, wait.unit), ("tried_wait_seconds", Kind::Histogram, Some("seconds")));
    assert_eq!((things.name, things.help, things.labels), ("tried_things_total", "Things.", labels));
}

#[test]
fn series_are_sorted_by_labels_in_the_declared_order() {
    let tried = tried();
    for labels in [["b", "1"], ["a", "2"], ["a", "1"], ["a b", "0"]] {
        tried.things_total.of(labels).inc();
    }
    let text = page(Format::Text, &tried.things_total.gather());
    let samples = parse(&text);
    let labels: Vec<[&str; 2]> =
        samples.iter().map(|sample| [0, 1].map(|at| sample.labels[at].1.as_str())).collect();
    assert_eq!(labels, [["a", "1"], ["a", "2"], ["a b", "0"], ["b", "1"]]);
}

#[test]
fn a_label_set_comes_once_and_what_is_no_number_not_at_all() {
    let mut family = odd([(["a", "b"], 1.0), (["a", "b"], 2.0), (["a", "c"], f64::NAN)]);
    family.set(["a", "d"], f64::INFINITY);
    family.set(["a", "e"], None);
    assert_eq!(page(Format::Text, &family).matches("\nodd_ratio{").count(), 1);
    assert_eq!(family.series(), 1);
}

#[test]
fn numbers_are_spelled_as_the_formats_want() {
    let cases = [
        (0.0, "0"),
        (-0.0, "0"),
        (-3.0, "-3"),
        (0.1, "0.1"),
        (1.5e-7, "1.5e-7"),
        (1_763_806_699.25, "1763806699.25"),
        (85_899_345_920.0, "85899345920"),
        (1e300, "1e300"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ];
    for (value, wanted) in cases {
        let mut page = Page::new(Format::Text, 0, 1);
        page.sample("n", std::iter::empty(), value);
        assert_eq!(page.finish(), format!("n {wanted}\n"));
    }
}

#[test]
fn a_metric_is_found_however_it_is_written() {
    for name in [
        "opsagent_polls_total",
        "polls_total",
        "polls",
        "opsagent_polls",
        " opsagent_polls_total{target=\"a\"} ",
    ] {
        assert_eq!(spec(name).map(|spec| spec.name), Some("opsagent_polls_total"), "{name}");
    }
    assert_eq!(spec("process_cpu_seconds").map(|spec| spec.name), Some("process_cpu_seconds_total"));
    for name in ["", "opsagent_", "total", "_total", "opsagent_target_up_count", "no_such"] {
        assert_eq!(spec(name), None, "{name}");
    }
    for one in SPECS {
        assert_eq!(spec(one.name), Some(one));
    }
}

fn unescaped_help(page: &str, quotes: bool) -> String {
    let line = page.lines().find(|line| line.starts_with("# HELP n ")).unwrap();
    let text = line["# HELP n ".len()..].replace("\\\\", "\0").replace("\\n", "\n");
    let text = if quotes { text.replace("\\\"", "\"") } else { text };
    text.replace('\0', "\\")
}

proptest! {
    #[test]
    fn any_label_value_comes_back(one in any::<String>(), two in "[\\\\\"\n\r{}=, a]{0,12}", value in any::<f64>()) {
        for format in BOTH {
            let mut page = Page::new(format, 0, 1);
            page.sample("n", [("one", one.as_str()), ("two", two.as_str())].into_iter(), value);
            page.sample("last", std::iter::empty(), 7.0);
            let samples = parse(&page.finish());
            prop_assert_eq!(samples.len(), 2);
            prop_assert_eq!(&samples[0].labels, &[("one".into(), one.clone()), ("two".into(), two.clone())]);
            // Minus nought is written as nought, and there is one NaN.
            let read = samples[0].value;
            prop_assert!(read.total_cmp(&(value + 0.0)).is_eq() || read.is_nan() && value.is_nan());
        }
    }

    #[test]
    fn any_help_comes_back_and_stays_in_its_line(help in "[^\0\r]{1,60}") {
        // A spec lives as long as the program; a test may make some hundreds for good.
        let help: &'static str = Box::leak(help.into_boxed_str());
        let spec: &'static Spec = Box::leak(Box::new(Spec::new("n", help, Kind::Gauge, &[])));
        for format in BOTH {
            let mut series: Series<'_, 0> = Series::new(spec);
            series.set([], 1.0);
            let page = page(format, &series);
            prop_assert_eq!(parse(&page).len(), 1);
            prop_assert_eq!(unescaped_help(&page, format == Format::OpenMetrics), spec.help);
        }
    }
}
