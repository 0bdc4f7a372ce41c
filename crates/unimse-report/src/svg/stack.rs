//! Shares of a whole: one bar a row, cut into its parts.

use maud::{Markup, html};

use super::{PALETTE, WIDTH, picture, px, short};
use crate::metric;

const LEFT: f64 = 122.0;
const TOP: f64 = 26.0;
const ROW: f64 = 26.0;
const THICK: f64 = 17.0;
/// A share from which its part has room for a number.
const PRINTED: f64 = 0.14;

/// One part of a bar.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) amount: f64,
    /// Index into the palette.
    pub(crate) colour: usize,
    /// The amount as it is printed.
    pub(crate) shown: String,
}

/// One bar.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) name: String,
    pub(crate) parts: Vec<Part>,
}

/// The bars, each of the full width; rows without any amount are left out, `None` where none is left.
pub(crate) fn stacked_bars(title: &str, stacks: &[Stack]) -> Option<Markup> {
    let whole = |stack: &Stack| stack.parts.iter().map(|p| p.amount).sum::<f64>();
    let rows: Vec<(&Stack, f64)> = (stacks.iter())
        .map(|stack| (stack, whole(stack)))
        .filter(|(_, whole)| *whole > 0.0 && whole.is_finite())
        .collect();
    if rows.is_empty() {
        return None;
    }
    let said = |stack: &Stack, part: &Part, share: f64| {
        let share = metric::number(100.0 * share, 1);
        format!("{}, {}: {} ({share} %)", stack.name, part.name, part.shown)
    };
    let mut says = Vec::new();
    for (stack, whole) in &rows {
        says.extend(filled(stack).map(|part| said(stack, part, part.amount / whole)));
    }
    let content = html! {
        @for (row, (stack, whole)) in rows.iter().enumerate() {
            @let y = TOP + ROW * row as f64;
            text class="label end" x=(px(LEFT - 10.0)) y=(px(y + THICK / 2.0 + 4.0)) { (short(&stack.name, 17)) }
            @for (part, from) in filled(stack).zip(starts(stack)) {
                @let share = part.amount / whole;
                @let (x, width) = (LEFT + from / whole * (WIDTH - LEFT), share * (WIDTH - LEFT));
                g {
                    title { (said(stack, part, share)) }
                    rect class=(format!("fill c{}", part.colour % PALETTE)) x=(px(x)) y=(px(y)) width=(px(width)) height=(px(THICK)) {}
                    @if share >= PRINTED {
                        text class=(format!("small middle on-c{}", part.colour % PALETTE)) x=(px(x + width / 2.0)) y=(px(y + THICK / 2.0 + 4.0)) { (metric::number(100.0 * share, 0)) " %" }
                    }
                }
            }
        }
    };
    let height = TOP + ROW * rows.len() as f64;
    Some(picture(title, &says.join("; "), height, &content))
}

fn filled(stack: &Stack) -> impl Iterator<Item = &Part> {
    stack.parts.iter().filter(|part| part.amount > 0.0)
}

/// Where each part begins, in amounts.
fn starts(stack: &Stack) -> impl Iterator<Item = f64> {
    filled(stack).scan(0.0, |from, part| {
        let start = *from;
        *from += part.amount;
        Some(start)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn parts_fill_the_bar_in_their_proportion() {
        let part = |amount: f64, colour| Part {
            name: format!("part {colour}"),
            amount,
            colour,
            shown: amount.to_string(),
        };
        let stack = |parts| Stack {
            name: "a<b".to_owned(),
            parts,
        };
        let stacks = [
            stack(vec![part(3.0, 0), part(0.0, 1), part(1.0, 2)]),
            stack(vec![part(0.0, 0)]),
        ];
        let svg = stacked_bars("labels", &stacks).unwrap().into_string();
        let tree = roxmltree::Document::parse(&svg).unwrap();
        let rects: Vec<_> = tree
            .descendants()
            .filter(|n| n.has_tag_name("rect"))
            .collect();
        let number = |i: usize, name| rects[i].attribute(name).unwrap().parse::<f64>().unwrap();
        assert_eq!(rects.len(), 2);
        let room = WIDTH - LEFT;
        assert!((number(0, "width") - 0.75 * room).abs() < 0.1);
        assert!((number(1, "x") - (LEFT + 0.75 * room)).abs() < 0.1);
        assert!(svg.contains("part 2: 1 (25.0 %)"), "{svg}");
        assert!(stacked_bars("labels", &stacks[1..]).is_none());
    }
}
