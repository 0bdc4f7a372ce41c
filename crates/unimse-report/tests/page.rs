//! report.html in a headless Chromium: nothing leaves the page, it fits every screen, and its error browser filters, sorts, opens and links.

mod browser;
mod others;

use std::fs;
use std::path::{Path, PathBuf};

use others::{compared_page, examined};
use serde_json::json;
use unimse_labels::{Donor, Labelled, MeldEmotion, Polarity, Taxonomy, UniversalLabel};
use unimse_report::{Beside, BrowsedRow, paper_tables, write_with};
use unimse_run::PredictedRow;

use crate::chromium::report::{COUNT, FOCUSED, SHOWN};
use crate::chromium::{Chromium, SCREENS, axe, chromium};
use crate::fixture;

/// An id that a page would trip over if it took it for markup or for a piece of an address.
const HOSTILE: &str = "a/b#c?%41 </script><img src=x onerror=alert(1)>&amp;\"'é";

/// 250 utterances of MOSI, of which every fifth is answered wrong, and 51 of MELD, the last with the hostile id; transcripts on request.
fn rows(with_text: bool) -> Vec<BrowsedRow> {
    let mosi = (0..250).map(|at| row("mosi", None, &format!("video{}_{}", at / 10, at % 10), at));
    let meld = (0..50).map(|at| {
        row(
            "meld",
            Some(Taxonomy::Meld),
            &format!("test_dia{}_utt{}", at / 10, at % 10),
            at,
        )
    });
    let hostile = row("meld", Some(Taxonomy::Meld), HOSTILE, 49);
    let mut rows: Vec<BrowsedRow> = mosi.chain(meld).chain([hostile]).collect();
    if with_text {
        for row in &mut rows {
            row.text = Some(format!("<b>{}</b> & \"more\"", row.predicted.utterance_id));
        }
    }
    rows
}

fn row(corpus: &str, taxonomy: Option<Taxonomy>, id: &str, at: usize) -> BrowsedRow {
    let wrong = at.is_multiple_of(5);
    let confidence = 0.5 + 0.001 * (at % 500) as f32;
    let rest = 1.0 - confidence;
    let donor = Donor {
        corpus: "meld".to_owned(),
        utterance_id: format!("train_dia{at}_utt1"),
        similarity: 0.75,
        margin: None,
    };
    BrowsedRow {
        predicted: PredictedRow {
            corpus: corpus.to_owned(),
            split: if at < 100 { "dev" } else { "test" }.to_owned(),
            utterance_id: id.to_owned(),
            polarity: "positive".to_owned(),
            intensity: Some(1.0),
            meld: Some("joy".to_owned()),
            truth_score: taxonomy
                .is_none()
                .then_some(if wrong { -1.5 } else { 1.25 }),
            truth_polarity: Some(if wrong { "negative" } else { "positive" }.to_owned()),
            truth_emotion: taxonomy.map(|_| if wrong { "anger" } else { "joy" }.to_owned()),
            polarity_probabilities: Some(vec![rest, 0.0, confidence]),
            meld_probabilities: Some(vec![0.0, 0.0, 0.0, 0.0, confidence, 0.0, rest]),
            ..PredictedRow::default()
        },
        taxonomy,
        dialogue_id: format!("dialogue {}", at / 10),
        words: at % 30,
        audio: at.is_multiple_of(3),
        video: false,
        label: Some(UniversalLabel {
            polarity: Polarity::Positive,
            intensity: Labelled::gold(1.0),
            meld: Labelled::lent(MeldEmotion::Joy, donor),
            iemocap: Labelled::MISSING,
        }),
        text: None,
    }
}

/// The report of the fixture `single` with these rows.
fn report(rows: &[BrowsedRow]) -> (tempfile::TempDir, PathBuf) {
    let (folder, run) = fixture::copy("single");
    let beside = Beside {
        utterances: rows,
        preset: None,
    };
    let written = write_with(&run, &paper_tables().unwrap(), &beside).unwrap();
    (folder, written.html)
}

