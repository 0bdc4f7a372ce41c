//! What the page of a comparison says.

use unimse_run::{ComparedMetric, Task};

use crate::compared::World;

#[test]
fn runs_stand_beside_each_other_with_their_differences() {
    let page = World::new("other").page();
    insta::assert_snapshot!("comparison.md", page.markdown);
    for expected in [
        // (0.8 + 0.9) / 2, sqrt(2 * 0.05^2)
        "| MAE ↓ | 0.850 ± 0.071 | 0.700 |",
        "| other | MAE ↓ | −0.150 | \\[−0.200, −0.100\\] | 0.002 | **better than the reference** |",
        "| other | WF1 ↑ | −1.00 | \\[−3.00, +2.00\\] | 0.500 | no difference beyond the interval |",
        "**other**: **better on 1, worse on 0 of 2 metrics** beyond the interval",
        "| mosi | full | 686 | 656 | 30 |",
        " and 10 more |",
        "| mosei | old | not compared in the reference |",
        "| `train.epochs` | `5` | `\"other\"` | not known |",
        "> **Leaky.** Rows of the test splits donated labels to training, so test scores are optimistic: other.",
        "Test opened more than once by one model",
        "No events.jsonl, so no curves: old.",
        "Differences to the reference on mosi",
        "mean over the seeds of each run",
    ] {
        assert!(
            page.markdown.contains(expected),
            "{expected} not in {}",
            page.markdown
        );
    }
    assert_eq!(page, World::new("other").page(), "the same bytes each time");
}

#[test]
fn synthetic_runs_and_absent_values_are_said_to_be_so() {
    let mut world = World::new("other");
    world.comparison.runs[0].synthetic = true;
    let meld = world.comparison.runs[1]
        .corpora
        .values_mut()
        .find(|c| c.task == Task::Emotion)
        .unwrap();
    for metric in meld.metrics.values_mut() {
        *metric = ComparedMetric {
            difference: Some(Default::default()),
            ..ComparedMetric::default()
        };
    }
    let markdown = world.page().markdown;
    assert!(markdown.contains("> **Synthetic data.**") && markdown.contains("people speak: full."));
    assert!(
        markdown.contains("| WF1 ↑ | 55.00 ± 7.07 | undefined |"),
        "{markdown}"
    );
    assert!(
        markdown.contains("| other | WF1 ↑ | undefined | — | — | undefined |"),
        "{markdown}"
    );
    world.comparison.settings.clear();
    assert!(
        world
            .page()
            .markdown
            .contains("No key of config.toml has different values")
    );
}

#[test]
fn whatever_a_name_says_is_text() {
    let hostile = "<script>alert(1)</script>\"'><img src=x onerror=y>&|`*_\u{202e}\u{0}\n# x";
    let page = World::new(hostile).page();
    assert!(page.html.contains("&lt;script&gt;alert(1)"));
    assert!(!page.html.contains("<script") && !page.html.contains("<img"));
    assert!(page.html.contains("default-src 'none'") && !page.html.contains("unsafe"));
    assert!(!page.markdown.contains("<script") && !page.markdown.contains("\n# x"));
    for text in [&page.html, &page.markdown] {
        assert!(!text.contains(['\u{202e}', '\u{0}']));
    }
}
