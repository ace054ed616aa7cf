//! What is known of asking a model, beside what it answers: it outlives the agent, and commands at a shell share it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Rotation;
use super::left::Mark;

/// A command that asks says so for so long. One run takes some seconds; a load that it waits for may take longer.
pub const ASKING: SignedDuration = SignedDuration::from_secs(120);

/// What is known of asking one model. As JSON it lies in the store beside the model's watch.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Remembered {
    /// What the last run left behind. `None`: the model was never asked.
    pub left: Option<Mark>,
    /// When the last request of a canary ended.
    pub ended: Option<Timestamp>,
    /// A command at a shell asks it now, and says so anew before that time.
    pub asking_until: Option<Timestamp>,
    /// It is asked no more, and why.
    pub stopped: Option<Stopped>,
    /// Which graded canaries are next. `None`: nobody asks it on a beat.
    pub rotation: Option<Rotation>,
    /// Runs of the beat so far.
    pub runs: u64,
}

/// That a run made the server load the model anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stopped {
    /// When.
    pub at: Timestamp,
    /// What was sent, and what to configure, in words.
    pub words: String,
    /// The options that the config had for the model then: with others it is asked again.
    pub options: Map<String, Value>,
}

impl Remembered {
    /// Reads what was stored. `None`: it cannot be read, such as what a newer version wrote; then nothing is known.
    pub fn of_json(json: &str) -> Option<Remembered> {
        serde_json::from_str(json).ok()
    }

    /// It as JSON.
    pub fn to_json(&self) -> String {
        // Maps have text keys, so that nothing in it can fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A canary is about to be asked: what it leaves is not known until it is looked at, and until then nothing
    /// speaks for another one.
    pub fn begin(&mut self) {
        (self.left, self.asking_until) = (Some(Mark::default()), None);
    }

    /// The same, by a command at a shell: until it ends, an agent asks nothing, and takes nothing for a user's.
    pub fn begin_by_command(&mut self, now: Timestamp) {
        self.begin();
        self.asking_until = now.checked_add(ASKING).ok();
    }

    /// Whether a command asks it now. One that was killed at it is waited for no longer than a moment, whatever the
    /// clock did meanwhile.
    pub fn is_asked_by_command(&self, now: Timestamp) -> bool {
        let moment = SignedDuration::ZERO..=ASKING;
        self.asking_until.is_some_and(|until| moment.contains(&until.duration_since(now)))
    }

    /// The last request of a canary ended, and left this behind. `None`: it could not be looked at.
    pub fn end(&mut self, left: Option<Mark>, now: Timestamp) {
        (self.left, self.ended) = (Some(left.unwrap_or_default()), Some(now));
        self.asking_until = None;
    }

    /// What could not be seen right after the last run is what is there now: the next use is somebody else's.
    pub fn found(&mut self, now: &Mark) {
        if self.left == Some(Mark::default()) {
            self.left = Some(now.clone());
        }
    }

    /// Why the model is asked no more, while the config has these options for it; in words.
    pub fn stop(&self, options: &Map<String, Value>) -> Option<String> {
        let stopped = self.stopped.as_ref().filter(|stopped| stopped.options == *options)?;
        Some(format!("{} (since {})", stopped.words, stopped.at.strftime("%Y-%m-%d %H:%M:%S UTC")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(text: &str) -> Map<String, Value> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn it_is_the_same_after_it_was_stored_and_what_is_none_of_it_is_nothing() {
        let mut known = Remembered::default();
        known.begin();
        known.rotation = Some(Rotation::after_learning());
        known.runs = 7;
        assert_eq!(Remembered::of_json(&known.to_json()), Some(known.clone()));
        known.end(Some(Mark { work: Some(7.5), ..Mark::default() }), Timestamp::UNIX_EPOCH);
        let (words, options) = ("set num_ctx".to_owned(), options(r#"{"num_ctx":8192}"#));
        known.stopped = Some(Stopped { at: Timestamp::UNIX_EPOCH, words, options });
        assert_eq!(Remembered::of_json(&known.to_json()), Some(known));
        assert_eq!(Remembered::of_json("{}"), Some(Remembered::default()));
        assert_eq!(Remembered::of_json("[1]"), None);
    }

    #[test]
    fn a_model_that_was_stopped_is_asked_again_once_its_options_are_others() {
        let mut known = Remembered::default();
        assert_eq!(known.stop(&Map::new()), None);
        let at = Timestamp::UNIX_EPOCH;
        known.stopped = Some(Stopped { at, words: "set options".into(), options: Map::new() });
        let said = known.stop(&Map::new()).unwrap();
        assert_eq!(said, "set options (since 1970-01-01 00:00:00 UTC)");
        assert_eq!(known.stop(&options(r#"{"num_ctx":2048}"#)), None);
    }

    #[test]
    fn what_was_left_and_not_seen_is_what_is_found_later_and_what_was_seen_stays() {
        let mark = |work| Mark { work: Some(work), ..Mark::default() };
        let mut known = Remembered::default();
        known.found(&mark(1.0));
        assert_eq!(known.left, None, "nothing was asked");
        known.begin();
        known.found(&mark(2.0));
        assert_eq!(known.left, Some(mark(2.0)));
        known.found(&mark(3.0));
        assert_eq!(known.left, Some(mark(2.0)));
    }
    #[test]
    fn a_command_that_asks_is_believed_until_it_ends_and_for_a_moment_if_it_was_killed() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut known = Remembered::default();
        known.begin();
        assert!(!known.is_asked_by_command(at(0)), "the agent itself");
        known.begin_by_command(at(0));
        assert!(known.is_asked_by_command(at(0)) && known.is_asked_by_command(at(119)));
        assert!(!known.is_asked_by_command(at(121)), "it was killed");
        assert!(!known.is_asked_by_command(at(-3600)), "the clock was set back");
        assert_eq!(known.left, Some(Mark::default()), "and nothing speaks for another one");
        known.end(None, at(1));
        assert!(!known.is_asked_by_command(at(1)));
    }
}
