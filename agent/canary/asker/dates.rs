//! Whether a model's chat template puts today's date into each prompt. Then what is asked through it is another prompt
//! after midnight, and answers that move with it say nothing of the model.

use serde::Deserialize;
use serde_json::json;

use super::Asker;
use crate::http::HttpError;
use crate::wire::asking::{DATE, template_words};

/// What a Jinja template calls to have the time, and what one of Ollama's does.
const CLOCKS: [&str; 2] = ["strftime_now", "currentDate"];

/// What was found of one template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pinned {
    template: String,
    holds: bool,
}

/// Where a template has its date from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Date {
    /// It has none.
    None,
    /// From `date_string`, which a request may set, and from the clock only where that is not set.
    Told,
    /// From the clock, by this.
    Clock(&'static str),
}

#[derive(Deserialize)]
struct Applied {
    prompt: String,
}

impl Asker {
    /// By what a llama-server's template puts today's date into each prompt, whatever it is told. `None`: it does not.
    pub(super) async fn clock_of(&self, template: &str) -> Result<Option<&'static str>, HttpError> {
        Ok(match of(template) {
            Date::None => None,
            Date::Clock(by) => Some(by),
            Date::Told if self.is_pinned(template).await? => None,
            Date::Told => Some(CLOCKS[0]),
        })
    }

    /// Whether the server hands the date that it is told to the template: builds before June 2025 do not. It only
    /// writes the prompt down; nothing is generated.
    async fn is_pinned(&self, template: &str) -> Result<bool, HttpError> {
        let known = self.known().pinned.clone();
        if let Some(known) = known.filter(|known| known.template == template) {
            return Ok(known.holds);
        }
        let messages = json!([{ "role": "user", "content": "Say yes." }]);
        let body =
            json!({ "model": self.model(), "messages": messages, "chat_template_kwargs": template_words() });
        let reply = self.endpoint.http.post("/apply-template?autoload=false", &body).await?;
        let applied = reply.ok().and_then(|reply| reply.json::<Applied>());
        // A build that cannot tell is one that does not do it either.
        let holds = applied.is_ok_and(|applied| applied.prompt.contains(DATE));
        self.known().pinned = Some(Pinned { template: template.to_owned(), holds });
        Ok(holds)
    }
}

/// By what a template of Ollama's puts today's date into each prompt.
pub(super) fn clock_of_ollama(template: &str) -> Option<&'static str> {
    CLOCKS.into_iter().find(|clock| template.contains(clock))
}

fn of(template: &str) -> Date {
    let dense: String = template.chars().filter(|letter| !letter.is_whitespace()).collect();
    let count = |text: &str| dense.matches(text).count();
    let mentions = count("strftime_now");
    // That it asks whether there is a clock is no use of it.
    let uses = mentions - count("strftime_nowis");
    if uses == 0 {
        return Date::None;
    }
    let asks = count("date_stringisdefined") + count("date_stringisnotdefined") > 0;
    if asks && uses == count("setdate_string=strftime_now(") { Date::Told } else { Date::Clock(CLOCKS[0]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_has_its_date_from_a_variable_from_the_clock_or_not_at_all() {
        let llama = "{%- if not date_string is defined %}{%- if strftime_now is defined %}\
             {%- set date_string = strftime_now(\"%d %b %Y\") %}{%- else %}{%- set date_string = \"26 Jul 2024\" %}\
             {%- endif %}{%- endif %}{{ \"Today Date: \" + date_string }}";
        let both = format!("{llama}{{{{ strftime_now('%H') }}}}");
        let cases = [
            ("{% for message in messages %}{{ message.content }}{% endfor %}", Date::None),
            ("{% if strftime_now is defined %}{{ 'a clock' }}{% endif %}", Date::None),
            (llama, Date::Told),
            (both.as_str(), Date::Clock("strftime_now")),
            ("{{ \"Current date: \" + strftime_now(\"%Y-%m-%d\") }}", Date::Clock("strftime_now")),
            ("{%- set today = strftime_now (\"%d %B %Y\") -%}{{ today }}", Date::Clock("strftime_now")),
            ("{% set date_string = strftime_now('%d') %}{{ date_string }}", Date::Clock("strftime_now")),
            ("{% set now = strftime_now %}{{ now('%d') }}", Date::Clock("strftime_now")),
        ];
        for (template, date) in cases {
            assert_eq!(of(template), date, "{template}");
        }
    }

    #[test]
    fn a_template_of_ollama_has_its_date_by_its_own_word() {
        let harmony = "<|start|>system<|message|>Current date: {{ currentDate }}";
        assert_eq!(clock_of_ollama(harmony), Some("currentDate"));
        assert_eq!(clock_of_ollama("Today Date: 23 July 2024 {{ .Prompt }}"), None, "always the same");
    }
}
