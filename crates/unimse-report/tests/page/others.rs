//! The pages beside a run's own: a comparison of several, and the findings of the doctor.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use unimse_report::{Examined, ToDo, examined_page};

use super::{HOSTILE, assert_fits};
use crate::chromium::{Chromium, chromium};
use crate::compared::World;

/// A comparison as a file.
pub(crate) fn compared_page(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    fs::write(&path, World::new(name).page().html).unwrap();
    (folder, path)
}

#[test]
fn a_comparison_fits_every_screen_and_asks_for_nothing() {
    let Some(mut chromium) = chromium("a_comparison_fits_every_screen_and_asks_for_nothing") else {
        return;
    };
    for (name, kind) in [("other", "compared"), (HOSTILE, "compared-hostile")] {
        let (_folder, page) = compared_page(name);
        assert_fits(&mut chromium, &page, "", kind);
        let shown = "document.body.innerText.includes('better than the reference')";
        assert_eq!(chromium.value(shown), json!(true));
        assert_eq!(
            chromium.value("document.querySelectorAll('img, script').length"),
            json!(0)
        );
    }
}

/// What the doctor says of a folder whose names mean harm, as a file.
pub(crate) fn examined() -> (tempfile::TempDir, PathBuf) {
    let finding = |severity: &str| Examined {
        code: "MISSING_SPLIT".to_owned(),
        severity: severity.to_owned(),
        file: format!("{HOSTILE}/{}", "long_name".repeat(20)),
        rows: (0..9).map(|row| format!("line {row}")).collect(),
        message: HOSTILE.repeat(3),
        advice: "put the table of dev beside the others".to_owned(),
    };
    let to_do = ToDo {
        file: HOSTILE.to_owned(),
        what: format!("put the table there, at {}", "/a/long/folder".repeat(12)),
        commands: vec![format!("mv {} here", "/a/long/folder".repeat(12))],
    };
    let findings = ["error", "warning", "info"].map(finding);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.html");
    fs::write(&path, examined_page(HOSTILE, &findings, &[to_do])).unwrap();
    (folder, path)
}

#[test]
fn findings_of_the_doctor_fit_every_screen_and_ask_for_nothing() {
    let test = "findings_of_the_doctor_fit_every_screen_and_ask_for_nothing";
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let (_folder, page) = examined();
    assert_fits(&mut chromium, &page, "", "doctor");
    assert_eq!(
        chromium.value("document.querySelectorAll('img, script').length"),
        json!(0)
    );
}

#[test]
fn a_comparison_draws_a_difference_a_metric_and_the_curves_of_all_runs() {
    let test = "a_comparison_draws_a_difference_a_metric_and_the_curves_of_all_runs";
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let (_folder, page) = compared_page("other");
    chromium.open(&page, "");
    let count = |chromium: &mut Chromium, selector: &str| {
        chromium.value(&format!("document.querySelectorAll({selector:?}).length"))
    };
    // MAE of MOSI and weighted F1 of MELD, one run beside the reference
    assert_eq!(
        count(&mut chromium, "#results figure svg[role=img]"),
        json!(2)
    );
    assert_eq!(count(&mut chromium, "#results figure svg .span"), json!(2));
    // two runs have an event log, and the one of two seeds has bands
    let lines = chromium.value(
        "document.querySelector('#training svg[role=img]').querySelectorAll('.line').length",
    );
    assert_eq!(lines, json!(2));
    assert!(
        count(&mut chromium, "#training svg .band")
            .as_u64()
            .unwrap()
            >= 1
    );
    // lower is better: the difference lies left of the line of none
    let left = "(svg => svg.querySelector('circle').getBoundingClientRect().right < svg.querySelector('.guide').getBoundingClientRect().left)(document.querySelector('#results figure svg[role=img]'))";
    assert_eq!(chromium.value(left), json!(true));
    chromium.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    let white = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(chromium.value(white), json!("rgb(255, 255, 255)"));
}