#[test]
fn the_page_fits_every_screen_and_asks_for_nothing() {
    let Some(mut chromium) = chromium("the_page_fits_every_screen_and_asks_for_nothing") else {
        return;
    };
    for with_rows in [true, false] {
        let all = if with_rows { rows(true) } else { Vec::new() };
        let (_folder, page) = report(&all);
        let (fragment, kind) = match with_rows {
            true => ("#utterance=mosi/video3_4", "rows"),
            false => ("", "plain"),
        };
        assert_fits(&mut chromium, &page, fragment, kind);
    }
}

/// Wide and narrow, light and dark: nothing scrolls sideways, every link leads somewhere, and nothing is asked for.
fn assert_fits(chromium: &mut Chromium, page: &Path, fragment: &str, kind: &str) {
    for screen in SCREENS {
        chromium.show(screen.0, screen.1);
        let url = chromium.open(page, fragment);
        chromium.assert_fits(screen);
        chromium.assert_quiet(&url);
        chromium.keep(kind, screen);
    }
}

#[test]
fn the_page_of_several_seeds_can_be_read_on_every_screen() {
    let test = "the_page_of_several_seeds_can_be_read_on_every_screen";
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let (_folder, run) = fixture::copy("several");
    let written = write_with(&run, &paper_tables().unwrap(), &Beside::default()).unwrap();
    assert_fits(&mut chromium, &written.html, "", "seeds");
    let axe = axe(test);
    for screen in SCREENS {
        chromium.show(screen.0, screen.1);
        chromium.open(&written.html, "");
        chromium.assert_pictures(8);
        chromium.unfold();
        chromium.assert_fits(screen);
        if let Some(axe) = &axe {
            chromium.assert_accessible(axe, screen);
        }
    }
    // a bar a corpus of two seeds: a dot for each, and the mean of their intervals
    let first = "#verdict svg[role=img]";
    let dots = format!("document.querySelector('{first}').querySelectorAll('.dot').length");
    assert_eq!(chromium.value(&dots), json!(2));
    let whisker = format!("document.querySelector('{first} .whisker') !== null");
    assert_eq!(chromium.value(&whisker), json!(true));
}

#[test]
fn every_picture_has_a_name_and_a_size_and_its_letters_can_be_read() {
    let test = "every_picture_has_a_name_and_a_size_and_its_letters_can_be_read";
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let (_folder, page) = report(&rows(false));
    for width in [1280, 390] {
        chromium.show(width, false);
        chromium.open(&page, "");
        chromium.assert_pictures(25);
    }
}

#[test]
fn the_numbers_behind_a_figure_open_below_it_and_can_be_saved() {
    let test = "the_numbers_behind_a_figure_open_below_it_and_can_be_saved";
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let (_folder, page) = report(&[]);
    let url = chromium.open(&page, "");
    let shut = "[...document.querySelectorAll('figure details')].filter(d => d.open).length";
    assert_eq!(chromium.value(shut), json!(0));
    let open = "(() => { const d = document.querySelector('figure details'); d.querySelector('summary').click(); \
                return d.querySelector('table').checkVisibility(); })()";
    assert_eq!(chromium.value(open), json!(true));
    // what the link holds is the table beside it
    let same = "[...document.querySelectorAll('a.csv')].filter(a => { \
                const lines = decodeURIComponent(a.href.split(',').slice(1).join(',')).trim().split('\\r\\n'); \
                return !a.download.endsWith('.csv') || lines.length !== a.closest('table').rows.length; }).length";
    assert_eq!(chromium.value(same), json!(0));
    assert!(
        chromium
            .value("document.querySelectorAll('a.csv').length")
            .as_u64()
            .unwrap()
            > 10
    );
    chromium.assert_quiet(&url);
}

