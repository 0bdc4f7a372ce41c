//! The text form against its invariants.

use proptest::prelude::*;
use unimse_labels::{
    Field, Form, Grammar, IemocapEmotion, MeldEmotion, ParseError, PlainLabel, Polarity, Repair,
    Taxonomy,
};

fn label(polarity: Polarity, intensity: f32) -> PlainLabel {
    PlainLabel {
        polarity,
        intensity: Some(intensity),
        meld: Some(MeldEmotion::Joy),
        iemocap: Some(IemocapEmotion::Excited),
    }
}

/// How `intensity` prints with the given decimals.
fn printed(intensity: f32, decimals: u8) -> String {
    let grammar = Grammar {
        decimals,
        ..Grammar::new(&[Field::Intensity])
    };
    let text = grammar.format(&label(Polarity::Neutral, intensity));
    text.split_once(',').unwrap().1.to_owned()
}

#[test]
fn both_forms_of_the_paper() {
    let fields = Grammar::new(&Field::ALL);
    let triple = Grammar {
        form: Form::Triple,
        ..fields.clone()
    };
    let label = label(Polarity::Positive, 1.6);
    assert_eq!(fields.format(&label), "positive,1.6,joy,excited");
    assert_eq!(
        fields.parse("positive,1.6,joy,excited").unwrap().label,
        label
    );
    assert_eq!(triple.format(&label), "positive,1.6,joy");
    assert_eq!(
        triple.format(&PlainLabel {
            meld: None,
            ..label
        }),
        "positive,1.6,excited"
    );
    let twins = PlainLabel {
        iemocap: Some(IemocapEmotion::Joy),
        ..label
    };
    assert_eq!(triple.parse("positive,1.6,joy").unwrap().label, twins);
}

#[test]
fn an_intensity_is_printed_without_noise_and_never_loses_its_sign() {
    for (intensity, decimals, expected) in [
        (0.0, 1, "0.0"),
        (-0.0, 1, "0.0"),
        (1e-30, 1, "0.1"),
        (-0.04, 1, "-0.1"),
        (-0.04, 2, "-0.04"),
        (7.0 / 3.0, 1, "2.3"),
        (-7.0 / 3.0, 4, "-2.3333"),
        (1.65, 1, "1.7"),
        (-1.65, 1, "-1.7"),
        (0.3, 0, "1"),
        (2.4, 0, "2"),
        (99.0, 1, "3.0"),
        (-99.0, 2, "-3.00"),
        (1.5, 200, "1.5000"),
        (f32::INFINITY, 1, "unknown"),
        (f32::NAN, 1, "unknown"),
    ] {
        assert_eq!(
            printed(intensity, decimals),
            expected,
            "{intensity} with {decimals} decimals"
        );
    }
}

#[test]
fn fields_outside_the_run_leave_the_grammar() {
    let label = label(Polarity::Negative, -0.8);
    for (fields, expected) in [
        (vec![], "negative"),
        (vec![Field::Meld], "negative,joy"),
        (
            vec![Field::Iemocap, Field::Intensity],
            "negative,-0.8,excited",
        ),
    ] {
        let grammar = Grammar::new(&fields);
        assert_eq!(grammar.format(&label), expected);
        assert_eq!(grammar.parse(expected).unwrap().repairs, []);
        let other_order = Grammar { fields, ..grammar };
        assert_eq!(other_order.format(&label), expected);
    }
    assert!(
        Grammar::new(&[Field::Meld])
            .intensity_values(Polarity::Positive)
            .is_empty()
    );
}

#[test]
fn printable_intensities_and_complete_labels() {
    let grammar = Grammar::new(&Field::ALL);
    let values = |polarity| grammar.intensity_values(polarity);
    assert_eq!(values(Polarity::Neutral), [0.0]);
    assert_eq!(
        values(Polarity::Positive).len() + values(Polarity::Negative).len(),
        2 * 30
    );
    assert_eq!(
        (
            values(Polarity::Negative)[0],
            values(Polarity::Positive)[29]
        ),
        (-3.0, 3.0)
    );
    assert!(values(Polarity::Negative).is_sorted() && values(Polarity::Positive).contains(&1.6));
    assert_eq!(grammar.labels().count(), 61 * 7 * 6);
    let triple = Grammar {
        form: Form::Triple,
        ..grammar.clone()
    };
    assert_eq!(triple.labels().count(), 61 * 9); // four names are shared by both taxonomies
    assert_eq!(Grammar::new(&[]).labels().count(), 3);
    for grammar in [grammar, triple, Grammar::new(&[Field::Iemocap])] {
        for label in grammar.labels() {
            let parsed = grammar.parse(&grammar.format(&label)).unwrap();
            assert_eq!((parsed.label, parsed.repairs), (label, vec![]));
        }
    }
}

