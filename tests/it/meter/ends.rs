//! The table of all ends: what each dialect's answer says, how its connection closed, what came of it.

use opsagent::sample::{Dialect, End, Failure, Phase, Truncation};
use opsagent::wire::Close;

use super::{Bench, RESET, closed, whole};

const SSE: &str = "text/event-stream; charset=utf-8";
const NDJSON: &str = "application/x-ndjson";
const JSON: &str = "application/json; charset=utf-8";

const OLLAMA: &str = "{\"model\":\"m\",\"message\":{\"content\":\"a\"},\"done\":false}\n";
const OLLAMA_DONE: &str =
    "{\"model\":\"m\",\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n";
const OLLAMA_ERROR: &str = "{\"error\":\"unexpected EOF\"}\n";
const CHAT: &str =
    "data: {\"id\":\"1\",\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}\n\n";
const CHAT_FINISH: &str = "data: {\"id\":\"1\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const CHAT_ERROR: &str =
    "data: {\"error\":{\"message\":\"engine died\",\"type\":\"server_error\",\"code\":500}}\n\n";
const FLAT_ERROR: &str = "data: {\"object\":\"error\",\"message\":\"engine died\",\"code\":500}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const NATIVE: &str = "data: {\"content\":\"a\",\"stop\":false,\"id_slot\":0}\n\n";
const NATIVE_STOP: &str =
    "data: {\"content\":\"\",\"stop\":true,\"stop_type\":\"eos\",\"truncated\":false}\n\n";
const ANTHROPIC: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n";
const ANTHROPIC_STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
const ANTHROPIC_ERROR: &str = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}\n\n";
const RESPONSES: &str =
    "event: response.output_text.delta\ndata: {\"delta\":\"a\",\"type\":\"response.output_text.delta\"}\n\n";
const RESPONSES_DONE: &str =
    "data: {\"response\":{\"status\":\"completed\",\"error\":null},\"type\":\"response.completed\"}\n\n";
const RESPONSES_CUT: &str = "data: {\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}},\"type\":\"response.incomplete\"}\n\n";
const RESPONSES_FAILED: &str = "data: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"x\"}}}\n\n";
const LM_STUDIO: &str = "event: message.delta\ndata: {\"type\":\"message.delta\",\"content\":\"a\"}\n\n";
const LM_STUDIO_END: &str =
    "event: chat.end\ndata: {\"type\":\"chat.end\",\"result\":{\"stats\":{\"total_output_tokens\":1}}}\n\n";
const LM_STUDIO_ERROR: &str =
    "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"internal_error\",\"message\":\"x\"}}\n\n";

const COMPLETE: End = End::Complete;
const STREAM_ERROR: End = End::Failed(Failure::StreamError);
const CUT_SHORT: End = End::Failed(Failure::CutShort);
const BROKEN: End = End::Failed(Failure::Reset);
const LEFT: End = End::Cancelled(Phase::Decode);

/// What an answer ends as: its connection closed whole, it broke, the client left.
type Ends = [End; 3];

fn check(dialect: Dialect, content_type: &str, body: &[&str], expected: Ends) {
    let text = body.concat();
    let ends = [Close::Whole, RESET, Close::ClientGone]
        .map(|close| closed(dialect, "{}", 200, content_type, &[text.as_bytes()], close).end);
    assert_eq!(ends, expected, "{dialect:?}: {text}");
}

#[test]
fn ollamas_own_streams_end_with_done() {
    for dialect in [Dialect::OllamaChat, Dialect::OllamaGenerate] {
        check(dialect, NDJSON, &[OLLAMA, OLLAMA, OLLAMA_DONE], [COMPLETE; 3]);
        check(dialect, NDJSON, &[OLLAMA, OLLAMA_ERROR], [STREAM_ERROR; 3]);
        check(dialect, NDJSON, &[OLLAMA, OLLAMA], [CUT_SHORT, BROKEN, LEFT]);
        // The last line without its line feed is whole all the same.
        check(dialect, NDJSON, &[OLLAMA, OLLAMA_DONE.trim_end()], [COMPLETE; 3]);
    }
}

#[test]
fn openais_streams_end_with_a_reason_and_then_the_marker() {
    for dialect in [Dialect::OpenaiChat, Dialect::OpenaiCompletions] {
        check(dialect, SSE, &[CHAT, CHAT_FINISH, DONE], [COMPLETE; 3]);
        // Some servers write no marker, and some clients do not wait for it.
        check(dialect, SSE, &[CHAT, CHAT_FINISH], [COMPLETE, BROKEN, COMPLETE]);
        check(dialect, SSE, &[CHAT, CHAT], [CUT_SHORT, BROKEN, LEFT]);
        check(dialect, SSE, &[CHAT, DONE], [CUT_SHORT, BROKEN, LEFT]);
        check(dialect, SSE, &[CHAT, CHAT_FINISH, DONE.trim_end()], [COMPLETE; 3]);
        // llama-server tells an error without the marker, vLLM and SGLang with it, old ones flatly.
        check(dialect, SSE, &[CHAT, CHAT_ERROR], [STREAM_ERROR; 3]);
        check(dialect, SSE, &[CHAT, CHAT_ERROR, DONE], [STREAM_ERROR; 3]);
        check(dialect, SSE, &[CHAT, FLAT_ERROR, DONE], [STREAM_ERROR; 3]);
        check(dialect, SSE, &[CHAT, "error: {\"code\":500,\"message\":\"x\"}\n\n"], [STREAM_ERROR; 3]);
        let aborted = CHAT_FINISH.replace("stop", "abort");
        check(dialect, SSE, &[CHAT, &aborted, DONE], [STREAM_ERROR; 3]);
    }
}

