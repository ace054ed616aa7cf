//! The agent's routes, asked without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response};
use opsagent::fleet::Fleet;
use opsagent::web::{Reload, Web, router};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::page_view::empty_view;

/// An agent's routes without an agent, and what is behind them.
pub struct Served {
    pub fleet: Fleet,
    pub stopping: CancellationToken,
    router: Router,
}

/// Routes that reload so.
pub fn serve(reload: Reload) -> Served {
    let fleet = Fleet::new(empty_view().agent, 200);
    let stopping = CancellationToken::new();
    let web = Web {
        fleet: fleet.clone(),
        reload,
        allow_hosts: vec!["ops.example".into()],
        listen: vec![([127, 0, 0, 1], 10434).into()],
        stopping: stopping.clone(),
    };
    Served { fleet, stopping, router: router(web) }
}

/// Routes whose reload is always taken.
pub fn served() -> Served {
    serve(Arc::new(|| Box::pin(async { Ok(()) })))
}

impl Served {
    pub async fn ask(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response<Body> {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub async fn post(&self, path: &str) -> Response<Body> {
        self.ask(Request::post(path).body(Body::empty()).unwrap()).await
    }
}

pub async fn bytes(response: Response<Body>) -> Vec<u8> {
    to_bytes(response.into_body(), 1 << 20).await.unwrap().to_vec()
}

pub async fn text(response: Response<Body>) -> String {
    String::from_utf8(bytes(response).await).unwrap()
}
