//! The page: a form for an utterance, its context and a clip, and what `POST /explain` says of it.

use std::path::Path;

use hyper::header::HeaderValue;
use maud::{Markup, PreEscaped, html};
use unimse_model::Modality;
use unimse_report::{ELEMENTS, Frame};
use unimse_train::predict::Senses;

/// The script, behind the functions that it shares with the report.
const SCRIPT: &str = include_str!("page.js");

/// What the page has beyond the report.
const STYLE: &str = include_str!("page.css");

/// Ids of the sections, and their names in the contents.
const SECTIONS: [(&str, &str); 4] = [
    ("ask", "Utterance"),
    ("answer", "Answer"),
    ("context", "What mattered"),
    ("nearest", "Nearest"),
];

/// What a page says of its run.
pub(super) struct Facts<'f> {
    pub(super) run: &'f Path,
    /// Utterances that the model reads before and after the current one.
    pub(super) context: (usize, usize),
    /// Whether it reads who speaks.
    pub(super) speakers: bool,
    /// The features that are made of a clip.
    pub(super) senses: &'f Senses,
    /// Whether nearest training utterances can be shown.
    pub(super) neighbours: bool,
}

impl Facts<'_> {
    /// Whether the model reads anything that is made of a clip.
    fn perceives(&self) -> bool {
        [Modality::Audio, Modality::Video]
            .into_iter()
            .any(|modality| self.senses.makes(modality))
    }
}

/// The page and the policy that goes with it.
pub(super) struct Page {
    pub(super) html: String,
    /// Value of the header `Content-Security-Policy`.
    pub(super) policy: HeaderValue,
}

impl Page {
    pub(super) fn new(facts: &Facts<'_>) -> Self {
        let script = format!("{ELEMENTS}{SCRIPT}");
        let name = facts.run.file_name().unwrap_or(facts.run.as_os_str());
        let subtitle = format!("Run “{}” on this machine", name.to_string_lossy());
        let frame = Frame {
            title: "UniMSE: ask a run",
            subtitle: &subtitle,
            id: "asking",
            skip: "Skip to the utterance",
            contents: html! {
                @for (id, title) in SECTIONS { li { a href=(format!("#{id}")) { (title) } } }
            },
            main: html! {
                (form(facts)) "\n"
                (results(facts)) "\n"
                script { (PreEscaped(&script)) }
            },
            footer: "What is typed here goes to the program on this machine that serves the page, and nowhere else. It is not kept.",
            script: Some(&script),
            style: STYLE,
            allowed: &["connect-src 'self'", "media-src blob:"],
        };
        // only a header can say who may frame a page
        let policy = format!("{}; frame-ancestors 'none'", frame.policy());
        Self {
            html: frame.render(),
            // digests and words: always a header
            policy: HeaderValue::from_str(&policy)
                .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'")),
        }
    }
}

fn form(facts: &Facts<'_>) -> Markup {
    let (before, after) = facts.context;
    html! {
        section id="ask" aria-labelledby="ask-title" {
            h2 id="ask-title" { "Utterance" }
            noscript { p class="notice" { "The page needs JavaScript. The same answers come from POST /predict." } }
            form id="row" {
                (turns("before", "Context before", before))
                div class="turn" {
                    @if facts.speakers { label { "Speaker " input name="speaker" autocomplete="off" maxlength="100"; } }
                    label class="wide" { "Text " textarea name="text" rows="3" maxlength="20000" {} }
                }
                (turns("after", "Context after", after))
                @if facts.perceives() {
                    p { label { "Clip, a sound or video file of at most a minute " input type="file" name="clip" accept="audio/*,video/*"; } }
                    p id="hear" hidden="hidden" {
                        span id="wave" {}
                        audio controls="controls" aria-label="The chosen file" {} " "
                        button type="button" id="no-clip" { "Without a clip" }
                    }
                }
                @for line in unperceived(facts.senses) { p class="soft" { (line) } }
                p { button type="submit" { "Ask" } }
            }
            p id="status" role="status" {}
            p id="problem" class="notice" role="alert" hidden="hidden" {}
        }
    }
}

/// What a clip cannot give.
fn unperceived(senses: &Senses) -> Vec<String> {
    let modalities = [Modality::Audio, Modality::Video];
    let lacking = modalities.map(|modality| (modality, senses.lacks(modality)));
    let mut lines: Vec<String> = lacking
        .iter()
        .filter_map(|(modality, reason)| {
            let reason = reason.as_ref()?;
            let name = modality.name();
            Some(format!(
                "No {name} is made of a clip: {reason}, in a POST to /predict."
            ))
        })
        .collect();
    let deaf = !senses.makes(Modality::Audio) && senses.lacks(Modality::Audio).is_none();
    if deaf {
        lines.push("This run was trained without audio.".to_owned());
    }
    lines
}

/// The turns on one side, of which the model reads at most `most`.
fn turns(side: &str, title: &str, most: usize) -> Markup {
    html! {
        @if most > 0 {
            fieldset id=(side) data-most=(most) {
                legend { (title) ", at most " (most) @if most == 1 { " turn" } @else { " turns" } }
                div class="turns" {}
                button type="button" class="add" { "Add a turn" }
            }
        }
    }
}

/// Empty sections that the script fills.
fn results(facts: &Facts<'_>) -> Markup {
    let section = |id: &str, title: &str, empty: &str| {
        html! {
            section id=(id) aria-labelledby=(format!("{id}-title")) {
                h2 id=(format!("{id}-title")) { (title) }
                div class="result" aria-live="polite" { p class="soft" { (empty) } }
            }
        }
    };
    let nearest = match facts.neighbours {
        true => "Nothing was asked yet.",
        false => {
            "The run has no label tables with embeddings, or their sentence encoder is not here: the program's messages say which."
        }
    };
    let context = match facts.context {
        (0, 0) => "Nothing was asked yet. This run reads utterances without their context.",
        _ => "Nothing was asked yet.",
    };
    html! {
        (section("answer", "Answer", "Nothing was asked yet.")) "\n"
        (section("context", "What mattered", context)) "\n"
        (section("nearest", "Nearest training utterances", nearest))
    }
}
