//! Whether a model may be asked now, by what polls and the tap told of its target. Pure.
//!
//! What only a fresh look tells (whether all would be left as it was found) is decided after this: see [`super::left`].

use jiff::civil::Time;

use super::left::Why;
use super::{Budget, Plan, Spent};
use crate::sample::ServerState;
use crate::view::{ModelView, Skip, TargetView};

/// What is known before a run.
#[derive(Debug)]
pub struct Ground<'a> {
    /// The target, as of now. `None`: it is gone.
    pub target: Option<&'a TargetView>,
    /// The model.
    pub model: &'a str,
    /// What the config says.
    pub plan: &'a Plan,
    /// The time of the day, by the machine's clock.
    pub time: Time,
    /// What canaries of the model took in the last hour.
    pub spent: Spent,
    /// What the run would take at the most.
    pub needs: Spent,
    /// A run made the server load the model anew: what to configure, in words.
    pub reload: Option<&'a str>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Look at the server, and ask.
    Ask,
    /// It may be so in a moment.
    Wait(Skip, String),
    /// Not at this beat.
    Skip(Skip, String),
}

/// Decides.
pub fn decide(ground: &Ground<'_>) -> Decision {
    let skip = |reason, words: &str| Decision::Skip(reason, words.to_owned());
    if let Some(words) = ground.reload {
        return skip(Skip::ReloadCaused, words);
    }
    if ground.plan.quiet.iter().any(|quiet| quiet.has(ground.time)) {
        return skip(Skip::QuietHours, "it is a quiet hour (quiet_hours of [canaries])");
    }
    let Some(target) = ground.target else { return skip(Skip::Unreachable, "the target is gone") };
    match target.state {
        None => return skip(Skip::Unreachable, "the server was not polled yet, or too long ago"),
        Some(ServerState::Down) => return skip(Skip::Unreachable, "the server is down"),
        Some(ServerState::Hung) => return skip(Skip::Unreachable, "the server hangs"),
        Some(ServerState::Loading) => return wait("the server reads a model into memory"),
        Some(ServerState::Sleeping | ServerState::Ready | ServerState::Busy) => {}
    }
    let may_load = ground.plan.may_load(ground.model);
    let model = target.models.iter().find(|model| model.name == ground.model);
    if let Some(no) = absent(target, model, may_load) {
        return no;
    }
    if let Some(budget) = over(ground) {
        return budget;
    }
    if target.traffic.as_ref().and_then(|traffic| traffic.in_flight) > Some(0) {
        return wait("a user's request is in flight through the tap");
    }
    if target.models.iter().any(is_busy) {
        return wait("the server works for somebody else");
    }
    Decision::Ask
}

fn wait(words: &str) -> Decision {
    Decision::Wait(Skip::Busy, words.to_owned())
}

/// A canary would share a card with any model of the server that is at work, not only with its own.
fn is_busy(model: &ModelView) -> bool {
    model.slots_busy > Some(0) || model.queue_depth > Some(0)
}

fn absent(target: &TargetView, model: Option<&ModelView>, may_load: bool) -> Option<Decision> {
    let skip = |reason, words: &str| Some(Decision::Skip(reason, words.to_owned()));
    let Some(model) = model else {
        return skip(Skip::NotLoaded, "the server does not list the model any more");
    };
    match model.state.or(target.state) {
        Some(ServerState::Loading) => return Some(wait("the model is being loaded")),
        Some(ServerState::Sleeping) if !may_load => {
            return skip(
                Skip::Asleep,
                "the model sleeps, and a canary wakes none (may_load of [canaries] lets it)",
            );
        }
        Some(ServerState::Down | ServerState::Hung) => {
            return skip(Skip::Unreachable, "the model's process hangs");
        }
        _ => {}
    }
    if model.loaded == Some(false) && !may_load {
        return skip(
            Skip::NotLoaded,
            "the model is not in memory, and a canary loads none (may_load of [canaries] lets it)",
        );
    }
    None
}

fn over(ground: &Ground<'_>) -> Option<Decision> {
    let Budget { completion_tokens_per_hour, prompt_tokens_per_hour, .. } = ground.plan.budget;
    let prompt = ground.spent.prompt.saturating_add(ground.needs.prompt);
    let completion = ground.spent.completion.saturating_add(ground.needs.completion);
    let key = if completion > completion_tokens_per_hour {
        "max_completion_tokens_per_hour"
    } else if prompt > prompt_tokens_per_hour {
        "max_prompt_tokens_per_hour"
    } else {
        return None;
    };
    let words = format!("the tokens of this hour are spent: {key} of [canaries] allows no more");
    Some(Decision::Skip(Skip::Budget, words))
}

/// Why a fresh look forbids it, as a reason for the count.
pub const fn reason(why: Why) -> Skip {
    match why {
        Why::Unlisted | Why::NotLoaded | Why::Replaced | Why::NotTold => Skip::NotLoaded,
        Why::Loading => Skip::Busy,
        Why::Asleep => Skip::Asleep,
        Why::Away => Skip::Unreachable,
        Why::Unused | Why::UseUnseen => Skip::Unused,
        // The others let it be asked.
        Why::Remote | Why::Stays | Why::Used | Why::First | Why::MayLoad => Skip::Unsupported,
    }
}

#[cfg(test)]
mod tests;