#[test]
fn repairs_are_listed() {
    let grammar = Grammar::new(&Field::ALL);
    let repairs = |text| grammar.parse(text).unwrap().repairs;
    let found = |text: &str| text.to_owned();
    let rewritten = |from, to| Repair::Rewritten {
        found: found(from),
        read: found(to),
    };
    assert_eq!(repairs("positive, 1.6, joy, excited"), [Repair::Separator]);
    assert_eq!(
        repairs("Positive,1.60,joy,excited"),
        [rewritten("Positive", "positive"), rewritten("1.60", "1.6")]
    );
    assert_eq!(repairs("positive,7,joy,excited"), [rewritten("7", "3.0")]);
    assert_eq!(
        repairs("neutral,-0.0,neutral,neutral"),
        [rewritten("-0.0", "0.0")]
    );
    assert_eq!(
        repairs("positive,1.6,excited"),
        [Repair::Missing { column: "meld" }]
    );
    assert_eq!(
        repairs("positive,1.6,joy,excited,joy"),
        [Repair::Ignored {
            found: found("joy")
        }]
    );
    assert_eq!(
        repairs("positive,nan,joy,excited")[0],
        Repair::Ignored {
            found: found("nan")
        }
    );
    let reordered = |word| Repair::Reordered { found: found(word) };
    assert_eq!(repairs("1.6,positive,joy,excited"), [reordered("positive")]);
    assert_eq!(
        repairs("1.6,POSITIVE,joy,excited"),
        [reordered("POSITIVE"), rewritten("POSITIVE", "positive")]
    );
    assert_eq!(
        repairs("positive,joy,7,excited"),
        [reordered("7"), rewritten("7", "3.0")]
    );
    assert_eq!(repairs("positive,unknown,joy,unknown"), []);
}

#[test]
fn the_intensity_wins_over_the_polarity() {
    let grammar = Grammar::new(&Field::ALL);
    for (text, found, read) in [
        (
            "positive,-0.4,joy,joy",
            Some(Polarity::Positive),
            Polarity::Negative,
        ),
        (
            "neutral,0.1,joy,joy",
            Some(Polarity::Neutral),
            Polarity::Positive,
        ),
        (
            "negative,0.0,joy,joy",
            Some(Polarity::Negative),
            Polarity::Neutral,
        ),
        ("0.4,joy,joy", None, Polarity::Positive),
    ] {
        let parsed = grammar.parse(text).unwrap();
        assert_eq!(parsed.label.polarity, read, "{text}");
        assert_eq!(parsed.repairs, [Repair::Polarity { found, read }], "{text}");
    }
    assert_eq!(
        grammar.format(&label(Polarity::Negative, 0.4)),
        "positive,0.4,joy,excited"
    );
}

#[test]
fn a_label_is_text_and_back_and_ordered_by_its_fields() {
    let labels: Vec<PlainLabel> = Grammar::new(&Field::ALL).labels().collect();
    for label in &labels {
        assert_eq!(label.to_string().parse::<PlainLabel>().unwrap(), *label);
    }
    assert!(labels.is_sorted()); // listed in canonical order
    let unknown = "positive,unknown,unknown,unknown";
    assert_eq!(unknown.parse::<PlainLabel>().unwrap().to_string(), unknown);
    assert!(unknown.parse::<PlainLabel>().unwrap() < "positive,0.1".parse().unwrap());
    assert_eq!("".parse::<PlainLabel>(), Err(ParseError::Empty));
}

#[test]
fn a_text_without_polarity_is_an_error() {
    let grammar = Grammar::new(&Field::ALL);
    assert_eq!(grammar.parse(" , ;"), Err(ParseError::Empty));
    assert_eq!(
        grammar.parse("joy,inf"),
        Err(ParseError::NoPolarity {
            text: "joy,inf".to_owned()
        })
    );
}