#[test]
fn ollama_swallows_an_error_of_its_runner_and_the_stream_is_cut_short() {
    let empty = CHAT.replace("\"a\"", "\"\"");
    check(Dialect::OpenaiChat, SSE, &[CHAT, &empty], [CUT_SHORT, BROKEN, LEFT]);
}

#[test]
fn llama_cpps_own_streams_end_with_stop() {
    for dialect in [Dialect::LlamaCppCompletion, Dialect::LlamaCppInfill] {
        check(dialect, SSE, &[NATIVE, NATIVE_STOP], [COMPLETE; 3]);
        check(dialect, SSE, &[NATIVE, CHAT_ERROR], [STREAM_ERROR; 3]);
        check(dialect, SSE, &[NATIVE, NATIVE], [CUT_SHORT, BROKEN, LEFT]);
    }
}

#[test]
fn streams_of_named_events_end_with_the_last_of_them() {
    let dialect = Dialect::AnthropicMessages;
    check(
        dialect,
        SSE,
        &[ANTHROPIC, "event: ping\ndata: {\"type\":\"ping\"}\n\n", ANTHROPIC_STOP],
        [COMPLETE; 3],
    );
    check(dialect, SSE, &[ANTHROPIC, ANTHROPIC_ERROR], [STREAM_ERROR; 3]);
    check(dialect, SSE, &[ANTHROPIC], [CUT_SHORT, BROKEN, LEFT]);
    let dialect = Dialect::OpenaiResponses;
    check(dialect, SSE, &[RESPONSES, RESPONSES_DONE], [COMPLETE; 3]);
    check(dialect, SSE, &[RESPONSES, RESPONSES_CUT], [COMPLETE; 3]);
    check(dialect, SSE, &[RESPONSES, RESPONSES_FAILED], [STREAM_ERROR; 3]);
    check(
        dialect,
        SSE,
        &[RESPONSES, "event: error\ndata: {\"type\":\"error\",\"message\":\"x\"}\n\n"],
        [STREAM_ERROR; 3],
    );
    check(dialect, SSE, &[RESPONSES], [CUT_SHORT, BROKEN, LEFT]);
    let dialect = Dialect::LmStudioChat;
    check(dialect, SSE, &[LM_STUDIO, LM_STUDIO_END], [COMPLETE; 3]);
    check(dialect, SSE, &[LM_STUDIO, LM_STUDIO_ERROR], [STREAM_ERROR; 3]);
    check(dialect, SSE, &[LM_STUDIO], [CUT_SHORT, BROKEN, LEFT]);
}

#[test]
fn success_with_an_error_inside_is_none() {
    let malformed = End::Failed(Failure::Malformed);
    for body in [
        "{\"error\":\"Unexpected endpoint or method. (POST /v1/chat/completions)\"}",
        "{\"error\":{\"message\":\"x\"}}",
        "{\"object\":\"error\",\"message\":\"x\",\"code\":500}",
    ] {
        check(Dialect::OpenaiChat, JSON, &[body], [malformed; 3]);
    }
    let failed = "{\"object\":\"response\",\"status\":\"failed\",\"error\":{\"code\":\"x\"}}";
    check(Dialect::OpenaiResponses, JSON, &[failed], [malformed; 3]);
    let fine = "{\"object\":\"response\",\"status\":\"completed\",\"error\":null}";
    check(Dialect::OpenaiResponses, JSON, &[fine], [COMPLETE; 3]);
}

#[test]
fn an_answer_that_is_no_stream_is_complete_with_its_last_brace() {
    let body = "{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}";
    check(Dialect::OpenaiChat, JSON, &[body], [COMPLETE; 3]);
    check(Dialect::OpenaiChat, JSON, &[&body[..40]], [CUT_SHORT, BROKEN, LEFT]);
    check(Dialect::OpenaiChat, JSON, &[], [CUT_SHORT, BROKEN, End::Cancelled(Phase::Prefill)]);
    check(Dialect::LlamaCppEmbedding, JSON, &["[{\"index\":0,\"embedding\":[[0.1,-2e-3]]}]"], [COMPLETE; 3]);
}

