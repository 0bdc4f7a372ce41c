//! The page in a headless Chromium: it asks, shows and plays, fits every screen, and asks nobody but the server.

use serde_json::json;

use super::client::Server;
use super::{run_with_encoder, tone};
use crate::chromium::{Chromium, SCREENS, axe, chromium};

/// Fills in the form as a reader would: two turns, a text with markup, a wave file; and asks.
fn ask(chromium: &mut Chromium) {
    let script = r##"(async () => {
        const form = document.getElementById("row");
        for (const side of form.querySelectorAll("fieldset")) side.querySelector(".add").click();
        const turn = document.querySelector("#before .turn");
        turn.querySelector("[name=by]").value = "Ross";
        turn.querySelector("[name=said]").value = "<i>we were on a break</i> & so on and on ".repeat(5);
        document.querySelector("#after .turn [name=said]").value = "no";
        form.elements.speaker.value = "Rachel";
        form.elements.text.value = "</script><img src=x onerror=alert(1)> that is " + "great".repeat(40);
        const bytes = Uint8Array.from(atob("TONE"), c => c.charCodeAt(0)), chosen = new DataTransfer();
        chosen.items.add(new File([bytes], "tone.wav", { type: "audio/wav" }));
        form.elements.clip.files = chosen.files;
        form.elements.clip.dispatchEvent(new Event("change"));
        form.requestSubmit();
        for (let i = 0; i < 500 && !document.getElementById("status").textContent.startsWith("Answered"); i++) await new Promise(done => setTimeout(done, 20));
        return document.getElementById("status").textContent + document.getElementById("problem").textContent;
    })()"##;
    let status = chromium.value(&script.replace("TONE", &tone()));
    assert!(
        status.as_str().unwrap().starts_with("Answered: "),
        "{status}"
    );
}

#[test]
fn the_page_asks_and_shows_what_the_answer_rests_on() {
    let test = "the_page_asks_and_shows_what_the_answer_rests_on";
    let Some(mut chromium) = chromium(test) else {
        return;
    };
    let (run, _encoder) = run_with_encoder("shown");
    let server = Server::start(&run, &["--with-text"]);
    let url = format!("http://{}/", server.address);
    let axe = axe(test);
    for screen in SCREENS {
        chromium.show(screen.0, screen.1);
        chromium.visit(&url);
        chromium.assert_fits(screen);
        ask(&mut chromium);
        chromium.assert_fits(screen);
        if let Some(axe) = &axe {
            chromium.assert_accessible(axe, screen);
        }
        chromium.assert_quiet(&url);
        chromium.keep("serve", screen);
    }
    let asked = "performance.getEntriesByType('resource').map(e => new URL(e.name).pathname).filter(p => p != '/').slice(-2)";
    assert_eq!(chromium.value(asked), json!(["/predict", "/explain"]));
    let count = |selector: &str| format!("document.querySelectorAll('{selector}').length");
    let classes = chromium.value(&count("#answer .chances tr"));
    assert_eq!(classes, json!(3 + 7 + 6), "polarity, MELD, IEMOCAP");
    assert!(chromium.value(&count("#answer svg rect")).as_u64().unwrap() > 10);
    let fill = "getComputedStyle(document.querySelector('#answer svg rect')).fill";
    assert_ne!(chromium.value(fill), json!("rgb(0, 0, 0)"), "dark on dark");
    assert_eq!(chromium.value(&count("#nearest tbody tr")), json!(8));
    let mattered = chromium.value("document.querySelector('#context table').textContent");
    for part in ["Ross: <i>we were on a break</i>", "after 1: no", "audio"] {
        assert!(
            mattered.as_str().unwrap().contains(part),
            "{part} not in {mattered}"
        );
    }
    assert_eq!(
        chromium.value(&count("img, main i")),
        json!(0),
        "text is no markup"
    );
    // the file is heard, by the browser itself
    let drawn = "new Promise(done => { const look = () => { const svg = document.querySelector('#wave svg'); \
        svg ? done(svg.getAttribute('aria-label')) : setTimeout(look, 20); }; look(); })";
    let wave = chromium.value(drawn);
    assert_eq!(wave, json!("Waveform of the chosen file, 0.5 seconds"));
    let tall = "document.querySelector('#wave path').getBBox().height";
    assert!(chromium.value(tall).as_f64().unwrap() > 30.0, "a tone");
    let heard = "new Promise(done => { const a = document.querySelector('audio'), say = () => done(a.duration); a.readyState ? say() : a.addEventListener('loadedmetadata', say); })";
    assert_eq!(chromium.value(heard), json!(0.5));
}

#[test]
fn the_page_says_what_is_wrong() {
    let Some(mut chromium) = chromium("the_page_says_what_is_wrong") else {
        return;
    };
    let (run, _encoder) = run_with_encoder("wrong");
    let mut server = Server::start(&run, &[]);
    let url = format!("http://{}/", server.address);
    chromium.visit(&url);
    let problem = "new Promise(done => { document.getElementById('row').requestSubmit(); const look = () => { const p = document.getElementById('problem'); \
        const idle = !document.querySelector('[type=submit]').disabled; p.hidden || !idle ? setTimeout(look, 20) : done(p.textContent); }; setTimeout(look, 50); })";
    let found = chromium.value(problem);
    assert!(
        found.as_str().unwrap().contains("expected words"),
        "{found}"
    );
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    let found = chromium.value(problem);
    assert!(
        found.as_str().unwrap().contains("does not answer"),
        "{found}"
    );
}
