//! The page of `--html`: it needs nobody but its clip, fits every screen, holds texts as texts, and follows what is played.

use std::fs;

use serde_json::json;

use super::{at, world};
use crate::chromium::{SCREENS, axe, chromium};
use crate::run::answers;

#[test]
fn the_page_holds_every_caption_as_text() {
    let out = world().path("page.html");
    let arguments = [
        "--clip",
        &at("a.wav"),
        "--transcript",
        &at("a.srt"),
        "--html",
        &at("page.html"),
    ];
    let found = answers(&world().predict(&arguments));
    let html = fs::read_to_string(&out).unwrap();
    assert_eq!(html.matches("class=\"seek\"").count(), found.len());
    assert!(
        html.contains("&lt;img src=x onerror=alert(1)&gt; gone"),
        "escaped"
    );
    assert!(!html.contains("<img"));
    assert!(
        html.contains("src=\"./a.wav\""),
        "the clip lies beside the page"
    );
    assert!(
        html.contains("2 of 4 answered without audio")
            || html.contains("1 of 4 answered without audio")
    );
    let test = "the_page_holds_every_caption_as_text";
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let (url, axe) = (
        format!("file://{}", out.canonicalize().unwrap().display()),
        axe(test),
    );
    for screen in SCREENS {
        chromium.show(screen.0, screen.1);
        chromium.visit(&url);
        chromium.assert_fits(screen);
        if let Some(axe) = &axe {
            chromium.assert_accessible(axe, screen);
        }
        chromium.keep("clip", screen);
    }
    assert_eq!(
        chromium.value("document.querySelectorAll('img, main b b').length"),
        json!(0)
    );
    let played = "new Promise(done => { const p = document.querySelector('.player'), say = () => done(Math.round(p.duration)); \
        p.readyState ? say() : (p.addEventListener('loadedmetadata', say), p.addEventListener('error', () => done(p.error.message))); })";
    assert_eq!(chromium.value(played), json!(3));
    let followed = "new Promise(done => { const p = document.querySelector('.player'); p.addEventListener('seeked', () => setTimeout(() => \
        done([...document.querySelectorAll('.captions tbody tr')].findIndex(row => row.hasAttribute('aria-current'))), 50)); p.currentTime = 1.5; })";
    assert_eq!(chromium.value(followed), json!(1));
    assert!(chromium.complaints.is_empty(), "{:?}", chromium.complaints);
}