#[test]
fn a_status_tells_why_a_request_was_refused_whoever_left_first() {
    for (status, body, failure) in [
        (429, "{\"error\":\"too many\"}", Failure::Overloaded),
        (503, "{\"error\":\"server busy\"}", Failure::Overloaded),
        (401, "Unauthorized", Failure::Unauthorized),
        (403, "", Failure::Unauthorized),
        (404, "404 page not found", Failure::NotFound),
        (400, "{\"error\":{\"message\":\"bad\"}}", Failure::ClientError),
        (400, "{\"error\":{\"type\":\"exceed_context_size_error\",\"n_ctx\":8}}", Failure::ContextExceeded),
        (
            400,
            "{\"error\":\"{\\\"error\\\":{\\\"code\\\":400,\\\"type\\\":\\\"exceed_context_size_error\\\"}}\"}",
            Failure::ContextExceeded,
        ),
        (413, "", Failure::ClientError),
        (308, "", Failure::ClientError),
        (500, "{\"error\":\"runner died\"}", Failure::ServerError),
        (502, "<html>bad gateway</html>", Failure::ServerError),
    ] {
        for close in [Close::Whole, RESET, Close::ClientGone] {
            let seen = closed(Dialect::OllamaChat, "{}", status, "", &[body.as_bytes()], close);
            assert_eq!((seen.end, seen.fault), (End::Failed(failure), None), "{status} {body} {close:?}");
        }
    }
}

#[test]
fn without_an_answer_the_carrier_tells_and_a_client_that_left_was_in_some_phase() {
    let end = |dialect, request: &str, close| Bench::sent(dialect, request).finish(5, close);
    for reason in Failure::ALL {
        assert_eq!(end(Dialect::OpenaiChat, "{}", Close::Broken(reason)).end, End::Failed(reason));
    }
    let gone = |dialect, request: &str| end(dialect, request, Close::ClientGone).end;
    assert_eq!(gone(Dialect::OpenaiChat, "{\"stream\":true}"), End::Cancelled(Phase::Queued));
    // Its head comes with the first token, or with the whole answer: nobody knows how long it waited.
    assert_eq!(gone(Dialect::OllamaChat, "{}"), End::Cancelled(Phase::Prefill));
    assert_eq!(gone(Dialect::OpenaiChat, "{}"), End::Cancelled(Phase::Prefill));
    // What was asked for is told where nothing came.
    let asked = |request: &str| end(Dialect::OpenaiChat, request, Close::ClientGone).streamed;
    assert_eq!((asked("{\"stream\":true}"), asked("{}")), (Some(true), Some(false)));
    let refused = |request: &str| whole(Dialect::OpenaiChat, request, 500, JSON, "{}").streamed;
    assert_eq!((refused("{\"stream\":true}"), refused("{}")), (Some(true), Some(false)));
    // The request was not wholly sent.
    let mut meter = opsagent::wire::Meter::new(Dialect::OllamaChat);
    let now = tokio::time::Instant::now().into_std();
    assert_eq!(meter.finish(Close::ClientGone, now).end, End::Cancelled(Phase::Queued));
    let headed = closed(Dialect::OpenaiChat, "{}", 200, SSE, &[b": ping\n\n"], Close::ClientGone);
    assert_eq!(headed.end, End::Cancelled(Phase::Prefill));
    assert_eq!((headed.streamed, headed.status), (Some(true), Some(200)));
}

#[test]
fn what_cut_an_answer_is_told() {
    let stop = |limit: &str, body: &str| {
        whole(Dialect::LlamaCppCompletion, limit, 200, SSE, &format!("data: {body}\n\n")).truncated
    };
    let by_limit =
        r#"{"content":"","stop":true,"stop_type":"limit","tokens_predicted":10,"tokens_evaluated":5}"#;
    assert_eq!(stop("{}", by_limit), Some(Truncation::Length));
    assert_eq!(stop("{\"n_predict\":10}", by_limit), Some(Truncation::Length));
    // It was allowed more than it wrote.
    assert_eq!(stop("{\"n_predict\":4000}", by_limit), Some(Truncation::Context));
    assert_eq!(stop("{\"n_predict\":-1}", by_limit), Some(Truncation::Length));
    let full = r#"{"content":"","stop":true,"stop_type":"limit","truncated":true}"#;
    assert_eq!(stop("{}", full), Some(Truncation::Context));
    assert_eq!(stop("{}", r#"{"content":"","stop":true,"stop_type":"eos"}"#), None);
    let lm_studio = |reason: &str| {
        let body = format!("{{\"stats\":{{\"stop_reason\":\"{reason}\"}}}}");
        whole(Dialect::LmStudioChat, "{}", 200, JSON, &body).truncated
    };
    assert_eq!(lm_studio("contextLengthReached"), Some(Truncation::Context));
    assert_eq!(lm_studio("maxPredictedTokensReached"), Some(Truncation::Length));
    assert_eq!(lm_studio("eosFound"), None);
}
