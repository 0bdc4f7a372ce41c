//! What the page holds for the browser: a note for readers without JavaScript, the controls, an empty table, the rows and the script.

use maud::{Markup, PreEscaped, html};

use super::Browser;

/// The script of the page; the page's policy names its digest, and no other script runs.
pub(crate) const SCRIPT: &str = concat!(include_str!("../elements.js"), include_str!("browser.js"));

/// Columns that can be sorted by: key in the script, title, whether it holds numbers.
const COLUMNS: [(&str, &str, bool); 9] = [
    ("at", "Utterance", false),
    ("split", "Split", false),
    ("truth", "Truth", false),
    ("answer", "Answer", false),
    ("right", "Outcome", false),
    ("confidence", "P answer", true),
    ("given", "P truth", true),
    ("off", "Error", true),
    ("words", "Words", true),
];

/// Controls, table, rows and script.
pub(crate) fn markup(browser: &Browser) -> Markup {
    html! {
        p class="notice" id="utterance-needs-script" {
            "Without JavaScript the table of " (browser.rows) " utterances is missing here; everything else of this report is complete. \
             predictions.parquet in the run folder holds the same answers."
        } "\n"
        div id="utterance-browser" hidden="hidden" {
            (filters()) "\n"
            p class="soft" {
                kbd { "j" } " " kbd { "k" } " or arrows: next and previous row; " kbd { "Enter" } ": open; " kbd { "Esc" } ": close; "
                kbd { "/" } ": search. The address of the page names the utterance that is open."
            }
            p class="notice" id="utterance-unknown" hidden="hidden" { "The address names an utterance that this run does not have." }
            div class="pager" {
                p id="utterance-count" role="status" aria-live="polite" {}
                button type="button" id="utterance-previous" { "Previous page" } " "
                button type="button" id="utterance-next" { "Next page" }
            } "\n"
            div class="scroll" tabindex="0" { (table()) }
        } "\n"
        script type="application/json" id="utterance-data" { (PreEscaped(&browser.json)) } "\n"
        script { (PreEscaped(SCRIPT)) }
    }
}

fn filters() -> Markup {
    html! {
        form id="utterance-filters" {
            label { "Search " input type="search" name="search" autocomplete="off"; }
            (choice("Corpus", "corpus", &[]))
            (choice("Split", "split", &[]))
            (choice("Outcome", "outcome", &["right", "wrong", "no gold"]))
            (choice("Truth", "truth", &[]))
            (choice("Answer", "answer", &[]))
            (choice("Inputs", "inputs", &["text", "audio", "no-audio", "video", "no-video"]))
            (range("P answer, %", ["low", "high"], Some("100")))
            (range("Words", ["few", "many"], None))
            button type="reset" { "No filters" }
        }
    }
}

fn choice(title: &str, name: &str, values: &[&str]) -> Markup {
    let words = |value: &str| match value {
        "text" => "text alone".to_owned(),
        "no-audio" | "no-video" => value.replace('-', " "),
        value => value.to_owned(),
    };
    html! {
        label { (title) " " select name=(name) {
            option value="" { "any" }
            @for value in values { option value=(value) { (words(value)) } }
        } }
    }
}

fn range(title: &str, names: [&str; 2], most: Option<&str>) -> Markup {
    html! {
        @for (name, end) in names.into_iter().zip(["from", "to"]) {
            label { (title) " " (end) " " input type="number" name=(name) min="0" max=[most]; }
        }
    }
}

fn table() -> Markup {
    html! {
        table id="utterance-table" {
            caption { "Utterances of dev and test." }
            thead { tr {
                @for (key, title, numeric) in COLUMNS {
                    th scope="col" data-key=(key) class=[numeric.then_some("n")] { button type="button" { (title) } }
                }
                th scope="col" { "Inputs" }
            } }
            tbody id="utterance-rows" {}
        }
    }
}
