use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    answers: Vec<Pair>,
    samplers: Vec<SamplerPair>,
}

#[derive(Deserialize)]
struct Pair {
    from: Vec<Position>,
    to: Vec<Position>,
    limit: usize,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    distance: f64,
    first: f64,
    kl: f64,
    positions: usize,
    differs_at: Option<usize>,
}

#[derive(Deserialize)]
struct SamplerPair {
    from: Vec<(Token, f32)>,
    to: Vec<(Token, f32)>,
    expected: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../../../tests/fixtures/drift/distance.json")).unwrap()
}

fn at(token: u32, top: &[(u32, f32)]) -> Position {
    let top: Vec<(Token, f32)> = top.iter().map(|(id, logprob)| (Token::of_id(*id), *logprob)).collect();
    Position { token: Token::of_id(token), logprob: top.first().map(|(_, logprob)| *logprob), top }
}

#[test]
fn distances_are_those_computed_independently() {
    let fixture = fixture();
    let mut differing = 0;
    for pair in &fixture.answers {
        let found = answer(&pair.from, &pair.to, pair.limit).unwrap();
        let near = |one: f64, other: f64| {
            assert!((one - other).abs() < 1e-9 * (1.0 + other), "{one} is not {other}");
        };
        near(found.distance, pair.expected.distance);
        near(found.first, pair.expected.first);
        near(found.kl, pair.expected.kl);
        assert_eq!((found.positions, found.differs_at), (pair.expected.positions, pair.expected.differs_at));
        differing += u32::from(found.differs_at.is_some());
    }
    assert!(differing > 0 && (differing as usize) < fixture.answers.len(), "both sorts are there");
    for pair in &fixture.samplers {
        let found = sampler(&pair.from, &pair.to).unwrap();
        assert!((found - pair.expected).abs() < 1e-7, "{found} is not {}", pair.expected);
    }
}

#[derive(Deserialize)]
struct Whole {
    from: Position,
    to: Position,
    kl: f64,
}

#[test]
fn lists_of_twenty_tell_the_divergence_of_the_whole_vocabulary_where_errors_are_independent() {
    let all: Vec<Whole> =
        serde_json::from_str(include_str!("../../../tests/fixtures/drift/whole.json")).unwrap();
    let told = |of: fn(&Whole) -> f64| all.iter().map(|one| of(one) / one.kl).sum::<f64>() / all.len() as f64;
    let estimated = told(|one| kl(&one.from, &one.to).unwrap());
    let lumped = told(|one| lumped(&List::of(&one.from).unwrap(), &List::of(&one.to).unwrap()).kl);
    assert!((0.8..1.25).contains(&estimated), "{estimated}");
    assert!(lumped < 0.75, "a lump hides the moves within it: {lumped}");
}

#[test]
fn what_is_not_in_a_list_adds_no_more_than_it_can_tell() {
    let one = |logprob| at(1, &[(1, logprob)]);
    for (from, to) in [(-0.01, -0.02), (-3.0, -2.9), (-12.0, -11.0), (0.0, 0.0), (-900.0, -800.0)] {
        let (from, to) = (one(from), one(to));
        let least = lumped(&List::of(&from).unwrap(), &List::of(&to).unwrap()).kl;
        let found = kl(&from, &to).unwrap();
        assert!((least..=least * MOST_TIMES).contains(&found), "{found} of {least}");
    }
}

#[test]
fn an_answer_is_at_no_distance_from_itself() {
    for pair in fixture().answers {
        let same = answer(&pair.from, &pair.from, pair.limit).unwrap();
        assert_eq!((same.distance, same.kl, same.differs_at), (0.0, 0.0, None));
    }
}

#[test]
fn what_a_list_lacks_counts_as_its_least_likely() {
    let from = at(1, &[(1, -0.5), (2, -1.5)]);
    let to = at(1, &[(1, -0.75), (3, -2.0)]);
    // 1: 0.25; 2: |-1.5 - -2.0|; 3: |-1.5 - -2.0|.
    assert!((position(&from, &to).unwrap() - (0.25 + 0.5 + 0.5) / 3.0).abs() < 1e-12);
    assert_eq!(position(&from, &to), position(&to, &from));
}

#[test]
fn nothing_is_compared_after_the_first_token_that_differs() {
    let one = vec![at(1, &[(1, -0.5)]), at(2, &[(2, -0.5)]), at(3, &[(3, -0.5)])];
    let mut other = one.clone();
    other[1] = at(9, &[(9, -0.5), (2, -1.0)]);
    other[2] = at(8, &[(8, -9.0)]);
    let found = answer(&one, &other, 4).unwrap();
    assert_eq!((found.positions, found.differs_at), (2, Some(1)));
    assert!(found.distance < 0.5);
}

#[test]
fn an_answer_that_ends_early_differs_where_it_ends() {
    let whole = vec![at(1, &[(1, -0.5)]), at(2, &[(2, -0.5)]), at(3, &[(3, -0.5)])];
    let found = answer(&whole, &whole[..2], 4).unwrap();
    assert_eq!((found.distance, found.positions, found.differs_at), (0.0, 2, Some(2)));
    assert_eq!(answer(&whole, &whole[..2], 2).unwrap().differs_at, None, "beyond the limit nobody looks");
}

#[test]
fn a_number_that_is_none_is_infinitely_far() {
    let sound = at(1, &[(1, -0.5), (2, -1.0)]);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.5] {
        let broken = at(1, &[(1, -0.5), (2, bad)]);
        assert_eq!(position(&sound, &broken), Some(f64::INFINITY));
        assert_eq!(kl(&broken, &sound), Some(f64::INFINITY));
        assert_eq!(answer(std::slice::from_ref(&sound), &[broken], 1).unwrap().distance, f64::INFINITY);
    }
    assert_eq!(sampler(&[(Token::of_id(1), 0.5)], &[(Token::of_id(1), f32::NAN)]), Some(f64::INFINITY));
}

#[test]
fn without_a_list_the_token_that_came_is_compared() {
    let alone = |logprob| Position { token: Token::of_id(1), logprob, top: Vec::new() };
    assert_eq!(position(&alone(Some(-0.5)), &alone(Some(-1.5))), Some(1.0));
    assert_eq!(position(&alone(None), &alone(Some(-1.5))), None);
    assert_eq!(answer(&[], &[alone(Some(-0.5))], 4), None);
}

#[test]
fn the_nearest_state_is_found() {
    let state = |logprob| vec![at(1, &[(1, logprob)])];
    let states = [state(-0.5), state(-1.0), state(-3.0)];
    let (place, found) = nearest(states.iter().map(Vec::as_slice), &state(-1.25), 4).unwrap();
    assert_eq!((place, found.distance), (1, 0.25));
    assert_eq!(nearest(std::iter::empty(), &state(-1.0), 4), None);
}

#[test]
fn two_tokens_of_the_same_bytes_count_once() {
    let twice = at(1, &[(1, -0.5), (1, -4.0), (2, -2.0)]);
    let once = at(1, &[(1, -0.5), (2, -2.0)]);
    assert_eq!(position(&once, &twice).unwrap(), 0.0);
}
