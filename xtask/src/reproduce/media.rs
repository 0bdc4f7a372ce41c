//! The preset `demo-media`: clips are made and features extracted before ingest, and a model of the text alone is trained beside, so that the run
//! itself says what voice and face are worth.
//!
//! ```text
//! OUT              the run: text, audio, video
//! OUT/text         the same with text alone, on the same tables
//! OUT/text.html    how much better OUT is, with intervals over dialogues
//! ```

use super::{Keep, Reproduction, Shared, Site, Tables};
use crate::child;
use crate::stage::Record;
use anyhow::Result;
use std::path::PathBuf;

/// Name of the preset.
pub(super) const MEDIA: &str = "demo-media";
/// The folder of the model that reads, below OUT, and the page that compares, without its ending.
const TEXT: &str = "text";

impl Reproduction<'_> {
    /// The data of a preset that needs none of the user's.
    pub(super) fn made(&self) -> Result<PathBuf> {
        let data = self.scratch.path.join("data");
        if self.setting.preset != MEDIA {
            self.site
                .unimse("demo", |demo| demo.arg("--out").arg(&data))?;
            return Ok(data);
        }
        let clips = self.scratch.path.join("clips");
        self.site.unimse("demo", |demo| {
            demo.args(["--media", "film", "--out"]).arg(&clips)
        })?;
        self.site.unimse("extract", |extract| {
            extract
                .arg("--data")
                .arg(&clips)
                .arg("--out")
                .arg(&data)
                .args(["--audio-features", "prosody", "--video-features", "faces"])
        })?;
        Ok(data)
    }

    /// Trains the model of the text alone on the tables of this run, and compares.
    pub(super) fn beside_text(&self, ingested: &Record) -> Result<()> {
        let shared = Shared {
            run: &self.out,
            ingested,
            keep: Keep::All,
        };
        let mut setting = self.setting.clone();
        setting
            .values
            .push("model.modalities=[\"text\"]".to_owned());
        let out = self.out.join(TEXT);
        let title = format!("{TEXT}: ");
        let text = self
            .site
            .reproduction(out.clone(), setting, title, Tables::Of(&shared))?;
        text.run()?;
        self.site
            .compare(&[out, self.out.clone()], &self.out.join(TEXT))
    }
}

impl Site<'_> {
    /// Compares runs with the first one, in words and as a page.
    fn compare(&self, runs: &[PathBuf], page: &std::path::Path) -> Result<()> {
        let page = page.with_extension("html");
        self.unimse("compare", |compare| {
            compare.args(runs).arg("--html").arg(&page)
        })?;
        eprintln!("what voice and face are worth: {}", page.display());
        child::check_interrupted("compare")
    }
}
