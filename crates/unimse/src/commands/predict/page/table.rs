//! The captions of a clip: when, who, what, the answer, and what sound and pictures add to it.

use maud::{Markup, html};
use unimse_run::{Answer, Classes, Without};

use super::{clock, times};

/// The parts that may have been left out, and what their columns are called.
const PARTS: [(&str, &str); 3] = [
    ("audio", "Audio adds"),
    ("video", "Video adds"),
    ("audio and video", "Both add"),
];

/// One row an answer.
pub(super) fn captions(answers: &[&Answer]) -> Markup {
    let any = |test: &dyn Fn(&Answer) -> bool| answers.iter().any(|answer| test(answer));
    let speakers = any(&|answer| speaker(answer).is_some());
    let voices = any(&|answer| voice(answer).is_some());
    let scores = any(&|answer| answer.intensity.is_some());
    let (meld, iemocap) = (any(&|a| a.meld.is_some()), any(&|a| a.iemocap.is_some()));
    let parts: Vec<(&str, &str)> = PARTS
        .into_iter()
        .filter(|(part, _)| any(&|answer| without(answer, part).is_some()))
        .collect();
    html! {
        div class="scroll" tabindex="0" role="group" aria-label="Captions and answers" {
            table class="captions" {
                caption {
                    "What is said, and the answers. "
                    @if !parts.is_empty() {
                        "What sound and pictures add: the probability of the polarity that was answered, in points of a hundred, and the score, with them minus without them."
                    }
                }
                thead { tr {
                    th scope="col" { "Time" }
                    @if speakers { th scope="col" { "Speaker" } }
                    @if voices { th scope="col" { "Voice" } }
                    th scope="col" { "Text" }
                    th scope="col" { "Polarity" }
                    @if scores { th scope="col" class="n" { "Score" } }
                    @if meld { th scope="col" { "MELD" } }
                    @if iemocap { th scope="col" { "IEMOCAP" } }
                    @for (_, title) in &parts { th scope="col" class="n" { (title) } }
                } }
                tbody {
                    @for answer in answers {
                        tr {
                            td { (time(answer)) }
                            @if speakers { td { (speaker(answer).unwrap_or_default()) } }
                            @if voices { td { (voice(answer).unwrap_or_default()) } }
                            td class="said" { (answer.text) }
                            td { (label(Some(&answer.polarity))) }
                            @if scores { td class="n" { @if let Some(score) = answer.intensity { (signed(score.value, 2)) } } }
                            @if meld { td { (label(answer.meld.as_ref())) } }
                            @if iemocap { td { (label(answer.iemocap.as_ref())) } }
                            @for (part, _) in &parts { td class="n" { @if let Some(without) = without(answer, part) { (added(without)) } } }
                        }
                    }
                }
            }
        }
    }
}

fn speaker(answer: &Answer) -> Option<&str> {
    answer.extra.get("speaker")?.as_str()
}

/// The words for the voice that the model read.
fn voice(answer: &Answer) -> Option<&str> {
    answer.rests_on.as_ref()?.voice.as_deref()
}

/// A button that plays the utterance.
fn time(answer: &Answer) -> Markup {
    html! {
        @if let Some((from, to)) = times(answer) {
            button type="button" class="seek" data-from=(from) data-to=(to) aria-label=(format!("Play from {}", clock(from))) { (clock(from)) }
        }
    }
}

fn without<'a>(answer: &'a Answer, part: &str) -> Option<&'a Without> {
    let rests_on = answer.rests_on.as_ref()?;
    rests_on.without.iter().find(|without| without.part == part)
}

fn label(classes: Option<&Classes>) -> String {
    let Some(classes) = classes else {
        return String::new();
    };
    let p = classes.probabilities.get(&classes.label).copied();
    format!("{} {:.0} %", classes.label, 100.0 * p.unwrap_or_default())
}

fn added(without: &Without) -> String {
    let points = signed(100.0 * without.polarity_change, 1);
    match without.intensity_change {
        Some(score) => format!("{points}; {}", signed(score, 2)),
        None => points,
    }
}

fn signed(value: f32, digits: usize) -> String {
    format!("{value:+.digits$}").replace('-', "−")
}
