//! `--html`: one page of the answers to clips, each with a player, the answers over time, its captions, and what each answer rests on.

mod chart;
mod table;

use std::path::Path;

use anyhow::Result;
use maud::{Markup, PreEscaped, html};
use unimse_report::{ELEMENTS, Frame};
use unimse_run::{Answer, artefact};

/// The script, behind the functions that it shares with the report.
const SCRIPT: &str = include_str!("page.js");
/// What the page has beyond the report.
const STYLE: &str = include_str!("page.css");
/// Endings of files that are played with a picture.
const PICTURES: [&str; 7] = ["mp4", "m4v", "mov", "webm", "mkv", "avi", "3gp"];

/// The answers to the rows of one clip, in their order.
struct Scene<'a> {
    /// The clip, as the rows name it.
    name: &'a str,
    answers: Vec<&'a Answer>,
}

/// Writes the page of those of `answers` whose rows name a clip, relative to `folder`.
///
/// # Errors
/// The page cannot be written.
pub(super) fn write(path: &Path, run: &Path, folder: &Path, answers: &[Answer]) -> Result<()> {
    let scenes = scenes(answers);
    let script = format!("{ELEMENTS}{SCRIPT}");
    let run = run.file_name().unwrap_or(run.as_os_str()).to_string_lossy();
    let subtitle = format!("Answers of run “{run}”");
    let frame = Frame {
        title: "UniMSE: answers to clips",
        subtitle: &subtitle,
        id: "clips",
        skip: "Skip to the first clip",
        contents: html! {
            @for (at, scene) in scenes.iter().enumerate() { li { a href=(format!("#clip-{at}")) { (scene.name) } } }
        },
        main: html! {
            @for (at, scene) in scenes.iter().enumerate() { (section(at, scene, &address(path, &folder.join(scene.name)))) "\n" }
            script { (PreEscaped(&script)) }
        },
        footer: "A label is a guess about how the utterance would be annotated in the data sets that the run was trained on, not about what somebody feels. The page holds what is said in the clips; they are played from where they lie.",
        script: Some(&script),
        style: STYLE,
        allowed: &["media-src 'self' file: blob:"],
    };
    Ok(artefact::write(path, frame.render().as_bytes())?)
}

/// The answers by clip, in the order of their first rows.
fn scenes(answers: &[Answer]) -> Vec<Scene<'_>> {
    let mut scenes: Vec<Scene<'_>> = Vec::new();
    for answer in answers {
        let Some(name) = answer.extra.get("clip").and_then(|name| name.as_str()) else {
            continue;
        };
        match scenes.iter_mut().find(|scene| scene.name == name) {
            Some(scene) => scene.answers.push(answer),
            None => scenes.push(Scene {
                name,
                answers: vec![answer],
            }),
        }
    }
    scenes
}

/// A column of seconds of an answer's row.
fn seconds(answer: &Answer, column: &str) -> Option<f64> {
    answer.extra.get(column)?.as_f64()
}

/// Where an answer's utterance begins and ends, if its row says so.
fn times(answer: &Answer) -> Option<(f64, f64)> {
    seconds(answer, "start_s").zip(seconds(answer, "end_s"))
}

/// `1:02.5`.
fn clock(seconds: f64) -> String {
    let tenths = (seconds * 10.0).round() as u64;
    format!("{}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

fn section(at: usize, scene: &Scene<'_>, address: &str) -> Markup {
    let id = format!("clip-{at}");
    let ending = Path::new(scene.name).extension().and_then(|e| e.to_str());
    let shows = ending.is_some_and(|ending| PICTURES.contains(&ending.to_lowercase().as_str()));
    let label = format!("The clip {}", scene.name);
    html! {
        section id=(id) class="scene" aria-labelledby=(format!("{id}-title")) {
            h2 id=(format!("{id}-title")) { (scene.name) }
            @if shows {
                video class="player" controls="controls" preload="metadata" src=(address) aria-label=(label) {}
            } @else {
                audio class="player" controls="controls" preload="metadata" src=(address) aria-label=(label) {}
            }
            p class="missing notice" hidden="hidden" {
                "The browser cannot play the clip from where it lay. " label { "Choose it: " input type="file" accept="audio/*,video/*"; }
            }
            (chart::figures(&scene.answers))
            (absent(&scene.answers))
            (table::captions(&scene.answers))
        }
    }
}

/// Which modalities were not read, how often and why.
fn absent(answers: &[&Answer]) -> Markup {
    let mut reasons: Vec<((&str, &str), usize)> = Vec::new();
    let absent = answers
        .iter()
        .flat_map(|answer| answer.rests_on.iter().flat_map(|rests| rests.absent.iter()));
    for (modality, reason) in absent {
        match reasons
            .iter_mut()
            .find(|(known, _)| *known == (modality, reason.as_str()))
        {
            Some((_, count)) => *count += 1,
            None => reasons.push(((modality, reason), 1)),
        }
    }
    html! {
        @for ((modality, reason), count) in reasons {
            p class="notice" { (count) " of " (answers.len()) " answered without " (modality) ": " (reason) "." }
        }
    }
}

/// The address by which the page at `page` finds `clip`: relative where it lies beside or below the page.
fn address(page: &Path, clip: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let whole = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| absolute(path));
    let folder = absolute(page).parent().map(whole).unwrap_or_default();
    let clip = whole(clip);
    match clip.strip_prefix(&folder) {
        Ok(below) => format!("./{}", encoded(below)),
        Err(_) => format!("file://{}", encoded(&clip)),
    }
}

/// A path in a URL: letters, digits and `/-._~` as they are, every other byte by its number.
fn encoded(path: &Path) -> String {
    let mut url = String::new();
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                url.push(char::from(byte));
            }
            other => url.push_str(&format!("%{other:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_finds_its_clips() {
        let at = |clip: &str| address(Path::new("/p/out.html"), Path::new(clip));
        assert_eq!(at("/p/a b/é#1.mp4"), "./a%20b/%C3%A9%231.mp4");
        assert_eq!(at("/q/a.wav"), "file:///q/a.wav");
        assert_eq!(clock(61.96), "1:02.0");
        assert_eq!(clock(3_600.0), "60:00.0");
    }
}
