//! The fakes that stand for real servers, each with the routes that were recorded of it (or, where
//! there is none to be had, that are documented: see `tests/fixtures/README.md`).

use super::fake::{Answer, Fake, plain};
use super::fixture::Recorded;

/// One constructor a server.
impl Fake {
    /// Ollama `0.34.0` or `0.11.4`, with one model loaded.
    pub async fn ollama(version: &str) -> Fake {
        let mut fake = Fake::new().await.rest(of("ollama", version, "err-404"));
        for (path, name) in [
            ("/", "root"),
            ("/api/version", "version"),
            ("/api/tags", "tags"),
            ("/api/ps", "ps-loaded"),
            ("/api/show", "show"),
            ("/api/status", "status"),
            ("/v1/models", "v1-models"),
        ] {
            fake = fake.with(path, of("ollama", version, name));
        }
        fake
    }

    /// A llama-server that an Ollama runs a model in, with its `/metrics` on.
    pub async fn ollama_child() -> Fake {
        let mut fake = Fake::new().await.rest(of("llama_cpp", LLAMA_CPP, "version-404"));
        for name in ["health", "props", "slots", "metrics"] {
            fake = fake.with(&format!("/{name}"), of("ollama", "0.34.0", &format!("child-{name}")));
        }
        fake.with("/v1/models", of("llama_cpp", LLAMA_CPP, "models"))
    }

    /// llama-server with `--metrics`, idle, used before.
    pub async fn llama_cpp() -> Fake {
        let mut fake = Fake::new().await.rest(of("llama_cpp", LLAMA_CPP, "version-404"));
        for (path, name) in [
            ("/health", "health"),
            ("/props", "props"),
            ("/slots", "slots-idle-used"),
            ("/metrics", "metrics-1"),
            ("/v1/models", "models"),
            ("/models", "models"),
        ] {
            fake = fake.with(path, of("llama_cpp", LLAMA_CPP, name));
        }
        fake
    }

    /// llama-server without `--metrics`.
    pub async fn llama_cpp_without_metrics() -> Fake {
        let off = r#"{"error":{"code":501,"message":"This server does not support metrics endpoint. Start it with `--metrics`","type":"not_supported_error"}}"#;
        let mut answer = plain("501 Not Implemented", "application/json; charset=utf-8", off);
        answer.headers.insert(0, ("Server".into(), "llama.cpp".into()));
        let fake = Fake::llama_cpp().await.with("/metrics", Answer::Whole(answer));
        let mut props = super::fixture::recorded("llama_cpp/b11434/props.http");
        let mut body = props.json();
        body["endpoint_metrics"] = false.into();
        props.body = body.to_string().into_bytes();
        fake.with("/props", Answer::Whole(props))
    }

    /// llama-server while it reads its model: every path says so.
    pub async fn llama_cpp_loading() -> Fake {
        Fake::always(of("llama_cpp", LLAMA_CPP, "health-loading")).await
    }

    /// llama-server with `--api-key`; what is open without it is open.
    pub async fn llama_cpp_with_key(key: &str) -> Fake {
        let refusal = of("llama_cpp", LLAMA_CPP, "error-401");
        Fake::llama_cpp().await.guarded(key, &["/", "/health", "/v1/health"], refusal)
    }

    /// llama-server asleep (`--sleep-idle-seconds`). `/slots` would wake it: here that is seen by
    /// the request alone.
    pub async fn llama_cpp_sleeping() -> Fake {
        let fake = Fake::llama_cpp().await;
        for (path, name) in [("/props", "props-sleeping"), ("/metrics", "metrics-sleeping")] {
            fake.set(path, of("llama_cpp", LLAMA_CPP, name));
        }
        fake
    }

