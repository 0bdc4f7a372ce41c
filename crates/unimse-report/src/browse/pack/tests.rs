#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
use proptest::prelude::*;
use unimse_labels::{IemocapEmotion, Labelled, MeldEmotion, Polarity, UniversalLabel};
use unimse_run::PredictedRow;

use super::*;

/// The rows that JSON was made of, as `browser.js` reads them.
fn unpacked(json: &str) -> Vec<BrowsedRow> {
    let packed: Packed = serde_json::from_str(json).unwrap();
    let (ids, donors) = (decoded(&packed.ids), decoded(&packed.donors));
    (0..packed.rows)
        .map(|at| row(&packed, &ids, &donors, at))
        .collect()
}

fn decoded(coded: &[String]) -> Vec<String> {
    let mut last: Vec<u16> = Vec::new();
    let string = |item: &String| {
        let shared = item[..1].chars().next().unwrap().to_digit(36).unwrap() as usize;
        last.truncate(shared);
        last.extend(item[1..].encode_utf16());
        String::from_utf16(&last).unwrap()
    };
    coded.iter().map(string).collect()
}

fn row(packed: &Packed, ids: &[String], donors: &[String], at: usize) -> BrowsedRow {
    let number = |column: &str| {
        let Column { low, width, digits } = &packed.columns[column];
        let code = i64::from_str_radix(digits.get(at * width..(at + 1) * width)?, 36);
        code.ok()
            .filter(|code| *code > 0)
            .map(|code| code - 1 + low)
    };
    let word = |column: &str| number(column).map(|place| packed.names[place as usize].clone());
    let share = |column: &str| number(column).map(|value| value as f32 / 1000.0);
    let list = |of: &str, classes: usize| -> Option<Vec<f32>> {
        (0..classes)
            .map(|class| share(&format!("{of}.{class}")))
            .collect()
    };
    let corpus = word("corpus").unwrap();
    let taxonomy: Option<Taxonomy> = packed
        .taxonomies
        .get(&corpus)
        .map(|name| name.parse().unwrap());
    let emotions =
        |of: Taxonomy| list("emotion", of.labels().len()).filter(|_| taxonomy == Some(of));
    BrowsedRow {
        predicted: PredictedRow {
            corpus,
            split: word("split").unwrap(),
            utterance_id: ids[at].clone(),
            polarity: word("polarity").unwrap(),
            intensity: share("score"),
            meld: word("meld"),
            iemocap: word("iemocap"),
            truth_score: share("truth_score"),
            truth_polarity: word("truth_polarity"),
            truth_emotion: word("truth_emotion"),
            polarity_probabilities: list("polarity", 3),
            meld_probabilities: emotions(Taxonomy::Meld),
            iemocap_probabilities: emotions(Taxonomy::Iemocap),
            ..PredictedRow::default()
        },
        taxonomy,
        dialogue_id: format!("dialogue {}", number("dialogue").unwrap()),
        words: number("words").unwrap() as usize,
        audio: number("audio") == Some(1),
        video: number("video") == Some(1),
        label: label(&number, &word, donors),
        text: packed.texts.as_ref().and_then(|texts| texts[at].clone()),
    }
}

type Number<'a> = &'a dyn Fn(&str) -> Option<i64>;
type Word<'a> = &'a dyn Fn(&str) -> Option<String>;

fn label(number: Number<'_>, word: Word<'_>, donors: &[String]) -> Option<UniversalLabel> {
    word("label.meld.source")?;
    let intensity = number("label.intensity").map(|value| value as f32 / 1000.0);
    let meld = word("label.meld").map(|name| name.parse().unwrap());
    let iemocap = word("label.iemocap").map(|name| name.parse().unwrap());
    Some(UniversalLabel {
        polarity: Polarity::Neutral,
        intensity: labelled(number, word, donors, "intensity", intensity),
        meld: labelled(number, word, donors, "meld", meld),
        iemocap: labelled(number, word, donors, "iemocap", iemocap),
    })
}

