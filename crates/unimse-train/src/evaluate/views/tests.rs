//! Every view against its arithmetic, on a handful of rows.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use unimse_corpus::Split;
use unimse_labels::PlainLabel;

use super::*;

fn said(
    dialogue: &str,
    change: impl Fn(&mut Utterance, &mut Prediction),
) -> (Utterance, Prediction) {
    let mut u = Utterance {
        corpus: "c".to_owned(),
        split: Split::Test,
        utterance_id: "u".to_owned(),
        dialogue_id: dialogue.to_owned(),
        turn: 0,
        speaker: None,
        text: String::new(),
        start_s: None,
        end_s: None,
        score: None,
        polarity: None,
        emotion: None,
        emotion_raw: None,
        audio: None,
        video: None,
        vad: None,
        intensities: None,
    };
    let mut p = Prediction {
        raw: String::new(),
        polarity: [0.2, 0.3, 0.5],
        intensity: Vec::new(),
        meld: None,
        iemocap: None,
        unexplored: 0.0,
        text_label: PlainLabel::of_polarity(Polarity::Positive),
        repairs: 0,
        parsable: true,
    };
    change(&mut u, &mut p);
    (u, p)
}

fn asked(
    task: Task,
    test: &[(Utterance, Prediction)],
    dev: &[(Utterance, Prediction)],
) -> ByName<View> {
    let test = Rows(test.iter().map(|(u, p)| (u, p)).collect());
    let dev = Rows(dev.iter().map(|(u, p)| (u, p)).collect());
    views(task, &test, &dev, &EvaluateConfig::default()).unwrap()
}

fn close(view: &View, metric: Metric, expected: f64) {
    let found = view.metrics[&metric].estimate.unwrap();
    assert!(
        (found - expected).abs() < 1e-9,
        "{metric}: {found}, expected {expected}"
    );
}

#[test]
fn polarity_is_scored_against_the_sign_of_the_score() {
    let row = |dialogue: &str, score: f32, polarity: [f64; 3]| {
        said(dialogue, move |u, p| {
            (u.score, p.polarity) = (Some(score), polarity)
        })
    };
    let test = [
        row("a", 1.4, [0.1, 0.2, 0.7]),
        row("b", 0.0, [0.1, 0.2, 0.7]),
        row("c", -0.2, [0.6, 0.2, 0.2]),
        row("c", -2.0, [0.6, 0.2, 0.2]),
    ];
    let views = asked(Task::Sentiment, &test, &[]);
    let view = views.get("polarity").unwrap();
    assert_eq!(
        (view.n, view.labels.as_slice()),
        (4, &Polarity::NAMES.map(str::to_owned)[..])
    );
    close(view, Metric::Accuracy, 3.0 / 4.0);
    // F1: negative 1, neutral 0, positive 2 / (2 + 1)
    close(view, Metric::MacroF1, (1.0 + 0.0 + 2.0 / 3.0) / 3.0);
    close(
        view,
        Metric::WeightedF1,
        (2.0 * 1.0 + 1.0 * 0.0 + 1.0 * 2.0 / 3.0) / 4.0,
    );
    // two rows at 0.7, one right; two at 0.6, both right
    close(
        view,
        Metric::Ece,
        ((1.4f64 - 1.0).abs() + (1.2f64 - 2.0).abs()) / 4.0,
    );
    let interval = &view.metrics[&Metric::Accuracy];
    assert!(interval.low <= interval.estimate && interval.estimate <= interval.high);
}

#[test]
fn meld_has_a_sentiment_of_its_own_and_iemocap_has_none() {
    let row = said("a", |u, p| {
        (u.polarity, u.emotion) = (Some(Polarity::Positive), Some("surprise".to_owned()));
        p.meld = Some(vec![0.1, 0.6, 0.0, 0.0, 0.3, 0.0, 0.0]);
    });
    let views = asked(
        Task::Emotion(Taxonomy::Meld),
        std::slice::from_ref(&row),
        &[],
    );
    close(views.get("polarity").unwrap(), Metric::Accuracy, 1.0);
    let emotion = views.get("emotion").unwrap();
    close(
        emotion,
        Metric::Brier,
        0.1f64.powi(2) + 0.4f64.powi(2) + 0.3f64.powi(2),
    );
    close(emotion, Metric::Nll, -(0.6f64.ln()));
    assert!(!emotion.metrics.contains_key(&Metric::Accuracy));
    let views = asked(Task::Emotion(Taxonomy::Iemocap), &[row], &[]);
    assert!(views.get("polarity").is_none() && views.get("emotion").is_none());
}

