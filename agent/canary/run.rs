//! One run: what a model is asked in one go, the answers, and what they took.

use std::time::Duration;

use jiff::Timestamp;

use super::asker::{Asker, Broken};
use super::{Asked, Spent, ask_all};
use crate::metrics::decode;
use crate::sample::{Answer, AskError, Facts, Part, Prompt, Purpose, Question, Reply, Run};

/// What is asked.
#[derive(Debug, Clone)]
pub struct Order {
    /// The target's name.
    pub target: String,
    /// What for.
    pub purpose: Purpose,
    /// [`crate::suite::Suite::hash`] of what the questions are of.
    pub suite: String,
    /// What the server told of itself and the model.
    pub facts: Facts,
    /// The questions, in their order.
    pub questions: Vec<Question>,
    /// How many at once.
    pub at_once: u8,
    /// The first answer after a load is slow, and may be another than all that follow: the first question is asked
    /// once more before all, and that answer is thrown away.
    pub warm_up: bool,
    /// The model was in memory when it was looked at: a question that waits for a load breaks the run off. Else the
    /// one that warms up loads it.
    pub loaded: bool,
}

/// Why there is no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The server could not be reached for the warm-up, which may have taken tokens all the same.
    #[error("{0}")]
    Unreachable(AskError),
    /// It was broken off.
    #[error("{why}")]
    Broken {
        /// Why.
        why: Broken,
        /// Tokens that it took until then.
        spent: Spent,
    },
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Done {
    /// The run. Whether the server was idle meanwhile is for the caller to say.
    pub run: Run,
    /// Tokens it took, the answer that was thrown away and those that did not come included.
    pub spent: Spent,
    /// The server loaded the model while it was asked, or waited until somebody had.
    pub waited_for_a_load: bool,
    /// How fast the answers were.
    pub speed: Speed,
}

/// How fast answers were: medians over the graded ones, which are long enough to be timed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Speed {
    /// To the first token, in seconds. Of streams alone.
    pub time_to_first_token_seconds: Option<f64>,
    /// Tokens a second, after the first.
    pub tokens_per_second: Option<f64>,
}

/// Asks all of it. `told` hears of each answer to a question that was asked, as it comes, that of a warm-up too. Dropped,
/// it breaks off what is under way, and the server stops generating.
///
/// # Errors
/// There is no run: the server could not be reached for the warm-up, or the run was broken off.
pub async fn run(
    asker: &Asker,
    order: Order,
    mut told: impl FnMut(&Question, &Answer),
) -> Result<Done, Ended> {
    let at = Timestamp::now();
    let questions = comparable(order.questions, &order.facts);
    let mut spent = Spent::default();
    let mut waited_for_a_load = false;
    if let Some(first) = questions.first().filter(|_| order.warm_up) {
        asker.still().await.map_err(|why| Ended::Broken { why, spent })?;
        let answer = asker.ask(first).await;
        told(first, &answer);
        spent = Spent::of([(first, &answer)]);
        match answer.result {
            Ok(reply) => waited_for_a_load = reply.waited_for_a_load() && !asker.is_same_process(),
            Err(error @ AskError::Unreachable { .. }) => return Err(Ended::Unreachable(error)),
            // What else is wrong, the run itself tells.
            Err(_) => {}
        }
        if waited_for_a_load && order.loaded {
            return Err(Ended::Broken { why: Broken::Loaded, spent });
        }
        if waited_for_a_load {
            // From here on it is asked as it was loaded. Where that cannot be seen, the next look tells.
            drop(asker.presence().await);
        }
    }
    let counted = |question: &Question, answer: &Answer| {
        spent += Spent::of([(question, answer)]);
        told(question, answer);
    };
    let Asked { answers, broken } = ask_all(asker, &questions, order.at_once, counted).await;
    if let Some(why) = broken {
        return Err(Ended::Broken { why, spent });
    }
    let loads = |reply: &Reply| reply.waited_for_a_load();
    waited_for_a_load |= answers.iter().filter_map(|answer| answer.result.as_ref().ok()).any(loads);
    let speed = Speed::of(&answers);
    let run = Run {
        target: order.target,
        model: asker.model().to_owned(),
        at,
        purpose: order.purpose,
        suite: order.suite,
        facts: order.facts,
        idle: None,
        concurrency: order.at_once,
        answers,
    };
    Ok(Done { run, spent, waited_for_a_load, speed })
}

