//! Which model a file of weights belongs to: a child process names its blob, and `/api/show` names
//! the blob of a model. So child and model are joined for certain.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use ollama_rs::models::ModelInfo;
use serde_json::json;

use super::family::Family;
use crate::http::{Http, Reply};
use crate::sample::ModelSample;

/// Questions a poll: each reads the head of a file on the server's disk.
const SHOWS_A_POLL: usize = 4;

/// A question that takes longer is asked again at the next poll.
const SHOW_TIMEOUT: Duration = Duration::from_secs(4);

/// Models remembered. A machine has tens; the bound is for a lie.
const MOST: usize = 2048;

/// What is known of models and blobs.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    /// Model name and digest to blob. `None`: asked, and it named none.
    of_model: BTreeMap<(String, String), Option<Blob>>,
}

/// A file of weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob {
    /// Its name, `sha256-…`.
    pub(super) name: String,
    /// The folder it is in.
    pub(super) folder: String,
}

impl Blob {
    /// The blob of a path such as `/usr/share/ollama/.ollama/models/blobs/sha256-941f…`.
    pub(super) fn of_path(path: &str) -> Option<Blob> {
        let path = Path::new(path);
        let name = path.file_name()?.to_str()?;
        let folder = path.parent()?.to_str()?;
        (name.starts_with("sha256-") && folder.ends_with("blobs"))
            .then(|| Blob { name: name.to_owned(), folder: folder.to_owned() })
    }
}

impl Blobs {
    /// Asks for the blobs of loaded models that are not known yet; and, where a child runs a blob
    /// that no known model has (it is still loading), of installed ones, a few a poll.
    pub(super) async fn learn(&mut self, http: &Http, models: &[ModelSample], family: &Family) {
        let unknown_child =
            family.children.iter().any(|child| self.model_of(&child.blob, models, None).is_none());
        let wanted = models
            .iter()
            .filter(|model| model.loaded == Some(true) || unknown_child)
            .filter(|model| !self.of_model.contains_key(&key(model)));
        let mut wanted: Vec<&ModelSample> = wanted.collect();
        wanted.sort_by_key(|model| model.loaded != Some(true));
        let http = http.within(http.timeout().min(SHOW_TIMEOUT));
        let shown = join_all(wanted.into_iter().take(SHOWS_A_POLL).map(|model| {
            let http = &http;
            async move { (key(model), http.post("/api/show", &json!({ "model": model.name })).await) }
        }));
        for (key, reply) in shown.await {
            // Without an answer it is asked again at the next poll: the model may just be on its way out.
            let Ok(reply) = reply.and_then(Reply::ok) else { continue };
            let blob = reply.json::<ModelInfo>().ok().and_then(|info| from_line(&info.modelfile));
            if self.of_model.len() >= MOST {
                self.of_model.clear();
            }
            self.of_model.insert(key, blob);
        }
    }

    /// The blob of a model, where it is known.
    pub(super) fn of(&self, model: &ModelSample) -> Option<&Blob> {
        self.of_model.get(&key(model))?.as_ref()
    }

    /// The model of these that a blob belongs to. Several tags may share a blob: the loaded one
    /// first, then the one that it `was`, since nobody may know what is loaded now.
    pub(super) fn model_of(&self, blob: &Blob, models: &[ModelSample], was: Option<&str>) -> Option<usize> {
        let has = |model: &ModelSample| self.of(model).is_some_and(|of| of.name == blob.name);
        let with = || models.iter().enumerate().filter(|(_, model)| has(model));
        let loaded = with().find(|(_, model)| model.loaded == Some(true));
        let same = || with().find(|(_, model)| Some(model.name.as_str()) == was);
        loaded.or_else(same).or_else(|| with().next()).map(|(at, _)| at)
    }

    /// The folder that this Ollama keeps its models in, where it is known.
    pub(super) fn folder(&self) -> Option<&str> {
        self.of_model.values().flatten().next().map(|blob| blob.folder.as_str())
    }
}

fn key(model: &ModelSample) -> (String, String) {
    (model.name.clone(), model.digest.clone().unwrap_or_default())
}

/// The blob in the modelfile's first `FROM` line that names one.
fn from_line(modelfile: &str) -> Option<Blob> {
    modelfile.lines().find_map(|line| Blob::of_path(line.strip_prefix("FROM ")?.trim().trim_matches('"')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blob_is_read_from_the_modelfile() {
        let modelfile = "# To build a new Modelfile, replace FROM with:\n# FROM smol:latest\n\nFROM /usr/share/ollama/.ollama/models/blobs/sha256-941f\nTEMPLATE \"x\"\n";
        let blob = from_line(modelfile).unwrap();
        assert_eq!(blob.name, "sha256-941f");
        assert_eq!(blob.folder, "/usr/share/ollama/.ollama/models/blobs");
        assert_eq!(from_line("FROM llama3\n"), None);
        assert_eq!(Blob::of_path("/srv/models/sha256-941f"), None);
    }
}
