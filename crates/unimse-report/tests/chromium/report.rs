//! What tests ask of the page of a report: its pictures, its error browser, how soon it is seen.

use std::path::Path;

use serde_json::json;

use super::Chromium;

pub(crate) const SHOWN: &str = "document.querySelectorAll('#utterance-rows tr[data-at]').length";
pub(crate) const COUNT: &str = "document.getElementById('utterance-count').textContent";
/// What is open, a moment later: the page hears of another fragment after the key that set it.
pub(crate) const DETAILS: &str = "new Promise(done => setTimeout(() => done(document.querySelector('.details')?.textContent ?? ''), 50))";
pub(crate) const FOCUSED: &str = "document.activeElement.textContent";

/// Pictures with a name, their smallest width and height, the smallest letters as drawn, and the most that reaches beyond a picture, in pixels.
const PICTURES: &str = r"(() => {
    const all = [...document.querySelectorAll('svg[role=img]')], boxes = all.map(svg => svg.getBoundingClientRect());
    const letters = all.flatMap(svg => [...svg.querySelectorAll('text')].map(text =>
        parseFloat(getComputedStyle(text).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width));
    const beyond = all.flatMap(svg => [...svg.querySelectorAll('text, rect, circle, path')].map(part => {
        const [inner, outer] = [part.getBoundingClientRect(), svg.getBoundingClientRect()];
        const over = inner.width ? Math.max(outer.left - inner.left, inner.right - outer.right) : 0;
        return [over, `${svg.getAttribute('aria-label').slice(0, 40)}: ${part.outerHTML}`];
    })).sort((a, b) => b[0] - a[0]);
    return {
        named: all.filter(svg => svg.getAttribute('aria-label').length > 20).length, all: all.length,
        width: Math.min(...boxes.map(box => box.width)), height: Math.min(...boxes.map(box => box.height)),
        letters: Math.min(...letters), beyond: beyond[0][0], worst: beyond[0][1],
    };
})()";

/// Milliseconds in which something of a page is seen.
const SOON: f64 = 1_000.0;

/// Milliseconds from the start of loading until something of the page is seen.
const PAINTED: &str = "new Promise(done => new PerformanceObserver(list => list.getEntriesByName('first-contentful-paint').forEach(e => done(e.startTime))).observe({type: 'paint', buffered: true}))";

impl Chromium {
    /// Fails where the page has fewer than `least` pictures, a figure without one, or a picture without name or size, with letters that cannot be read or
    /// parts beyond its edge.
    pub(crate) fn assert_pictures(&mut self, least: u32) {
        let seen = self.value(PICTURES);
        let number = |name: &str| seen[name].as_f64().unwrap();
        assert!(number("all") >= f64::from(least), "{seen}");
        assert_eq!(seen["named"], seen["all"]);
        assert!(
            number("width") >= 300.0 && number("height") >= 40.0,
            "{seen}"
        );
        assert!(number("letters") >= 10.0, "{seen}");
        assert!(number("beyond") <= 4.0, "{seen}");
        let empty = "[...document.querySelectorAll('figure')].filter(f => !f.querySelector('svg[role=img]')).length";
        assert_eq!(self.value(empty), json!(0));
    }

    /// Sets these filters of the error browser alone.
    pub(crate) fn filter(&mut self, fields: &[(&str, &str)]) {
        let set: String = (fields.iter())
            .map(|(name, value)| format!("form.elements[{name:?}].value = {value:?};"))
            .collect();
        let form = "const form = document.getElementById('utterance-filters'); form.reset();";
        let input = "form.dispatchEvent(new Event('input'))";
        self.value(&format!("{{ {form} {set} {input} }}"));
    }

    /// Fails where nothing of the page is seen within a second of loading, in the best of five tries: what else the machine does slows some.
    pub(crate) fn assert_soon_seen(&mut self, page: &Path) {
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            self.open(page, "");
            best = best.min(self.value(PAINTED).as_f64().unwrap());
            if best < SOON {
                break;
            }
        }
        eprintln!(
            "{}: first contentful paint after {best:.0} ms",
            page.display()
        );
        assert!(best < SOON, "{best} ms");
    }

    /// Opens whatever is folded.
    pub(crate) fn unfold(&mut self) {
        self.value("document.querySelectorAll('details').forEach(d => { d.open = true; })");
    }
}