impl Done {
    /// Whether a question had no answer.
    pub fn has_failures(&self) -> bool {
        self.run.answers.iter().any(|answer| answer.result.is_err())
    }
}

/// Without the questions whose answers are only compared, and cannot be: where the template puts today's date into each
/// prompt, all that go through it. Tokens are worth something.
fn comparable(mut questions: Vec<Question>, facts: &Facts) -> Vec<Question> {
    let is = |question: &Question| {
        question.part == Part::Graded || matches!(question.prompt, Prompt::Raw(_)) || !facts.is_dated()
    };
    // Who asks for nothing else wants to see the answers.
    if questions.iter().any(is) {
        questions.retain(is);
    }
    questions
}

impl Speed {
    /// Of these answers, without those that waited for a load.
    pub fn of(answers: &[Answer]) -> Speed {
        let graded = answers.iter().filter(|answer| answer.part == Part::Graded);
        let warm = graded
            .filter_map(|answer| answer.result.as_ref().ok())
            .filter(|reply| !reply.waited_for_a_load());
        let warm: Vec<&Reply> = warm.collect();
        let first = warm.iter().filter_map(|reply| reply.generation.time_to_first_token);
        let rate = warm.iter().filter_map(|reply| decode(&reply.generation));
        Speed {
            time_to_first_token_seconds: median(first.map(|time: Duration| time.as_secs_f64()).collect()),
            tokens_per_second: median(
                rate.map(|(tokens, took)| tokens as f64 / took.as_secs_f64()).collect(),
            ),
        }
    }
}

/// The lower one of two in the middle, so that it is a value that was there.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    values.get(middle).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::Asking;
    use crate::canary::asker::Abilities;
    use crate::sample::{DATED, Dialect, End, Generation, Sampling, ServerTimes};
    use crate::suite::Suite;

    fn graded(first_token_millis: u64, load_millis: u64) -> Answer {
        let mut generation = Generation::new(
            Dialect::OllamaChat,
            End::Complete,
            Duration::from_millis(first_token_millis + 100),
        );
        generation.time_to_first_token = Some(Duration::from_millis(first_token_millis));
        generation.time_per_output_token = Some(Duration::from_millis(20));
        generation.tokens.output = Some(6);
        generation.told =
            ServerTimes { load: Some(Duration::from_millis(load_millis)), ..ServerTimes::default() };
        let reply = Reply { text: String::new(), positions: Vec::new(), sampler: Vec::new(), generation };
        Answer { canary: "a".into(), part: Part::Graded, result: Ok(reply) }
    }

    #[test]
    fn speed_is_the_median_of_graded_answers_that_waited_for_no_load() {
        let mut print = graded(1, 0);
        print.part = Part::Fingerprint;
        let answers = [graded(80, 1), graded(3000, 2900), graded(60, 1), graded(70, 1), print];
        let speed = Speed::of(&answers);
        assert_eq!(speed.time_to_first_token_seconds, Some(0.07));
        assert!((speed.tokens_per_second.unwrap() - 50.0).abs() < 1e-6, "{speed:?}");
        assert_eq!(Speed::of(&answers[4..]), Speed::default(), "one token is no measure of speed");
    }

    #[test]
    fn where_the_template_prints_the_date_what_goes_through_it_is_asked_for_its_checks_alone() {
        let suite = Suite::builtin();
        let abilities = Abilities { logprobs: true, raw: true, sampler: true };
        let asking = Asking { abilities, cache: None, timeout: Duration::from_secs(1) };
        let mut questions = asking.fingerprint(&suite);
        questions.push(asking.graded(&suite.canaries[0], Sampling::Greedy));
        let names = |facts: &Facts| -> Vec<String> {
            comparable(questions.clone(), facts).into_iter().map(|question| question.canary).collect()
        };
        assert_eq!(names(&Facts::default()).len(), 12);
        let mut dated = Facts::default();
        dated.notes.insert(DATED.into(), "today's".into());
        assert_eq!(names(&dated), ["p0", "p1", "sampler", &suite.canaries[0].id]);
        let chat = questions[..2].to_vec();
        assert_eq!(comparable(chat, &dated).len(), 2, "who asks for nothing else wants to see them");
    }
}