#[test]
fn ids_and_transcripts_are_text_and_transcripts_only_come_on_request() {
    let Some(mut chromium) =
        chromium("ids_and_transcripts_are_text_and_transcripts_only_come_on_request")
    else {
        return;
    };
    let (_folder, page) = report(&rows(true));
    let url = chromium.open(&page, "");
    chromium.value(&format!(
        "location.hash = '#utterance=meld/' + encodeURIComponent({})",
        json!(HOSTILE)
    ));
    let open = "new Promise(done => setTimeout(() => done(document.querySelector('.details blockquote').textContent), 100))";
    assert_eq!(
        chromium.value(open),
        json!(format!("<b>{HOSTILE}</b> & \"more\""))
    );
    assert_eq!(chromium.value(FOCUSED), json!(format!("meld/{HOSTILE}")));
    assert_eq!(
        chromium.value("document.querySelectorAll('img, #utterances b').length"),
        json!(0)
    );
    let kept = chromium.value("location.href").as_str().unwrap().to_owned();
    let (_, fragment) = kept.split_once('#').unwrap();
    chromium.assert_quiet(&url);
    chromium.open(&page, &format!("#{fragment}"));
    assert_eq!(
        chromium.value(FOCUSED),
        json!(format!("meld/{HOSTILE}")),
        "the address can be sent"
    );

    let transcript = r#"\u0026 \"more\""#;
    assert!(fs::read_to_string(&page).unwrap().contains(transcript));
    let (_folder, page) = report(&rows(false));
    assert!(!fs::read_to_string(page).unwrap().contains(transcript));
}

#[test]
fn without_javascript_the_page_says_what_is_missing() {
    let Some(mut chromium) = chromium("without_javascript_the_page_says_what_is_missing") else {
        return;
    };
    let (_folder, page) = report(&rows(false));
    chromium.call(
        "Emulation.setScriptExecutionDisabled",
        json!({"value": true}),
    );
    chromium.open(&page, "");
    let shown = "document.getElementById('utterance-needs-script').checkVisibility()";
    assert_eq!(chromium.value(shown), json!(true));
    assert_eq!(
        chromium.value("document.getElementById('utterance-browser').checkVisibility()"),
        json!(false)
    );
    assert_eq!(
        chromium.value("document.querySelectorAll('main table').length > 10"),
        json!(true)
    );
}

#[test]
fn paper_shows_nothing_to_click() {
    let Some(mut chromium) = chromium("paper_shows_nothing_to_click") else {
        return;
    };
    let (_folder, page) = report(&rows(false));
    chromium.open(&page, "");
    let count = "[...document.querySelectorAll('a, button, input, select')].filter(e => e.checkVisibility()).length";
    assert!(chromium.value(count).as_u64().unwrap() > 100);
    chromium.call("Emulation.setEmulatedMedia", json!({"media": "print"}));
    assert_eq!(chromium.value(count), json!(0));
    let page_is_white = "getComputedStyle(document.body).backgroundColor";
    assert_eq!(chromium.value(page_is_white), json!("rgb(255, 255, 255)"));
}

#[test]
fn sixty_thousand_rows_are_shown_a_hundred_at_a_time() {
    let Some(mut chromium) = chromium("sixty_thousand_rows_are_shown_a_hundred_at_a_time") else {
        return;
    };
    let all: Vec<BrowsedRow> = (0..60_000)
        .map(|at| row("mosi", None, &format!("video{}_{}", at / 10, at % 10), at))
        .collect();
    let (_folder, page) = report(&all);
    let bytes = page.metadata().unwrap().len();
    assert!(bytes < 5_000_000, "{bytes} bytes");
    chromium.assert_soon_seen(&page);
    let url = chromium.open(&page, "#utterance=mosi/video5999_9");
    assert_eq!(
        chromium.value(COUNT),
        json!("60,000 of 60,000 utterances, page 600 of 600")
    );
    assert_eq!(chromium.value(FOCUSED), json!("mosi/video5999_9"));
    assert_eq!(chromium.value(SHOWN), json!(100));
    chromium.filter(&[("search", "_7")]);
    assert_eq!(
        chromium.value(COUNT),
        json!("6,000 of 60,000 utterances, page 1 of 60")
    );
    chromium.assert_quiet(&url);
}

#[test]
fn axe_finds_nothing() {
    let test = "axe_finds_nothing";
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let Some(axe) = axe(test) else {
        return;
    };
    let (_folder, page) = report(&rows(true));
    let (_place, comparison) = compared_page("other");
    let (_data, doctor) = examined();
    let browsed = (&page, "#utterance=mosi/video3_4");
    for (page, fragment) in [browsed, (&comparison, ""), (&doctor, "")] {
        for screen in SCREENS {
            chromium.show(screen.0, screen.1);
            chromium.open(page, fragment);
            chromium.assert_accessible(&axe, screen);
            chromium.unfold();
            chromium.assert_fits(screen);
            chromium.assert_accessible(&axe, screen);
        }
    }
}
