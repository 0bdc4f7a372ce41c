//! From sound files to a trained model, in small: features extracted from synthesised voices make a model better than its text alone.

use unimse_corpus::demo::{Media, write_media};
use unimse_run::Comparison;

use crate::runs::{Run, World, assert_done, unimse};

const SIZES: [usize; 3] = [140, 21, 90];

#[test]
fn a_model_that_hears_beats_one_that_reads() {
    let world = World::of(&|data| {
        let clips = tempfile::tempdir().unwrap();
        let clips = clips.path().join("clips");
        write_media(&clips, Media::Sound, SIZES).unwrap();
        let [clips, data] = [&clips, data].map(|path| path.to_str().unwrap());
        let extract = ["extract", "--data", clips, "--out", data];
        assert_done(&unimse(
            &[&extract[..], &["--audio-features", "prosody"]].concat(),
        ));
    });
    let runs = [["text", "audio"].as_slice(), &["text"]].map(|modalities| {
        let run = Run::on(&world, world.checkpoint.path());
        let mut config = run.config();
        let mut set = |section: &str, key: &str, value: toml::Value| {
            let table = config
                .entry(section)
                .or_insert_with(|| toml::Table::new().into());
            table.as_table_mut().unwrap().insert(key.to_owned(), value);
        };
        set("model", "modalities", modalities.to_vec().into());
        set("train", "epochs", 16.into());
        set("train", "batch", 16.into());
        set("train", "lr_fusion", 3e-3.into());
        set("train", "lr_rest", 3e-3.into());
        set("evaluate", "resamples", 1_000.into());
        std::fs::write(run.path("run/config.toml"), config.to_string()).unwrap();
        let folder = run.path("run");
        let training = run.train(&["--run", folder.to_str().unwrap()]).output();
        assert_done(&training.unwrap());
        assert_done(&run.evaluate());
        run
    });
    let [both, text] = runs.each_ref().map(|run| run.path("run"));
    let folders = [&text, &both].map(|path| path.to_str().unwrap());
    let said = unimse(&[&["compare"][..], &folders, &["--json"]].concat());
    assert_done(&said);
    let comparison: Comparison = serde_json::from_slice(&said.stdout).unwrap();
    let corpora = &comparison.runs[1].corpora;
    let (_, meld) = corpora.iter().next().unwrap();
    let (_, accuracy) = meld.metrics.iter().next().unwrap();
    let difference = accuracy.difference.as_ref().unwrap();
    assert!(difference.interval.low.unwrap() > 0.0, "{difference:?}");
}
