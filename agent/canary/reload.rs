//! Whether a canary made its server load the model anew, and what to configure then. Pure.

use jiff::Timestamp;

use super::left::Mark;

/// Kinds that load a model by themselves on a request with other options. All others load only when a person starts
/// them, or puts another file in their place: that is what canaries are there to look at, not to stop for.
const LOADS_BY_ITSELF: [&str; 2] = ["ollama", "lm_studio"];

/// What is known after a run.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The kind of the server.
    pub kind: &'a str,
    /// When the first question was asked.
    pub at: Timestamp,
    /// One of our own answers waited for a load.
    pub waited: bool,
    /// The model was in memory before, and the server told this of it.
    pub before: &'a Mark,
    /// What the server told afterwards. `None`: it could not be looked at.
    pub after: Option<&'a Mark>,
    /// Somebody else used the server meanwhile.
    pub others: bool,
}

/// Whose load it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// None, or somebody else's.
    NotOurs,
    /// It may be that of a user who asked meanwhile. A second one in a row is ours.
    Doubtful,
    /// A canary made it.
    Ours,
}

/// What is noticed of one model, run by run.
#[derive(Debug, Default)]
pub struct Loads {
    /// In the last run it was loaded anew, by us or by a user who asked meanwhile.
    doubted: bool,
}

impl Loads {
    /// Whether a run of a model that was in memory before it made the server load it anew.
    pub fn are_ours(&mut self, run: Seen<'_>) -> bool {
        let load = judge(run);
        let doubted = std::mem::replace(&mut self.doubted, load == Load::Doubtful);
        load == Load::Ours || load == Load::Doubtful && doubted
    }
}

/// What to say of a model that a canary made its server load. `sent`: the options it was sent, as a person would write
/// them.
pub fn words(model: &str, sent: &str) -> String {
    format!(
        "a canary made the server load {model} anew, so it is not asked until its options in [canaries] are others: it \
         was sent {}; write those that its users send into options of [canaries], as {model:?} = \"num_ctx=8192 \
         num_batch=512\"",
        if sent.is_empty() { "no options" } else { sent },
    )
}

/// Judges a run of a model that was in memory before it.
fn judge(run: Seen<'_>) -> Load {
    let Some(after) = run.after.filter(|_| run.waited && LOADS_BY_ITSELF.contains(&run.kind)) else {
        return Load::NotOurs;
    };
    let pairs = |of: fn(&Mark) -> Option<&String>| of(run.before).zip(of(after));
    // Where no process is seen, as of a server on another machine, our own wait for a load is all there is.
    let same_process = pairs(|mark| mark.process.as_ref()).is_some_and(|(was, is)| was == is);
    let other_weights = pairs(|mark| mark.digest.as_ref()).is_some_and(|(was, is)| was != is);
    // Its time was over between the look and the question: that was a first load.
    let had_gone = run.before.expires_at.is_some_and(|at| at <= run.at);
    match (same_process || other_weights || had_gone, run.others) {
        (true, _) => Load::NotOurs,
        (false, true) => Load::Doubtful,
        (false, false) => Load::Ours,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut Seen<'_>);

    fn mark(process: &str, digest: &str) -> Mark {
        Mark { process: Some(process.into()), digest: Some(digest.into()), ..Mark::default() }
    }

    #[test]
    fn only_a_load_that_our_own_answer_waited_for_in_a_server_that_loads_by_itself_is_ours() {
        let (before, after) = (mark("7:1", "a"), mark("8:2", "a"));
        let (at, others) = (Timestamp::UNIX_EPOCH, false);
        let base = Seen { kind: "ollama", at, waited: true, before: &before, after: Some(&after), others };
        assert_eq!(judge(base), Load::Ours);
        let cases: [(Change, Load); 5] = [
            (|run| run.kind = "llama_cpp", Load::NotOurs),
            (|run| run.kind = "openai", Load::NotOurs),
            (|run| run.waited = false, Load::NotOurs),
            (|run| run.after = None, Load::NotOurs),
            (|run| run.others = true, Load::Doubtful),
        ];
        for (nth, (change, load)) in cases.into_iter().enumerate() {
            let mut run = base;
            change(&mut run);
            assert_eq!(judge(run), load, "{nth}");
        }
    }

    #[test]
    fn a_load_that_may_be_a_users_is_ours_when_it_comes_twice_in_a_row() {
        let (before, after) = (mark("7:1", "a"), mark("8:2", "a"));
        let at = Timestamp::UNIX_EPOCH;
        let others =
            Seen { kind: "ollama", at, waited: true, before: &before, after: Some(&after), others: true };
        let none = Seen { waited: false, ..others };
        let mut loads = Loads::default();
        let told = [others, none, others, others].map(|run| loads.are_ours(run));
        assert_eq!(told, [false, false, false, true]);
        assert!(
            words("m", "").contains("was sent no options")
                && words("m", "num_ctx=1").contains("sent num_ctx=1")
        );
    }

    #[test]
    fn another_model_under_the_name_a_first_load_and_the_same_process_are_not_ours() {
        let (before, at) = (mark("7:1", "a"), Timestamp::UNIX_EPOCH);
        let judged = |before: &Mark, after: &Mark| {
            judge(Seen { kind: "ollama", at, waited: true, before, after: Some(after), others: false })
        };
        assert_eq!(judged(&before, &mark("8:2", "b")), Load::NotOurs);
        assert_eq!(judged(&before, &mark("7:1", "a")), Load::NotOurs);
        let gone = Mark { expires_at: Some(at), ..before.clone() };
        assert_eq!(judged(&gone, &mark("8:2", "a")), Load::NotOurs);
        assert_eq!(judged(&Mark::default(), &mark("8:2", "a")), Load::Ours, "of another machine");
    }
}
