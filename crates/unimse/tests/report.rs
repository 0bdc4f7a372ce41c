//! report.html of whole runs, as the binary makes them: ingested, labelled, trained, evaluated and reported; then read in a headless Chromium.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::chromium::report::{COUNT, DETAILS, FOCUSED};
use crate::chromium::{Chromium, SCREENS, axe, chromium};
use crate::runs::{Run, World, assert_done, demo, unimse};

/// Most bytes of a page.
const MOST: u64 = 5_000_000;

/// Every part that a full run has, by the id of its section.
const SECTIONS: [&str; 10] = [
    "verdict",
    "results",
    "utterances",
    "missing-and-spoiled-inputs",
    "comparison-with-the-paper",
    "training",
    "before-and-after-fusion",
    "time-and-memory",
    "labels",
    "configuration",
];

/// Trains, evaluates and reports.
fn reported(world: &World, settings: &[&str]) -> Run {
    let run = Run::on(world, world.checkpoint.path());
    assert_done(&run.train(settings).output().unwrap());
    assert_done(&run.evaluate());
    let folder = run.path("run");
    assert_done(&unimse(&["report", "--run", folder.to_str().unwrap()]));
    run
}

#[test]
fn the_report_of_the_demo_can_be_read_on_every_screen() {
    let test = "the_report_of_the_demo_can_be_read_on_every_screen";
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let world = World::of(&demo);
    let run = reported(&world, &["train.epochs=2", "train.save_every=1000"]);
    assert_read(&mut chromium, test, &run, "demo");
}

/// The real MOSI and MELD and a model that is too small to learn much: the page is that of a long training.
#[test]
fn the_report_of_real_data_can_be_read_on_every_screen() {
    let test = "the_report_of_real_data_can_be_read_on_every_screen";
    let Some(real) = std::env::var_os("UNIMSE_DATA").map(PathBuf::from) else {
        eprintln!("skipped: {test} needs UNIMSE_DATA");
        return;
    };
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let world = World::of(&|data: &Path| {
        std::fs::create_dir(data).unwrap();
        for corpus in ["mosi", "meld"] {
            std::os::unix::fs::symlink(real.join(corpus), data.join(corpus)).unwrap();
        }
    });
    let settings = ["train.save_every=1000", "evaluate.baselines=frozen"];
    let run = reported(&world, &settings);
    assert_read(&mut chromium, test, &run, "real");
}

/// The page as a reader takes it: on every screen it is whole, quiet and accessible, and the error browser finds, opens and is linked to.
fn assert_read(chromium: &mut Chromium, test: &str, run: &Run, kind: &str) {
    let page = run.path("run/report.html");
    let bytes = page.metadata().unwrap().len();
    assert!(bytes < MOST, "{bytes} bytes");
    eprintln!("{kind}: {bytes} bytes");
    chromium.assert_soon_seen(&page);
    assert_whole(chromium);
    assert_filtered(chromium, &page, run);

    let link = "document.querySelector('#utterance-rows tr:nth-child(5) a').getAttribute('href')";
    let link = chromium.value(link);
    let named = "document.querySelector('#utterance-rows tr:nth-child(5) a').textContent";
    let named = chromium.value(named);
    let axe = axe(test);
    for screen in SCREENS {
        chromium.show(screen.0, screen.1);
        let url = chromium.open(&page, link.as_str().unwrap());
        assert_eq!(chromium.value(FOCUSED), named);
        let details = chromium.value(DETAILS).as_str().unwrap().to_owned();
        assert!(details.contains("Probabilities, %"), "{details}");
        chromium.assert_fits(screen);
        chromium.assert_pictures(30);
        chromium.keep(&format!("run-{kind}"), screen);
        chromium.unfold();
        chromium.assert_fits(screen);
        if let Some(axe) = &axe {
            chromium.assert_accessible(axe, screen);
        }
        chromium.assert_quiet(&url);
    }
}

/// Every section is there, with its figures of what only whole runs have.
fn assert_whole(chromium: &mut Chromium) {
    let found = chromium.value("[...document.querySelectorAll('main section')].map(s => s.id)");
    for section in SECTIONS {
        assert!(
            found.as_array().unwrap().contains(&json!(section)),
            "{section} not in {found}"
        );
    }
    let titles = chromium.value("document.querySelector('main').textContent");
    for title in [
        "After fusion, components",
        "After fusion, t-SNE",
        "Text and its own audio and video",
        "Words and frames missing",
        "Predicted against true intensity",
        "Who lends",
    ] {
        assert!(titles.as_str().unwrap().contains(title), "{title}");
    }
}

/// A filter counts what the results count.
fn assert_filtered(chromium: &mut Chromium, page: &Path, run: &Run) {
    let results = std::fs::read(run.path("run/results.json")).unwrap();
    let results: Value = serde_json::from_slice(&results).unwrap();
    let test = results["corpora"]["meld"]["test"]["n"].as_u64().unwrap();
    let url = chromium.open(page, "");
    chromium.filter(&[("corpus", "meld"), ("split", "test")]);
    let shown = chromium.value(COUNT).as_str().unwrap().replace(',', "");
    assert!(
        shown.starts_with(&format!("{test} of ")),
        "{shown}, not {test}"
    );
    chromium.assert_quiet(&url);
}
