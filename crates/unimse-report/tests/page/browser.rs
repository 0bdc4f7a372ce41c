//! The error browser: filters, order, pages, addresses, keyboard.

use serde_json::json;
use unimse_report::BrowsedRow;

use super::{report, rows};
use crate::chromium::report::{COUNT, DETAILS, FOCUSED, SHOWN};
use crate::chromium::{Chromium, chromium};

#[test]
fn rows_are_filtered_sorted_and_paged() {
    let Some(mut chromium) = chromium("rows_are_filtered_sorted_and_paged") else {
        return;
    };
    let rows = rows(false);
    let (_folder, page) = report(&rows);
    let url = chromium.open(&page, "");
    assert_eq!(chromium.value(SHOWN), json!(100));
    assert_eq!(
        chromium.value(COUNT),
        json!("301 of 301 utterances, page 1 of 4")
    );
    chromium.value("document.getElementById('utterance-next').click()");
    assert_eq!(
        chromium.value(COUNT),
        json!("301 of 301 utterances, page 2 of 4")
    );

    filtered(&mut chromium, &rows);
    sorted(&mut chromium);
    chromium.assert_quiet(&url);
}

/// Every filter counts what the rows hold.
fn filtered(chromium: &mut Chromium, rows: &[BrowsedRow]) {
    let mut filter = |fields: &[(&str, &str)], expected: &dyn Fn(&BrowsedRow) -> bool| {
        let count = rows.iter().filter(|row| expected(row)).count();
        assert!(count > 0 && count < rows.len(), "{fields:?} tests nothing");
        chromium.filter(fields);
        let pages = count.div_ceil(100);
        let text = format!("{count} of 301 utterances, page 1 of {pages}");
        assert_eq!(chromium.value(COUNT), json!(text), "{fields:?}");
        assert_eq!(chromium.value(SHOWN), json!(count.min(100)));
    };
    let emotion = |row: &BrowsedRow| row.taxonomy.is_some();
    let confidence = |row: &BrowsedRow| row.predicted.polarity_probabilities.as_ref().unwrap()[2];
    let gold = |row: &BrowsedRow| row.predicted.truth_polarity.clone().unwrap();
    filter(&[("corpus", "meld")], &emotion);
    filter(&[("split", "dev")], &|row| row.predicted.split == "dev");
    filter(&[("outcome", "wrong")], &|row| gold(row) == "negative");
    filter(&[("truth", "anger")], &|row| {
        emotion(row) && gold(row) == "negative"
    });
    filter(&[("answer", "joy"), ("outcome", "right")], &|row| {
        emotion(row) && gold(row) == "positive"
    });
    filter(&[("inputs", "audio")], &|row| row.audio);
    filter(&[("inputs", "text")], &|row| !row.audio);
    filter(&[("few", "5"), ("many", "9")], &|row| {
        (5..=9).contains(&row.words)
    });
    filter(&[("low", "54.95"), ("high", "59.95")], &|row| {
        (0.5495..0.5995).contains(&confidence(row))
    });
    filter(&[("search", "DIA3_utt")], &|row| {
        row.predicted.utterance_id.contains("dia3_utt")
    });
}

/// A click on a heading sorts by it, a second one the other way.
fn sorted(chromium: &mut Chromium) {
    chromium.filter(&[]);
    let click = "document.querySelector('th[data-key=confidence] button').click()";
    let first = "document.querySelector('#utterance-rows a').textContent";
    let order = "document.querySelector('th[data-key=confidence]').getAttribute('aria-sort')";
    chromium.value(click);
    assert_eq!(chromium.value(first), json!("mosi/video0_0"));
    assert_eq!(chromium.value(order), json!("ascending"));
    chromium.value(click);
    assert_eq!(chromium.value(first), json!("mosi/video24_9"));
    assert_eq!(chromium.value(order), json!("descending"));
}

#[test]
fn an_address_opens_its_utterance_and_the_keyboard_goes_on_from_there() {
    let Some(mut chromium) =
        chromium("an_address_opens_its_utterance_and_the_keyboard_goes_on_from_there")
    else {
        return;
    };
    let (_folder, page) = report(&rows(false));
    let url = chromium.open(&page, "#utterance=mosi/video14_9");
    let seen = "(box => box.top >= 0 && box.bottom <= innerHeight)(document.activeElement.getBoundingClientRect())";
    assert_eq!(
        chromium.value(COUNT),
        json!("301 of 301 utterances, page 2 of 4")
    );
    assert_eq!(chromium.value(FOCUSED), json!("mosi/video14_9"));
    assert_eq!(chromium.value(seen), json!(true));
    let text = chromium.value(DETAILS).as_str().unwrap().to_owned();
    // at 149: P(positive) = 0.5 + 0.149, the neighbours before it in its video, its donor
    for part in [
        "64.9",
        "mosi/video14_8",
        "mosi/video14_6",
        "meld/train_dia149_utt1",
        "similarity 0.750",
        "--with-text",
    ] {
        assert!(text.contains(part), "{part} not in {text}");
    }
    assert!(!text.contains("mosi/video15_0"), "another video: {text}");

    keyboard(&mut chromium);
    chromium.assert_quiet(&url);
}

/// Moves, opens, closes and searches by keys, from the open `mosi/video14_9`.
fn keyboard(chromium: &mut Chromium) {
    let hash = "location.hash";
    chromium.press("j");
    assert_eq!(chromium.value(FOCUSED), json!("mosi/video15_0"));
    chromium.press("Enter");
    assert_eq!(chromium.value(hash), json!("#utterance=mosi/video15_0"));
    assert!(
        chromium
            .value(DETAILS)
            .as_str()
            .unwrap()
            .contains("mosi/video15_3")
    );
    chromium.press("ArrowUp");
    assert_eq!(chromium.value(FOCUSED), json!("mosi/video14_9"));
    chromium.press("Escape");
    assert_eq!(chromium.value(DETAILS), json!(""));
    assert_eq!(chromium.value(hash), json!("#utterances"));
    chromium.press("/");
    assert_eq!(
        chromium.value("document.activeElement.name"),
        json!("search")
    );
    chromium.press("j");
    assert_eq!(
        chromium.value("document.activeElement.value"),
        json!("j"),
        "a letter, not a move"
    );
}

#[test]
fn an_address_of_nothing_says_so() {
    let Some(mut chromium) = chromium("an_address_of_nothing_says_so") else {
        return;
    };
    let (_folder, page) = report(&rows(false));
    let unknown = "document.getElementById('utterance-unknown').hidden";
    for fragment in [
        "#utterance=mosi/nobody",
        "#utterance=%E0%A4%A/x",
        "#utterance=mosi",
    ] {
        let url = chromium.open(&page, fragment);
        assert_eq!(chromium.value(DETAILS), json!(""), "{fragment}");
        assert_eq!(
            chromium.value(unknown),
            json!(fragment == "#utterance=mosi"),
            "{fragment}"
        );
        let seen = "(box => box.height > 0 && box.top >= 0 && box.bottom <= innerHeight)(document.getElementById('utterance-unknown').getBoundingClientRect())";
        assert_eq!(
            chromium.value(seen),
            json!(fragment != "#utterance=mosi"),
            "{fragment}"
        );
        chromium.assert_quiet(&url);
    }
}