fn labelled<T>(
    number: Number<'_>,
    word: Word<'_>,
    donors: &[String],
    field: &str,
    value: Option<T>,
) -> Labelled<T> {
    let donor = number(&format!("label.{field}.donor")).map(|place| {
        let (corpus, id) = donors[place as usize].split_once('/').unwrap();
        Donor {
            corpus: corpus.to_owned(),
            utterance_id: id.to_owned(),
            similarity: number(&format!("label.{field}.similarity")).unwrap() as f32 / 1000.0,
            margin: None,
        }
    });
    Labelled {
        value,
        source: word(&format!("label.{field}.source"))
            .unwrap()
            .parse()
            .unwrap(),
        donor,
    }
}

/// Numbers that look like chance and are the same every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 33) as usize) % most
    }

    fn thousandths(&mut self, low: i32, most: usize) -> f32 {
        (low + self.below(most) as i32) as f32 / 1000.0
    }
}

/// A row as a run of all corpora has it, every value present that its corpus can have.
fn drawn(draw: &mut Draw, at: usize) -> BrowsedRow {
    let taxonomy = [None, Some(Taxonomy::Meld), Some(Taxonomy::Iemocap)][at % 60_000 / 20_000];
    let corpus = taxonomy.map_or("mosei", Taxonomy::name);
    let (dialogue, turn) = (at / 10, at % 10);
    let id = match taxonomy {
        None => format!("{:x}gT5yA_{turn}", dialogue * 7_919_317),
        Some(Taxonomy::Meld) => format!("test_dia{dialogue}_utt{turn}"),
        Some(Taxonomy::Iemocap) => format!("Ses05F_impro{dialogue}_F{turn:03}"),
    };
    let lent = |draw: &mut Draw| Donor {
        corpus: "meld".to_owned(),
        utterance_id: format!("train_dia{}_utt{}", draw.below(1_000), draw.below(25)),
        similarity: draw.thousandths(0, 1001),
        margin: None,
    };
    let meld = MeldEmotion::ALL[draw.below(7)];
    let iemocap = IemocapEmotion::ALL[draw.below(6)];
    let shares = |draw: &mut Draw, classes: usize| {
        Some((0..classes).map(|_| draw.thousandths(0, 1001)).collect())
    };
    BrowsedRow {
        predicted: PredictedRow {
            corpus: corpus.to_owned(),
            split: "test".to_owned(),
            utterance_id: id,
            polarity: Polarity::ALL[draw.below(3)].name().to_owned(),
            intensity: Some(draw.thousandths(-3000, 6001)),
            meld: Some(meld.name().to_owned()),
            iemocap: Some(iemocap.name().to_owned()),
            truth_score: taxonomy.is_none().then(|| draw.thousandths(-3000, 6001)),
            truth_polarity: Some(Polarity::ALL[draw.below(3)].name().to_owned()),
            truth_emotion: taxonomy.map(|taxonomy| taxonomy.labels()[draw.below(6)].to_owned()),
            polarity_probabilities: shares(draw, 3),
            meld_probabilities: (taxonomy == Some(Taxonomy::Meld))
                .then(|| shares(draw, 7))
                .flatten(),
            iemocap_probabilities: (taxonomy == Some(Taxonomy::Iemocap))
                .then(|| shares(draw, 6))
                .flatten(),
            ..PredictedRow::default()
        },
        taxonomy,
        dialogue_id: format!("dialogue {dialogue}"),
        words: draw.below(120),
        audio: draw.below(2) == 1,
        video: draw.below(2) == 1,
        label: Some(UniversalLabel {
            polarity: Polarity::Neutral,
            intensity: Labelled::gold(draw.thousandths(-3000, 6001)),
            meld: Labelled::lent(meld, lent(draw)),
            iemocap: Labelled::lent(iemocap, lent(draw)),
        }),
        text: None,
    }
}

