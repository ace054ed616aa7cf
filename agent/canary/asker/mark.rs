//! What a run leaves behind.

use jiff::Timestamp;
use serde::Deserialize;

use super::Asker;
use crate::canary::left::Mark;
use crate::http::HttpError;

#[derive(Deserialize)]
struct Ps {
    models: Option<Vec<Loaded>>,
}

#[derive(Deserialize)]
struct Loaded {
    name: String,
    expires_at: Option<String>,
}

impl Asker {
    /// What our run left behind, read right after its last answer: kept until the next one, for
    /// [`decide`](crate::canary::left::decide).
    ///
    /// # Errors
    /// The server cannot be asked.
    pub async fn left_behind(&self) -> Result<Mark, HttpError> {
        let mut mark = self.presence().await?.mark;
        if self.kind.name == "ollama" {
            // The poll asks an old Ollama for its list no oftener than every 10 s: it may be the one before the run.
            let ps: Ps = self.endpoint.http.get_json("/api/ps").await?;
            let mut models = ps.models.unwrap_or_default().into_iter();
            let model = models.find(|model| self.is_named(&model.name));
            mark.expires_at = model.and_then(|model| model.expires_at?.parse::<Timestamp>().ok());
        }
        Ok(mark)
    }
}
