//! What recorded and documented servers answer to a question, as the asker reads it.

use std::time::Duration;

use opsagent::canary::Spent;
use opsagent::canary::left::{Known, Why, decide};
use opsagent::sample::{Answer as CanaryAnswer, AskError, Dialect, End, Fact, Finish, Question, Token};
use serde_json::{Value, json};

use crate::support::asked::{asker, asker_with, chat, error, raw, reply, sampler, streamed};
use crate::support::fake::{Answer, Fake};
use crate::support::process::free_port;

/// The body of the last POST to that path.
fn last(fake: &Fake, path: &str) -> Value {
    let requests = fake.requests();
    let request = requests.iter().rfind(|request| request.method == "POST" && request.path.starts_with(path));
    serde_json::from_slice(&request.unwrap_or_else(|| panic!("no POST {path}")).body).unwrap()
}

async fn llama_cpp(path: &str, recording: &str) -> Fake {
    Fake::llama_cpp().await.with(path, Answer::recorded(&format!("llama_cpp/b11434/{recording}.http")))
}

#[tokio::test]
async fn llama_cpps_own_answers_hold_numbers_of_tokens_and_the_same_positions_streamed_or_not() {
    let fake = llama_cpp("/completion", "ask-completion").await;
    let asker = asker("llama_cpp", fake.url().as_str(), "smol");
    let whole = reply(asker.ask(&raw("The", 4)).await);
    assert_eq!(whole.positions.len(), 4);
    assert!(whole.positions.iter().all(|position| position.top.len() == 20), "{:#?}", whole.positions[0]);
    assert_eq!(whole.positions[0].top[0].0, Token::of_id(29));
    assert_eq!(whole.positions[0].logprob, Some(-0.901_996_3));
    let generation = &whole.generation;
    assert_eq!((generation.dialect, generation.end), (Dialect::LlamaCppCompletion, End::Complete));
    assert_eq!((generation.tokens.output, generation.finish), (Some(4), Some(Finish::Length)));
    let body = last(&fake, "/completion?autoload=false");
    assert_eq!((&body["n_probs"], &body["temperature"]), (&json!(20), &json!(0)));

    let fake = llama_cpp("/completion", "ask-completion-stream").await;
    let asker = asker_of(&fake);
    let stream = reply(asker.ask(&streamed(raw("The", 4))).await);
    assert_eq!((stream.text, stream.positions), (whole.text, whole.positions));
    assert!(stream.generation.time_to_first_token.is_some() && stream.generation.pieces > 0);
}

fn asker_of(fake: &Fake) -> opsagent::canary::asker::Asker {
    asker("llama_cpp", fake.url().as_str(), "smol")
}

#[tokio::test]
async fn llama_cpps_chat_and_its_samplers_are_read() {
    let fake = llama_cpp("/v1/chat/completions", "ask-chat").await;
    let chatted = reply(asker_of(&fake).ask(&chat("Say blue", 4)).await);
    assert_eq!((chatted.positions.len(), chatted.positions[0].top.len()), (4, 20));
    assert_eq!(chatted.positions[0].token, Token::of_id(57));
    assert!(!chatted.text.is_empty());
    assert_eq!(
        last(&fake, "/v1/chat/completions")["chat_template_kwargs"],
        json!({ "enable_thinking": false, "date_string": "26 Jul 2024" })
    );

    let fake = llama_cpp("/completion", "ask-sampler").await;
    let sampled = reply(asker_of(&fake).ask(&sampler("the the the the")).await);
    assert!(sampled.positions.is_empty(), "they are no log probabilities of the model");
    let sum: f32 = sampled.sampler.iter().map(|(_, prob)| prob).sum();
    assert!(sampled.sampler.len() > 3 && sum > 0.3 && sum <= 1.001, "{:?}", sampled.sampler);
    assert!(last(&fake, "/completion").get("temperature").is_none());
}

