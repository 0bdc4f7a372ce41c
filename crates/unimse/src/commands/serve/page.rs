//! The page: a form for an utterance, its context and a wave file, and what `POST /explain` says of it.

use std::path::Path;

use hyper::header::HeaderValue;
use maud::{Markup, PreEscaped, html};
use unimse_media::mel::MelSettings;
use unimse_report::{ELEMENTS, Frame};

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
    /// Acoustic features a step that it reads.
    pub(super) audio: Vec<usize>,
    /// Whether nearest training utterances can be shown.
    pub(super) neighbours: bool,
}

impl Facts<'_> {
    /// Whether the model reads what a wave file becomes.
    fn hears(&self) -> bool {
        self.audio.contains(&MelSettings::default().bands)
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
                @if facts.hears() {
                    p { label { "Audio, a .wav file of at most a minute " input type="file" name="wav" accept=".wav,audio/wav,audio/x-wav"; } }
                    p id="hear" hidden="hidden" {
                        span id="wave" {}
                        audio controls="controls" aria-label="The chosen file" {} " "
                        button type="button" id="no-wav" { "Without audio" }
                    }
                } @else {
                    p class="soft" { (unheard(&facts.audio)) }
                }
                p { button type="submit" { "Ask" } }
            }
            p id="status" role="status" {}
            p id="problem" class="notice" role="alert" hidden="hidden" {}
        }
    }
}

/// Why there is no place for a wave file.
fn unheard(audio: &[usize]) -> String {
    match audio {
        [] => "This run was trained without audio.".to_owned(),
        dims => {
            let dims: Vec<String> = dims.iter().map(usize::to_string).collect();
            format!(
                "This run reads audio features of {} numbers a step, which are not made from wave files here; POST /predict takes them.",
                dims.join(" or ")
            )
        }
    }
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
