//! Where a checkpoint's name leads: a local folder, or the cache of the Hub.

use std::path::{Path, PathBuf};

use hf_hub::api::sync::{Api, ApiBuilder, ApiError, ApiRepo};

use crate::checkpoint::shards;
use crate::error::{ModelError, Result};
use crate::sentence::POOLING;
use crate::weights::replace;

/// The folder of the checkpoint `name`: a local folder if there is one of that name, else the Hub's checkpoint
/// `name` (`organisation/model`), downloaded into `cache` unless it is there already.
///
/// The environment decides as it does for the Hub's own tools: `HF_ENDPOINT` is another server, `HF_TOKEN` or the token
/// file beside the cache opens gated models.
pub fn resolve(name: &str, cache: &Path) -> Result<PathBuf> {
    Hub::from_env(cache).resolve(name)
}

/// As [`resolve`], for a sentence encoder whose own `1_Pooling/config.json` shall say how it pools.
pub fn resolve_encoder(name: &str, cache: &Path) -> Result<PathBuf> {
    Hub::from_env(cache).resolve_encoder(name)
}

/// The cache the Hub's own tools use: `hub` in `HF_HOME`, or below the user's cache.
pub fn default_cache() -> PathBuf {
    hf_hub::Cache::from_env().path().clone()
}

/// What a checkpoint of the Hub has beside its weights; only the first two are needed.
const DESCRIPTION: [&str; 10] = [
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "generation_config.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
];

/// Makes the folder `to`, where a model built around the checkpoint `from` is saved as `model.safetensors`, a checkpoint of
/// the Hub itself: configuration and tokenizer are copied. The number format that the configuration names becomes
/// `float32`, which is what models are saved in.
///
/// # Errors
/// A file cannot be read or written, `config.json` is no JSON object.
pub fn copy_description(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).map_err(ModelError::io(to))?;
    for name in DESCRIPTION {
        let (source, target) = (from.join(name), to.join(name));
        if name != "config.json" && !source.is_file() {
            continue;
        }
        let mut bytes = std::fs::read(&source).map_err(ModelError::io(&source))?;
        if name == "config.json" {
            let mut config: serde_json::Map<String, serde_json::Value> =
                ModelError::parse(&source, &bytes)?;
            for key in ["dtype", "torch_dtype"] {
                if let Some(kind) = config.get_mut(key) {
                    *kind = "float32".into();
                }
            }
            bytes = format!("{:#}", serde_json::Value::from(config)).into_bytes();
        }
        replace(&target, |temporary| {
            std::fs::write(temporary, bytes).map_err(ModelError::io(temporary))
        })?;
    }
    Ok(())
}

/// A server of checkpoints and the folder that keeps what it gave.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Downloads are kept here, in the layout of the Hub's own tools.
    pub cache: PathBuf,
    /// Another server than the Hub's own.
    pub endpoint: Option<String>,
    /// Opens gated models.
    pub token: Option<String>,
}

impl Hub {
    /// As the environment says; see [`resolve`].
    pub fn from_env(cache: &Path) -> Self {
        Self::from_variables(cache, &|name| std::env::var(name).ok())
    }

    fn from_variables(cache: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let set = |name| variable(name).filter(|value| !value.trim().is_empty());
        let endpoint = set("HF_ENDPOINT").map(|url| url.trim_end_matches('/').to_owned());
        Self {
            cache: cache.to_owned(),
            endpoint,
            token: set("HF_TOKEN"),
        }
    }

    /// The folder of the checkpoint `name`; see [`resolve`].
    pub fn resolve(&self, name: &str) -> Result<PathBuf> {
        if Path::new(name).is_dir() {
            return Ok(PathBuf::from(name));
        }
        if !is_hub_id(name) {
            return Err(ModelError::Hub(format!(
                "checkpoint {name:?}: there is no such folder, and it is no name on the Hub (organisation/model)"
            )));
        }
        let repo = self.api(name)?.model(name.to_owned());
        let mut folder = self.fetch(&repo, name)?;
        if folder.is_none() {
            // The model changed on the Hub since the cache got its first file: now that the cache knows, take all anew.
            folder = self.fetch(&repo, name)?;
        }
        folder.ok_or_else(|| self.refuse(name, "its files keep changing on the Hub; try again"))
    }

    fn api(&self, name: &str) -> Result<Api> {
        // hf-hub links files inside the cache and needs its whole path for that.
        let cache = std::path::absolute(&self.cache).map_err(ModelError::io(&self.cache))?;
        let mut builder = ApiBuilder::from_cache(hf_hub::Cache::new(cache));
        if let Some(endpoint) = &self.endpoint {
            builder = builder.with_endpoint(endpoint.clone());
        }
        if let Some(token) = &self.token {
            builder = builder.with_token(Some(token.clone()));
        }
        builder.build().map_err(|e| self.refuse(name, e))
    }

