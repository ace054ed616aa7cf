//! One look at one child llama-server. It is on loopback, without a key, and never sleeps.

use super::family::Child;
use crate::http::{Http, HttpError};
use crate::servers::llama_cpp::{Props, Slot, is_loading, off, read_slots};

/// What a child told.
#[derive(Debug)]
pub(super) enum Told {
    /// It reads its model.
    Loading,
    /// It answered.
    Answered {
        slots: Vec<Slot>,
        /// The page of its metrics, where they are on.
        page: Option<String>,
        /// Whether they are, where that was found out now.
        metrics: Option<bool>,
    },
    /// It did not answer in time, or broke the connection.
    Silent,
    /// Nobody listens at its port: it has just been started, or is in another network namespace.
    Refused,
    /// Something else answers at that port: the child lives in another network namespace.
    Another,
}

/// Looks at a child. `metrics`: whether its metrics are on, if it was asked before.
pub(super) async fn look(http: &Http, child: &Child, metrics: Option<bool>) -> Told {
    let base = format!("http://127.0.0.1:{}/", child.port);
    let Ok(base) = base.parse() else { return Told::Another };
    let http = http.at(base);
    match all(&http, child, metrics).await {
        Ok(told) => told,
        Err(
            HttpError::Malformed(_)
            | HttpError::Status { .. }
            | HttpError::Unauthorized(_)
            | HttpError::Redirect(_),
        ) => Told::Another,
        Err(HttpError::Refused) => Told::Refused,
        Err(_) => Told::Silent,
    }
}

async fn all(http: &Http, child: &Child, known: Option<bool>) -> Result<Told, HttpError> {
    let metrics = match known {
        Some(metrics) => metrics,
        None => match props(http).await? {
            None => return Ok(Told::Loading),
            // Only the child itself knows the path of its weights.
            Some(props)
                if props.model_path.as_deref().is_none_or(|path| !path.ends_with(&child.blob.name)) =>
            {
                return Ok(Told::Another);
            }
            Some(props) => props.endpoint_metrics.unwrap_or(false),
        },
    };
    let (slots, page) = tokio::join!(http.get("/slots"), async {
        if metrics { Some(http.get("/metrics").await) } else { None }
    });
    let slots = slots?;
    if is_loading(&slots) {
        return Ok(Told::Loading);
    }
    let slots = read_slots(&slots.ok()?)?;
    let page = page.and_then(off).transpose()?.map(|page| page.text().into_owned());
    Ok(Told::Answered { slots, page, metrics: known.is_none().then_some(metrics) })
}

/// `None`: it is loading.
async fn props(http: &Http) -> Result<Option<Props>, HttpError> {
    let reply = http.get("/props").await?;
    if is_loading(&reply) {
        return Ok(None);
    }
    reply.ok()?.json().map(Some)
}