    /// llama-server in router mode, with two models and none (or one) of them loaded. What is asked
    /// for a model without `autoload=false` is answered as a load would be: by the request alone it
    /// is seen that it was asked.
    pub async fn llama_cpp_router(loaded: bool) -> Fake {
        let models = if loaded { "router-models-loaded" } else { "router-models-unloaded" };
        let mut fake = Fake::new().await.rest(of("llama_cpp", LLAMA_CPP, "router-metrics-notloaded-400"));
        for (path, name) in [
            ("/health", "router-health"),
            ("/props", "router-props"),
            ("/models", models),
            ("/v1/models", models),
        ] {
            fake = fake.with(path, of("llama_cpp", LLAMA_CPP, name));
        }
        fake
    }

    /// LM Studio 0.4 or later: both native APIs.
    pub async fn lm_studio_v1() -> Fake {
        Fake::lm_studio_v0().await.with("/api/v1/models", of("lm_studio", "0.4", "api-v1-models"))
    }

    /// LM Studio 0.3.6 to 0.3.x: the older native API alone.
    pub async fn lm_studio_v0() -> Fake {
        let fake = Fake::new().await.rest(Answer::by(unexpected_endpoint));
        for (path, name) in [
            ("/lmstudio-greeting", "greeting"),
            ("/v1/models", "v1-models"),
            ("/api/v0/models", "api-v0-models"),
        ] {
            fake.set(path, of("lm_studio", "0.3", name));
        }
        fake
    }

    /// LM Studio that wants a token.
    pub async fn lm_studio_with_token(token: &str) -> Fake {
        let refusal = of("lm_studio", "0.4", "error-401");
        Fake::lm_studio_v1().await.guarded(token, &["/lmstudio-greeting"], refusal)
    }

    /// vLLM.
    pub async fn vllm() -> Fake {
        Fake::openai("vllm", &[("/health", "health"), ("/version", "version"), ("/v1/models", "models")])
            .await
    }

    /// SGLang. Its `/health` would run a generation: here that is seen by the request alone.
    pub async fn sglang() -> Fake {
        Fake::openai("sglang", &[("/v1/models", "models"), ("/get_model_info", "model-info")])
            .await
            .with("/health", Answer::status("200 OK", "text/plain", ""))
    }

    /// llama-swap: imitates Ollama's root and version.
    pub async fn llama_swap() -> Fake {
        let routes =
            [("/", "root"), ("/health", "health"), ("/api/version", "api-version"), ("/v1/models", "models")];
        Fake::openai("llama-swap", &routes).await
    }

    /// LocalAI: imitates Ollama's root, version, tags and ps.
    pub async fn local_ai() -> Fake {
        let routes = [
            ("/", "root"),
            ("/api/version", "api-version"),
            ("/api/tags", "api-tags"),
            ("/api/ps", "api-ps"),
            ("/v1/models", "models"),
            ("/.well-known/localai.json", "localai-json"),
        ];
        Fake::openai("local-ai", &routes).await
    }

    async fn openai(server: &str, routes: &[(&str, &str)]) -> Fake {
        let rest = Answer::status("404 Not Found", "application/json", r#"{"detail":"Not Found"}"#);
        let fake = Fake::new().await.rest(rest);
        for (path, name) in routes {
            fake.set(path, of("openai", server, name));
        }
        fake
    }
}

/// The version that the llama-server fixtures are of.
pub const LLAMA_CPP: &str = "b11434";

/// A fixture as an answer.
pub fn of(kind: &str, version: &str, name: &str) -> Answer {
    Answer::recorded(&format!("{kind}/{version}/{name}.http"))
}

/// How LM Studio answers a path that it does not know: with status 200.
pub fn unexpected_endpoint(request: &super::fake::Request) -> Answer {
    let body =
        format!(r#"{{"error":"Unexpected endpoint or method. ({} {})"}}"#, request.method, request.path);
    Answer::Whole(Recorded {
        status: "200 OK".into(),
        headers: vec![
            ("X-Powered-By".into(), "Express".into()),
            ("Content-Type".into(), "application/json; charset=utf-8".into()),
            ("Connection".into(), "keep-alive".into()),
        ],
        body: body.into_bytes(),
    })
}