    /// Gets every file the model needs; `None` if they are not of one revision.
    fn fetch(&self, repo: &ApiRepo, name: &str) -> Result<Option<PathBuf>> {
        let optional = |file: &str| self.optional(repo, name, file);
        let need = |file: &str| {
            optional(file)?.ok_or_else(|| self.refuse(name, format!("it has no {file}")))
        };
        let config = need("config.json")?;
        let tokenizer = optional("tokenizer.json")?.ok_or_else(|| {
            self.refuse(
                name,
                "it has no tokenizer.json: let transformers make one \
                (AutoTokenizer.from_pretrained(NAME).save_pretrained(FOLDER))",
            )
        })?;
        let mut files = vec![config, tokenizer];
        if let Some(weights) = optional("model.safetensors")? {
            files.push(weights);
        } else if let Some(index) = optional("model.safetensors.index.json")? {
            for shard in shards(&index)? {
                files.push(need(&shard)?);
            }
            files.push(index);
        } else {
            return Err(self.refuse(
                name,
                "it has no weights as safetensors: let transformers convert them \
                (AutoModel.from_pretrained(NAME).save_pretrained(FOLDER))",
            ));
        }
        let folder = files.first().and_then(|f| f.parent()).map(Path::to_owned);
        Ok(folder.filter(|folder| files.iter().all(|f| f.parent() == Some(folder))))
    }

    /// As [`Hub::resolve`], with the file that says how a sentence encoder pools: it is in the folder, or the Hub has none.
    ///
    /// # Errors
    /// As there, and where the cache does not have that file and the Hub cannot be asked.
    pub fn resolve_encoder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.resolve(name)?;
        if Path::new(name).is_dir() || folder.join(POOLING).is_file() {
            return Ok(folder);
        }
        // Where the Hub's own tools note that a revision lacks a file.
        let (revision, root) = (folder.file_name(), folder.ancestors().nth(2));
        let note = root
            .zip(revision)
            .map(|(root, revision)| root.join(".no_exist").join(revision).join(POOLING));
        if note.as_ref().is_some_and(|note| note.is_file()) {
            return Ok(folder);
        }
        let repo = self.api(name)?.model(name.to_owned());
        let asked = self.optional(&repo, name, POOLING);
        let asked =
            asked.map_err(|e| ModelError::Hub(format!("{e}. Or say how it pools: mean or cls")))?;
        match (asked, note) {
            (Some(pooling), _) if pooling != folder.join(POOLING) => {
                Err(self.refuse(name, "it has just changed on the Hub; try again"))
            }
            (None, Some(note)) => {
                let parent = note.parent().unwrap_or(&folder);
                std::fs::create_dir_all(parent).map_err(ModelError::io(parent))?;
                std::fs::write(&note, "").map_err(ModelError::io(&note))?;
                Ok(folder)
            }
            _ => Ok(folder),
        }
    }

    /// `None` if the checkpoint has no such file.
    fn optional(&self, repo: &ApiRepo, name: &str, file: &str) -> Result<Option<PathBuf>> {
        match repo.get(file) {
            Ok(path) => Ok(Some(path)),
            Err(ApiError::RequestError(e)) => {
                let reason = format!("{file}: {e}");
                // A missing model answers for its first file in the same way as a missing file.
                match e.into_response() {
                    Some(response) if response.status() == 404 => Ok(None),
                    _ => Err(self.refuse(name, reason)),
                }
            }
            Err(e) => Err(self.refuse(name, format!("{file}: {e}"))),
        }
    }

    fn refuse(&self, name: &str, reason: impl std::fmt::Display) -> ModelError {
        let server = self.endpoint.as_deref().unwrap_or("the Hub");
        ModelError::Hub(format!(
            "checkpoint {name:?}: there is no such folder, and from {server} it is not to be had: {reason}. Fetch \
            config.json, tokenizer.json and model.safetensors (or its shards and their index) into a folder and name \
            that folder, or set HF_ENDPOINT to a server that is reachable and HF_TOKEN where the model is gated"
        ))
    }
}

/// `model` or `organisation/model` in the Hub's alphabet.
fn is_hub_id(name: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.contains("..")
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    let parts: Vec<_> = name.split('/').collect();
    parts.len() <= 2 && parts.into_iter().all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_on_the_hub() {
        for good in ["t5-small", "google/flan-t5-base", "a_b/c.d-1"] {
            assert!(is_hub_id(good), "{good}");
        }
        for bad in [
            "", "/x", "./x", "../x", "a/b/c", "a//b", "a b", "~/x", "a/..", "a\\b",
        ] {
            assert!(!is_hub_id(bad), "{bad}");
        }
    }

    #[test]
    fn the_environment_decides() {
        let hub = |endpoint: &'static str, token: &'static str| {
            Hub::from_variables(Path::new("cache"), &|name| match name {
                "HF_ENDPOINT" => Some(endpoint.to_owned()),
                "HF_TOKEN" => Some(token.to_owned()),
                _ => None,
            })
        };
        let set = hub("http://mirror/", "secret");
        assert_eq!(
            (set.endpoint.as_deref(), set.token.as_deref()),
            (Some("http://mirror"), Some("secret"))
        );
        let unset = hub("", " ");
        assert_eq!((unset.endpoint, unset.token), (None, None));
    }
}