#[tokio::test]
async fn what_a_server_refuses_has_its_own_error() {
    let too_long = r#"{"error":{"code":400,"message":"request (6001 tokens) exceeds the available context size (2048 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":6001,"n_ctx":2048}}"#;
    let cases = [
        (Answer::status("400 Bad Request", "application/json", too_long), "too_long", true),
        (
            Answer::status("500 Internal Server Error", "application/json", r#"{"error":"boom"}"#),
            "status",
            true,
        ),
        (
            Answer::status("503 Service Unavailable", "application/json", r#"{"error":"busy"}"#),
            "status",
            false,
        ),
        (
            Answer::status("404 Not Found", "application/json", r#"{"error":"model 'x' not found"}"#),
            "status",
            true,
        ),
        (Answer::status("429 Too Many Requests", "text/plain", "later"), "status", false),
        (Answer::json(r#"{"content":"","stop":true,"tokens_predicted":0}"#), "empty", true),
        (
            Answer::json(
                r#"{"content":"x","stop":true,"completion_probabilities":[{"id":1,"token":"x","logprob":null,"top_logprobs":[]}]}"#,
            ),
            "bad_logprob",
            true,
        ),
        (
            Answer::json(
                r#"{"content":"x","stop":true,"completion_probabilities":[{"id":1,"token":"x","logprob":NaN,"top_logprobs":[]}]}"#,
            ),
            "bad_logprob",
            true,
        ),
        (
            Answer::json(
                r#"{"content":"x","stop":true,"completion_probabilities":[{"id":1,"token":"x","logprob":0.7,"top_logprobs":[]}]}"#,
            ),
            "bad_logprob",
            true,
        ),
        (Answer::html("<html>"), "malformed", false),
        (Answer::Reset, "reset", false),
        (Answer::Silence, "timeout", false),
    ];
    for (answer, name, hard) in cases {
        let fake = Fake::llama_cpp().await.with("/completion", answer);
        let mut question = raw("The", 1);
        question.timeout = Duration::from_millis(500);
        let error = error(asker_of(&fake).ask(&question).await);
        assert_eq!((error.name(), error.is_hard()), (name, hard), "{error}");
    }
    let url = format!("http://127.0.0.1:{}", free_port());
    let error = error(asker("llama_cpp", &url, "smol").ask(&raw("The", 1)).await);
    assert_eq!(error.name(), "refused");
}

#[tokio::test]
async fn an_answer_without_end_is_given_up_at_its_cap_or_its_time() {
    let fake = Fake::llama_cpp().await.with("/completion", Answer::Endless);
    let mut question = raw("The", 1);
    question.timeout = Duration::from_secs(20);
    let name = error(asker_of(&fake).ask(&question).await).name();
    assert!(matches!(name, "malformed" | "timeout"), "{name}");
}

#[tokio::test]
async fn probabilities_that_are_missing_where_they_were_told_before_are_a_fault() {
    let with = r#"{"content":"x","stop":true,"completion_probabilities":[{"id":1,"token":"x","logprob":-1,"top_logprobs":[]}]}"#;
    let count = std::sync::atomic::AtomicU32::new(0);
    let fake = Fake::llama_cpp().await.with(
        "/completion",
        Answer::by(move |_| match count.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 => Answer::json(with),
            _ => Answer::json(r#"{"content":"x","stop":true,"tokens_predicted":1}"#),
        }),
    );
    let asker = asker_of(&fake);
    assert_eq!(reply(asker.ask(&raw("The", 1)).await).positions.len(), 1);
    assert!(matches!(error(asker.ask(&raw("The", 1)).await), AskError::BadLogprob { .. }));
}

#[tokio::test]
async fn ollama_is_asked_with_the_context_it_is_loaded_with_and_not_before_that_is_known() {
    let fake =
        Fake::ollama("0.34.0").await.with("/api/chat", Answer::recorded("ollama/0.34.0/ask-chat.http"));
    let asker = asker("ollama", fake.url().as_str(), "smol");
    assert!(matches!(error(asker.ask(&chat("hi", 1)).await), AskError::Unsupported { .. }));
    let now = asker.presence().await.unwrap();
    assert_eq!((now.loaded, now.context_tokens, now.remote), (Some(true), Some(4096), false));
    assert_eq!(decide(&now, Known::default()).why, Why::First);
    let answer = reply(asker.ask(&chat("Say blue", 4)).await);
    assert_eq!((answer.positions.len(), answer.positions[0].top.len()), (4, 20));
    assert_eq!(answer.positions[0].token, Token::of_bytes(b"To"));
    assert!(!answer.waited_for_a_load());
    let body = last(&fake, "/api/chat");
    assert_eq!(body["options"]["num_ctx"], json!(4096));
    assert!(body.get("keep_alive").is_none());
    let facts = asker.facts().await.unwrap();
    assert_eq!(facts.of[&Fact::Version], "ollama 0.34.0");
    assert_eq!(facts.of[&Fact::Sampling], r#"stop "<|im_end|>", stop "<|im_start|>", temperature 0"#);
    assert_eq!(facts.of[&Fact::Quantization], "Q4_1");
    // Each request chooses the context: what it is loaded with is no fact of the model.
    assert_eq!((facts.of.get(&Fact::Context), facts.notes["context"].as_str()), (None, "4096"));
    assert_eq!(facts.of.len(), Fact::ALL.len() - 1);
    let shows = fake.requests().iter().filter(|request| request.path == "/api/show").count();
    assert!(shows <= 3, "one of the poll and one of ours: the answer holds for its digest ({shows})");
}

#[tokio::test]
async fn an_ollama_without_log_probabilities_is_read_as_text() {
    let fake =
        Fake::ollama("0.11.4").await.with("/api/chat", Answer::recorded("ollama/0.11.4/chat-stream.http"));
    let asker = asker("ollama", fake.url().as_str(), "smol");
    asker.presence().await.unwrap();
    let answer = reply(asker.ask(&streamed(chat("hi", 8))).await);
    assert!(!answer.text.is_empty() && answer.positions.is_empty());
    let abilities = asker.abilities().await.unwrap();
    assert_eq!((abilities.logprobs, abilities.raw, abilities.sampler), (false, true, false));
}

#[tokio::test]
async fn a_model_of_ollamas_cloud_is_never_asked() {
    let show = r#"{"modelfile":"","template":"","remote_host":"https://elsewhere.example","details":{}}"#;
    let fake = Fake::ollama("0.34.0").await.with("/api/show", Answer::json(show));
    let now = asker("ollama", fake.url().as_str(), "smol").presence().await.unwrap();
    assert_eq!(decide(&now, Known { may_load: true, ..Known::default() }).why, Why::Remote);
}

#[tokio::test]
async fn vllm_tells_tokens_by_their_numbers_in_chat_and_in_completions() {
    let fake = Fake::new()
        .await
        .with("/v1/models", Answer::recorded("openai/vllm/models.http"))
        .with("/health", Answer::recorded("openai/vllm/health.http"))
        .with("/v1/chat/completions", Answer::recorded("openai/vllm/ask-chat.http"))
        .with("/v1/completions", Answer::recorded("openai/vllm/ask-completions.http"));
    let models: Value =
        serde_json::from_slice(&crate::support::fixture::recorded("openai/vllm/models.http").body).unwrap();
    let model = models["data"][0]["id"].as_str().unwrap();
    let asker = asker("openai", fake.url().as_str(), model);
    let now = asker.presence().await.unwrap();
    assert_eq!(decide(&now, Known::default()).why, Why::Stays);
    let mut question = chat("Say blue", 2);
    question.cache = Some(false);
    let first = reply(asker.ask(&question).await);
    assert_eq!(first.positions[0].token, Token::of_id(10331));
    assert_eq!((first.text.as_str(), first.positions.len()), ("Blue.", 2));
    let salt = last(&fake, "/v1/chat/completions")["cache_salt"].clone();
    reply(asker.ask(&question).await);
    let another = last(&fake, "/v1/chat/completions")["cache_salt"].clone();
    assert!(salt.is_string() && salt != another, "never the same twice");
    let raw = reply(asker.ask(&raw("The", 1)).await);
    assert_eq!(raw.positions[0].token, Token::of_id(1196));
    assert_eq!(raw.positions[0].top.len(), 3);
}

#[tokio::test]
async fn a_server_that_refuses_unknown_members_is_asked_with_fewer_and_that_is_remembered() {
    let fake =
        Fake::new().await.with("/v1/models", Answer::json(r#"{"object":"list","data":[{"id":"m"}]}"#)).with(
            "/v1/chat/completions",
            Answer::by(|request| {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                if body.get("chat_template_kwargs").is_some() || body.get("logprobs").is_some() {
                    return Answer::status(
                        "400 Bad Request",
                        "application/json",
                        r#"{"error":{"message":"extra fields not permitted"}}"#,
                    );
                }
                Answer::json(
                    r#"{"model":"m","choices":[{"message":{"content":"yes"},"finish_reason":"stop"}]}"#,
                )
            }),
        );
    let asker = asker("openai", fake.url().as_str(), "m");
    let posts = |fake: &Fake| fake.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(reply(asker.ask(&chat("hi", 4)).await).text, "yes");
    assert_eq!(posts(&fake), 3, "all, the standard, the bare question");
    assert_eq!(reply(asker.ask(&chat("hi", 4)).await).text, "yes");
    assert_eq!(posts(&fake), 4);
    let now = asker.presence().await.unwrap();
    assert_eq!(decide(&now, Known::default()).why, Why::NotTold);
}

#[tokio::test]
async fn a_model_that_computes_no_numbers_any_more_is_one_with_log_probabilities() {
    let broken = r#"{"model":"m","choices":[{"message":{"content":"?"},"finish_reason":"length","logprobs":{"content":[{"token":"?","logprob":null,"top_logprobs":[]}]}}]}"#;
    let fake = Fake::new()
        .await
        .with("/v1/models", Answer::json(r#"{"object":"list","data":[{"id":"m"}]}"#))
        .with("/v1/chat/completions", Answer::json(broken));
    let abilities = asker("openai", fake.url().as_str(), "m").abilities().await.unwrap();
    assert_eq!((abilities.logprobs, abilities.raw), (true, false));
}

#[tokio::test]
async fn lm_studio_answers_in_text_and_only_what_is_loaded_is_asked() {
    let fake = Fake::new()
        .await
        .with("/api/v1/models", Answer::recorded("lm_studio/0.4/api-v1-models.http"))
        .with("/v1/chat/completions", Answer::recorded("lm_studio/0.4/ask-chat.http"))
        .with("/v1/completions", Answer::recorded("lm_studio/0.4/ask-completions.http"));
    let list = crate::support::fixture::recorded("lm_studio/0.4/api-v1-models.http").json();
    let loaded = |is: bool| {
        let models = list["models"].as_array().unwrap().iter();
        let mut of = models
            .filter(|model| model["loaded_instances"].as_array().is_some_and(|all| all.is_empty() != is));
        of.find_map(|model| model["key"].as_str()).unwrap().to_owned()
    };
    let asker_of = |model: &str| asker_with("lm_studio", fake.url().as_str(), model, |_| {});
    let away = asker_of(&loaded(false)).presence().await.unwrap();
    assert_eq!(decide(&away, Known::default()).why, Why::NotLoaded);
    let asker = asker_of(&loaded(true));
    let now = asker.presence().await.unwrap();
    assert_eq!(decide(&now, Known::default()).why, Why::First);
    let mark = now.mark.clone();
    assert_eq!(decide(&now, Known { left: Some(&mark), ..Known::default() }).why, Why::UseUnseen);
    let abilities = asker.abilities().await.unwrap();
    assert_eq!((abilities.logprobs, abilities.raw, abilities.sampler), (false, true, false));
    let spent = asker.take_spent();
    assert!(spent.completion >= 2 && spent.prompt >= 2, "the questions for it took tokens: {spent:?}");
    assert_eq!(asker.take_spent(), Spent::default(), "which are told once");
    assert_eq!(reply(asker.ask(&chat("hi", 4)).await).text, "Paris.");
    assert_eq!(asker.take_spent(), Spent::default(), "those of a run are the run's");
    let body = last(&fake, "/v1/chat/completions");
    assert!(body.get("ttl").is_none());
}

#[tokio::test]
async fn a_sleeping_llama_server_is_not_asked_and_one_that_may_sleep_only_after_others() {
    let fake =
        Fake::llama_cpp().await.with("/props", Answer::recorded("llama_cpp/b11434/props-sleeping.http"));
    let asker = asker("llama_cpp", fake.url().as_str(), &model_of(&fake));
    let now = asker.presence().await.unwrap();
    assert_eq!(decide(&now, Known::default()).why, Why::Asleep);

    let fake = Fake::llama_cpp().await;
    let model = model_of(&fake);
    let sleeps =
        |sleeps| asker_with("llama_cpp", fake.url().as_str(), &model, |target| target.sleeps = Some(sleeps));
    let now = sleeps(false).presence().await.unwrap();
    assert_eq!(decide(&now, Known::default()).why, Why::Stays);
    let now = sleeps(true).presence().await.unwrap();
    let mark = now.mark.clone();
    let again = decide(&now, Known { left: Some(&mark), ..Known::default() });
    assert!(!again.may_run, "{again:?}");
}

fn model_of(_: &Fake) -> String {
    let models = crate::support::fixture::recorded("llama_cpp/b11434/models.http").json();
    models["data"][0]["id"].as_str().unwrap().to_owned()
}

/// A fake whose first answer to a question is another one.
async fn first(other: Answer) -> Fake {
    let whole = Answer::recorded("llama_cpp/b11434/ask-completion.http");
    let asked = std::sync::atomic::AtomicU64::new(0);
    let by = move |_: &crate::support::fake::Request| match asked
        .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
    {
        0 => other.clone(),
        _ => whole.clone(),
    };
    Fake::llama_cpp().await.with("/completion", Answer::by(by))
}

fn posts(fake: &Fake) -> usize {
    fake.requests().iter().filter(|request| request.method == "POST").count()
}

#[tokio::test]
async fn a_question_whose_connection_breaks_before_a_byte_came_is_asked_once_more() {
    for broken in [Answer::Reset, Answer::Raw(Vec::new())] {
        let fake = first(broken).await;
        assert_eq!(reply(asker_of(&fake).ask(&raw("The", 4)).await).positions.len(), 4);
        assert_eq!(posts(&fake), 2);
    }
    let fake = Fake::llama_cpp().await.with("/completion", Answer::Reset);
    let told = error(asker_of(&fake).ask(&raw("The", 4)).await);
    assert_eq!(told.to_string(), "the connection broke before a byte of an answer came, twice");
    assert_eq!((told.name(), posts(&fake)), ("reset", 2));
}

#[tokio::test]
async fn an_answer_that_breaks_in_its_midst_is_an_error_and_not_asked_again() {
    let whole = crate::support::fixture::recorded("llama_cpp/b11434/ask-completion.http");
    let fake = first(Answer::Half(whole)).await;
    let told = error(asker_of(&fake).ask(&raw("The", 4)).await);
    assert!(told.to_string().starts_with("the connection broke in the midst of an answer, after "), "{told}");
    assert_eq!((told.name(), posts(&fake)), ("reset", 1));
}

#[tokio::test]
async fn of_a_server_that_hangs_the_last_questions_are_not_asked() {
    let fake = Fake::llama_cpp().await.with("/completion", Answer::Silence);
    let mut question = raw("The", 4);
    question.timeout = Duration::from_millis(100);
    let mut spent = Spent::default();
    let told = |question: &Question, answer: &CanaryAnswer| spent += Spent::of([(question, answer)]);
    let asked = opsagent::canary::ask_all(&asker_of(&fake), &vec![question; 40], 2, told).await;
    let answers = asked.answers;
    assert_eq!(answers.len(), 40);
    assert_eq!(
        spent.completion,
        4 * posts(&fake) as u64,
        "what was asked may have been generated, and no more"
    );
    assert!(answers.iter().all(|answer| matches!(answer.result, Err(AskError::Unreachable { .. }))));
    assert!(posts(&fake) <= 4, "{}", posts(&fake));
}

#[tokio::test]
async fn a_template_that_reads_the_clock_whatever_it_is_told_is_known_and_one_that_takes_a_date_is_not_dated()
{
    let template =
        "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}";
    let clock = "{{ strftime_now('%d %b %Y') }}";
    let applied = |prompt: &str| Answer::json(json!({ "prompt": prompt }).to_string());
    for (template, applied, is_dated) in [
        (template, Some(applied("Today: 26 Jul 2024")), false),
        (template, Some(applied("Today: 23 Nov 2026")), true),
        (template, None, true),
        (clock, None, true),
        ("{{ messages[0].content }}", None, false),
    ] {
        let mut fake = Fake::llama_cpp().await;
        let Answer::Whole(props) = Answer::recorded("llama_cpp/b11434/props.http") else { panic!() };
        let mut props: Value = serde_json::from_slice(&props.body).unwrap();
        props["chat_template"] = template.into();
        fake = fake.with("/props", Answer::json(props.to_string()));
        if let Some(applied) = applied {
            fake = fake.with("/apply-template", applied);
        }
        let listed = "/srv/models/smollm/SmolLM2-135M-Instruct.Q4_1.gguf";
        let asker = asker("llama_cpp", fake.url().as_str(), listed);
        for _ in 0..2 {
            let facts = asker.facts().await.unwrap();
            assert_eq!(facts.is_dated(), is_dated, "{template}: {:?}", facts.notes);
        }
        let looks = fake.asked().iter().filter(|path| path.contains("apply-template")).count();
        assert_eq!(looks, usize::from(template.contains("date_string")), "once, and only where it matters");
    }
}