/// Canonical order: joy, sadness, neutral, anger, excited, frustrated.
#[test]
fn four_way_merges_excited_and_leaves_frustrated_out() {
    let row = |emotion: &str, p: [f64; 6]| {
        let (emotion, p) = (emotion.to_owned(), p.to_vec());
        said("a", move |u, to| {
            (u.emotion, to.iemocap) = (Some(emotion.clone()), Some(p.clone()))
        })
    };
    let test = [
        row("excited", [0.2, 0.0, 0.3, 0.0, 0.2, 0.3]), // joy 0.4 before neutral 0.3: right
        row("anger", [0.0, 0.1, 0.1, 0.2, 0.0, 0.6]),   // without frustrated, anger: right
        row("neutral", [0.0, 0.6, 0.2, 0.2, 0.0, 0.0]), // sadness: wrong
        row("frustrated", [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
    ];
    let views = asked(Task::Emotion(Taxonomy::Iemocap), &test, &[]);
    let view = views.get("four_way").unwrap();
    assert_eq!(view.labels, ["joy", "sadness", "neutral", "anger"]);
    assert_eq!(view.n, 3);
    close(view, Metric::Accuracy, 2.0 / 3.0);
    close(view, Metric::MacroF1, (1.0 + 0.0 + 0.0 + 1.0) / 4.0);
    // 0.4 of 0.7, 0.2 of 0.4, 0.2 of 1
    let nll = -((0.4f64 / 0.7).ln() + (0.2f64 / 0.4).ln() + 0.2f64.ln()) / 3.0;
    close(view, Metric::Nll, nll);
}

#[test]
fn a_score_lies_in_the_central_part_where_it_rounds_to_one_of_its_scores() {
    let scores = vec![(-1.0, 0.1), (0.0, 0.4), (1.0, 0.4), (2.0, 0.1)];
    let row = |gold: f32| {
        let scores = scores.clone();
        said("a", move |u, p| {
            (u.score, p.intensity) = (Some(gold), scores.clone())
        })
    };
    // 50 %: 0 to 1, with half a step -0.5 to 1.5; 90 %: -1 to 2, -1.5 to 2.5
    let views = asked(
        Task::Sentiment,
        &[row(1.4), row(1.6), row(-1.4), row(-1.6)],
        &[],
    );
    let view = views.get("intensity").unwrap();
    close(view, Metric::Coverage50, 1.0 / 4.0);
    close(view, Metric::Coverage90, 3.0 / 4.0);
    close(view, Metric::Width50, 1.0 + 2.0 * 0.5);
    close(view, Metric::Width90, 3.0 + 2.0 * 0.5);
}

#[test]
fn presence_of_an_emotion_is_called_from_the_threshold_that_dev_likes() {
    // meld: neutral, surprise, fear, sadness, joy, disgust, anger; happiness is MELD's joy
    let row = |rating: f32, joy: f64| {
        said("a", move |u, p| {
            u.intensities = Some([rating, 0.0, 0.0, 0.0, 0.0, 0.0]);
            p.meld = Some(vec![1.0 - joy, 0.0, 0.0, 0.0, joy, 0.0, 0.0]);
        })
    };
    let dev = [row(1.0, 0.22), row(0.0, 0.18), row(0.0, 0.01)];
    let test = [row(0.3, 0.3), row(0.6, 0.1), row(0.0, 0.1), row(0.0, 0.9)];
    let views = asked(Task::Sentiment, &test, &dev);
    let view = views.get("presence_of_happiness").unwrap();
    assert_eq!(view.threshold, Some(0.2));
    close(
        view,
        Metric::UnweightedAverageRecall,
        (1.0 / 2.0 + 1.0 / 2.0) / 2.0,
    );
    close(view, Metric::WeightedF1, 0.5);
    // nobody rates test rows of other corpora
    assert!(asked(Task::Sentiment, &[said("a", |_, _| ())], &dev).is_empty());
}