#[test]
fn names_are_canonical() {
    assert_eq!(Polarity::NAMES, ["negative", "neutral", "positive"]);
    assert_eq!(
        Taxonomy::Meld.labels(),
        [
            "neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"
        ]
    );
    assert_eq!(
        Taxonomy::Iemocap.labels(),
        [
            "joy",
            "sadness",
            "neutral",
            "anger",
            "excited",
            "frustrated"
        ]
    );
    assert_eq!("valid".parse(), Ok(unimse_labels::Split::Dev));
    assert_eq!(
        serde_json::from_str::<unimse_labels::Split>("\"val\"").unwrap(),
        unimse_labels::Split::Dev
    );
    assert_eq!(
        serde_json::to_string(&IemocapEmotion::Frustrated).unwrap(),
        "\"frustrated\""
    );
    let error = "happy".parse::<MeldEmotion>().unwrap_err().to_string();
    assert!(
        error.contains("`happy`") && error.contains("neutral, surprise"),
        "{error}"
    );
    for code in ["sur", "fea", "dis", "oth", "xxx", "joy", ""] {
        assert_eq!(IemocapEmotion::from_release_code(code), None);
    }
    assert_eq!(
        IemocapEmotion::from_release_code("exc").map(IemocapEmotion::polarity),
        Some(Polarity::Positive)
    );
}

fn grammars() -> impl Strategy<Value = Grammar> {
    let fields = proptest::sample::subsequence(Field::BORROWED.to_vec(), 0..=3);
    (fields, 0..6_u8, any::<bool>()).prop_map(|(fields, decimals, triple)| Grammar {
        form: if triple { Form::Triple } else { Form::Fields },
        fields,
        decimals,
    })
}

fn labels() -> impl Strategy<Value = PlainLabel> {
    let intensity = proptest::option::of(prop_oneof![any::<f32>(), -3.5_f32..3.5, Just(-0.0)]);
    let meld = proptest::option::of(proptest::sample::select(MeldEmotion::ALL.to_vec()));
    let iemocap = proptest::option::of(proptest::sample::select(IemocapEmotion::ALL.to_vec()));
    (
        proptest::sample::select(Polarity::ALL.to_vec()),
        intensity,
        meld,
        iemocap,
    )
        .prop_map(|(polarity, intensity, meld, iemocap)| PlainLabel {
            polarity,
            intensity,
            meld,
            iemocap,
        })
}

/// Texts that a model might write: words of the grammar and noise, joined in any way.
fn texts() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "(positive|negative|neutral|unknown|joy|anger|fear|excited|Joy)",
        "-?[0-9]{0,3}\\.?[0-9]{0,3}",
        ".{0,6}",
    ];
    let joined = (proptest::collection::vec(word, 0..7), "[,; ]{1,2}")
        .prop_map(|(words, by)| words.join(&by));
    prop_oneof![joined, any::<String>()]
}

proptest! {
    #[test]
    fn what_is_written_is_read_without_repairs(grammar in grammars(), label in labels()) {
        let text = grammar.format(&label);
        let parsed = grammar.parse(&text).unwrap();
        prop_assert_eq!(&parsed.repairs, &[]);
        prop_assert_eq!(grammar.format(&parsed.label), text.clone());
        prop_assert!(!text.contains("-0.0,") && !text.ends_with("-0.0"));
        if let Some(value) = label.intensity.filter(|value| value.is_finite() && grammar.fields.contains(&Field::Intensity)) {
            let read = parsed.label.intensity.unwrap();
            let step = 0.1_f32.powi(i32::from(grammar.decimals.min(4)));
            prop_assert!((read - value.clamp(-3.0, 3.0)).abs() <= step);
            prop_assert_eq!(Polarity::from_score(read), Polarity::from_score(value));
            prop_assert!(grammar.intensity_values(parsed.label.polarity).contains(&read));
        }
    }

    #[test]
    fn any_text_gives_a_label_or_an_error(grammar in grammars(), text in texts()) {
        if let Ok(parsed) = grammar.parse(&text) {
            let canonical = grammar.format(&parsed.label);
            prop_assert_eq!(parsed.repairs.is_empty(), canonical == text);
            let again = grammar.parse(&canonical).unwrap();
            prop_assert_eq!(again.repairs, []);
            prop_assert_eq!(again.label.intensity, parsed.label.intensity);
            prop_assert_eq!(again.label.polarity, parsed.label.polarity);
        }
    }
}