#[test]
fn sixty_thousand_rows_stay_under_five_megabytes_and_read_back() {
    let mut draw = Draw(14);
    let rows: Vec<BrowsedRow> = (0..60_000).map(|at| drawn(&mut draw, at)).collect();
    let json = json(&rows);
    assert!(json.len() < 5_000_000, "{} bytes", json.len());
    // a probability alone takes two of them: less would be a loss
    assert!(json.len() > 60_000 * 2 * (3 + 6), "{} bytes", json.len());
    let read = unpacked(&json);
    for (read, row) in read.iter().zip(&rows) {
        assert_eq!(read, row);
    }
    assert_eq!(read.len(), rows.len());
}

#[test]
fn every_id_has_an_address_of_its_own() {
    let row = |id: &str| {
        let mut row = drawn(&mut Draw(14), 0);
        row.predicted.utterance_id = id.to_owned();
        row
    };
    let rows = ["a\u{1}", "a\u{2}", "a\u{fffd} (2)", "a\u{3}", "b"].map(row);
    let read = unpacked(&json(&rows));
    let ids: Vec<&str> = (read.iter())
        .map(|row| row.predicted.utterance_id.as_str())
        .collect();
    let expected = [
        "a\u{fffd}",
        "a\u{fffd} (2)",
        "a\u{fffd} (2) (2)",
        "a\u{fffd} (3)",
        "b",
    ];
    assert_eq!(ids, expected);
}

#[test]
fn what_is_absent_stays_absent_and_takes_no_room() {
    let rows = [BrowsedRow {
        predicted: PredictedRow {
            corpus: "own".to_owned(),
            split: "dev".to_owned(),
            utterance_id: "u".to_owned(),
            polarity: "neutral".to_owned(),
            intensity: Some(f32::NAN),
            truth_score: Some(1e30),
            ..PredictedRow::default()
        },
        taxonomy: None,
        dialogue_id: "dialogue 0".to_owned(),
        words: 0,
        audio: false,
        video: true,
        label: None,
        text: None,
    }];
    let json = json(&rows);
    let back = unpacked(&json);
    assert_eq!(
        (back[0].predicted.intensity, back[0].predicted.truth_score),
        (None, None)
    );
    assert_eq!(back[0].label, None);
    let packed: Packed = serde_json::from_str(&json).unwrap();
    assert_eq!(packed.columns["emotion.0"].digits, "");
    assert!(packed.texts.is_none());
}

#[test]
fn no_text_can_end_the_element_that_holds_it() {
    let hostile = "</script><!--<script>&\"\\\u{2028}\u{202e}\u{0}\u{1f600}";
    let mut row = drawn(&mut Draw(1), 0);
    row.predicted.corpus = hostile.to_owned();
    row.predicted.utterance_id = hostile.to_owned();
    row.predicted.polarity = hostile.to_owned();
    row.text = Some(hostile.to_owned());
    let json = json(&[row]);
    assert!(!json.contains(['<', '>', '&']), "{json}");
    let back = unpacked(&json);
    let cleaned = clean(hostile);
    assert_eq!(back[0].predicted.utterance_id, cleaned);
    assert_eq!(back[0].text.as_deref(), Some(cleaned.as_str()));
    assert_eq!(clean(&json), json, "the page changes no character of it");
}

proptest! {
    #[test]
    fn strings_and_numbers_read_back(
        strings in prop::collection::vec("[ab\u{e9}\u{1f600}]{0,60}", 0..20),
        values in prop::collection::vec(prop::option::of(-1_000_000_i64..1_000_000), 0..50),
    ) {
        prop_assert_eq!(decoded(&front_coded(strings.iter().cloned())), strings);
        let Column { low, width, digits } = Column::new(&values);
        let read = |at: usize| {
            let code = i64::from_str_radix(digits.get(at * width..(at + 1) * width)?, 36).ok()?;
            (code > 0).then(|| code - 1 + low)
        };
        prop_assert_eq!((0..values.len()).map(read).collect::<Vec<_>>(), values);
    }
}
