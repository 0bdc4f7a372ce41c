//! The answers of a clip over time: the score with its middle, and the probability of every class.

use maud::{Markup, html};
use unimse_run::{Answer, Classes};

use super::{clock, times};

/// Width of a figure.
const WIDTH: f64 = 760.0;
/// Where time begins: to the left stand names.
const LEFT: f64 = 90.0;
/// Where it ends.
const RIGHT: f64 = WIDTH - 12.0;
/// Height of a class.
const ROW: f64 = 22.0;
/// Height of the scores.
const SCORES: f64 = 150.0;
/// Room for the seconds.
const FOOT: f64 = 26.0;

/// A stretch of time.
struct Axis {
    from: f64,
    to: f64,
}

impl Axis {
    fn x(&self, seconds: f64) -> f64 {
        let share = (seconds - self.from) / (self.to - self.from).max(1e-3);
        LEFT + (RIGHT - LEFT) * share.clamp(0.0, 1.0)
    }

    /// Seconds to be written below: a handful of round ones.
    fn ticks(&self) -> Vec<f64> {
        let steps = [0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1_800.0];
        let length = self.to - self.from;
        let step = steps.into_iter().find(|step| length / step <= 8.0);
        let step = step.unwrap_or(length / 8.0);
        let first = (self.from / step).ceil() as u64;
        let ticks = (first..).map(|n| n as f64 * step);
        ticks.take_while(|tick| *tick <= self.to).take(12).collect()
    }
}

/// An answer that has its time.
type Timed<'a> = (f64, f64, &'a Answer);

/// The figures of a clip; nothing where no row says when it is said.
pub(super) fn figures(answers: &[&Answer]) -> Markup {
    let timed: Vec<Timed<'_>> = answers
        .iter()
        .filter_map(|answer| times(answer).map(|(from, to)| (from, to, *answer)))
        .collect();
    let from = timed
        .iter()
        .map(|(from, ..)| *from)
        .fold(f64::INFINITY, f64::min);
    let to = timed.iter().map(|(_, to, _)| *to).fold(0.0, f64::max);
    let axis = Axis { from, to };
    let classes: [(&str, Choice); 3] = [
        ("Polarity", |answer| Some(&answer.polarity)),
        ("Emotions of MELD", |answer| answer.meld.as_ref()),
        ("Emotions of IEMOCAP", |answer| answer.iemocap.as_ref()),
    ];
    html! {
        @if !timed.is_empty() {
            @if timed.iter().any(|(_, _, answer)| answer.intensity.is_some()) { (scores(&axis, &timed)) }
            @for (title, choice) in classes {
                @if timed.iter().any(|(_, _, answer)| choice(answer).is_some()) { (probabilities(&axis, &timed, title, choice)) }
            }
        }
    }
}

/// A field of an answer.
type Choice = for<'a> fn(&'a Answer) -> Option<&'a Classes>;

/// A figure of `height` with its times; a line shows what is played.
fn figure(axis: &Axis, height: f64, title: &str, words: &str, inside: &Markup) -> Markup {
    let label = format!("{title}, from {} to {}", clock(axis.from), clock(axis.to));
    let whole = height + FOOT;
    html! {
        figure class="curve" {
            figcaption { b { (title) ". " } (words) }
            div class="scroll" tabindex="0" role="group" aria-label=(label) {
                svg viewBox=(format!("0 0 {WIDTH} {whole}")) role="img" aria-label=(label)
                    data-from=(axis.from) data-to=(axis.to) data-left=(LEFT) data-right=(RIGHT) {
                    (inside)
                    line class="axis" x1=(LEFT) x2=(RIGHT) y1=(height) y2=(height) {}
                    @for tick in axis.ticks() {
                        text class="tick middle" x=(axis.x(tick)) y=(height + 17.0) { (clock(tick)) }
                    }
                    line class="guide now" x1=(LEFT) x2=(LEFT) y1="0" y2=(height) visibility="hidden" {}
                }
            }
        }
    }
}

fn scores(axis: &Axis, timed: &[Timed<'_>]) -> Markup {
    let y = |score: f32| 8.0 + (SCORES - 16.0) * (3.0 - f64::from(score)) / 6.0;
    let scored = timed
        .iter()
        .filter_map(|(from, to, answer)| Some((*from, *to, answer.intensity?)));
    let scored: Vec<_> = scored.collect();
    let path: String = scored
        .iter()
        .flat_map(|(from, to, score)| [(*from, score.value), (*to, score.value)])
        .zip(std::iter::once('M').chain(std::iter::repeat('L')))
        .map(|((seconds, value), command)| {
            format!("{command}{:.1},{:.1}", axis.x(seconds), y(value))
        })
        .collect();
    let inside = html! {
        @for score in -3..=3_i8 {
            @let score = f32::from(score);
            line class=(if score == 0.0 { "axis" } else { "grid" }) x1=(LEFT) x2=(RIGHT) y1=(y(score)) y2=(y(score)) {}
            text class="tick end" x=(LEFT - 8.0) y=(y(score) + 4.0) { (format!("{score:+.0}").replace('-', "−").replace("+0", "0")) }
        }
        @for (from, to, score) in &scored {
            rect class="band c0" x=(axis.x(*from)) width=(width(axis, *from, *to)) y=(y(score.high)) height=((y(score.low) - y(score.high)).max(1.0)) {
                title { (clock(*from)) ": " (format!("{:+.2}", score.value)) ", from " (format!("{:+.2}", score.low)) " to " (format!("{:+.2}", score.high)) }
            }
        }
        path class="line c0" d=(path) {}
    };
    let words = "The score of every utterance, and where 80 % of its distribution lie.";
    figure(axis, SCORES, "Intensity", words, &inside)
}

fn width(axis: &Axis, from: f64, to: f64) -> f64 {
    (axis.x(to) - axis.x(from)).max(1.5)
}

fn probabilities(axis: &Axis, timed: &[Timed<'_>], title: &str, choice: Choice) -> Markup {
    let mut names: Vec<&str> = Vec::new();
    for (_, _, answer) in timed {
        let known = choice(answer)
            .into_iter()
            .flat_map(|classes| classes.probabilities.iter());
        for (name, _) in known {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let inside = html! {
        @for (at, name) in names.iter().enumerate() {
            @let y = at as f64 * ROW;
            text class="name end" x=(LEFT - 8.0) y=(y + 15.0) { (name) }
            @for (from, to, answer) in timed {
                @if let Some(classes) = choice(answer) {
                    @let p = classes.probabilities.get(name).copied().unwrap_or_default();
                    rect class=(if classes.label == *name { "fill c0 chosen" } else { "fill c0" }) fill-opacity=(format!("{p:.3}"))
                        x=(axis.x(*from)) width=(width(axis, *from, *to)) y=(y + 2.0) height=(ROW - 4.0) {
                        title { (clock(*from)) ": " (name) " " (format!("{:.1} %", 100.0 * p)) }
                    }
                }
            }
        }
    };
    let words = "The darker, the more probable; what was answered has a frame.";
    figure(axis, names.len() as f64 * ROW, title, words, &inside)
}
