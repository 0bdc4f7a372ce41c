//! What a sweep varies, and the configurations it proposes: every combination, or some drawn at random.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::HashSet;

/// A key of the configuration with the values it may take.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) key: String,
    pub(super) values: Values,
}

/// The values of a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Values {
    /// `V1,V2,...`; one alone is fixed.
    List(Vec<String>),
    /// `LOW..HIGH` of whole numbers, both ends included.
    Whole { low: i64, high: i64, log: bool },
    /// `LOW..HIGH` of other numbers.
    Real { low: f64, high: f64, log: bool },
}

impl Axis {
    /// Reads `KEY=V1,V2,...` or `KEY=LOW..HIGH[:log]`. Commas in brackets and quotes are a value's own.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (key, values) = text
            .split_once('=')
            .ok_or_else(|| format!("{text}: expected KEY=V1,V2,... or KEY=LOW..HIGH"))?;
        let range = range(values).map_err(|why| format!("{text}: {why}"))?;
        let values = match range {
            Some(range) => range,
            None => Values::List(split(values)),
        };
        if let Values::List(list) = &values
            && list.iter().any(String::is_empty)
        {
            return Err(format!("{text}: expected values, found an empty one"));
        }
        Ok(Self {
            key: key.to_owned(),
            values,
        })
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> String {
        // 53 bits: uniform in [0, 1)
        let share = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
        let between = |low: f64, high: f64, log: bool| {
            if log {
                (low.ln() + share * (high / low).ln()).exp()
            } else {
                low + share * (high - low)
            }
        };
        match &self.values {
            Values::List(list) => list[(share * list.len() as f64) as usize].clone(),
            Values::Whole { low, high, log } => {
                // each number has the width of one
                let drawn = between(*low as f64, (*high + 1) as f64, *log).floor() as i64;
                drawn.clamp(*low, *high).to_string()
            }
            Values::Real { low, high, log } => {
                format!("{:.3e}", between(*low, *high, *log).clamp(*low, *high))
            }
        }
    }
}

/// `LOW..HIGH[:log]` of two numbers; `None` for what is no such range.
fn range(text: &str) -> Result<Option<Values>, String> {
    let (ends, log) = match text.strip_suffix(":log") {
        Some(ends) => (ends, true),
        None => (text, false),
    };
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| value.is_finite());
    let Some((low, high)) = ends.split_once("..") else {
        return Ok(None);
    };
    let (Some(from), Some(to)) = (number(low), number(high)) else {
        return Ok(None);
    };
    if from >= to {
        return Err("expected LOW below HIGH".to_owned());
    }
    if log && from <= 0.0 {
        return Err("expected LOW above 0 with :log".to_owned());
    }
    Ok(Some(match (low.parse::<i32>(), high.parse::<i32>()) {
        (Ok(low), Ok(high)) => Values::Whole {
            low: low.into(),
            high: high.into(),
            log,
        },
        _ => Values::Real {
            low: from,
            high: to,
            log,
        },
    }))
}

/// The parts between commas that stand in no brackets and quotes.
fn split(text: &str) -> Vec<String> {
    let (mut parts, mut depth, mut quoted) = (vec![String::new()], 0_usize, false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ',' if !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
}

/// One configuration: `key=value`, in the order of the axes.
pub(super) type Proposal = Vec<String>;

/// Every combination, the last axis changing fastest.
///
/// # Errors
/// An axis that is a range.
pub(super) fn grid(axes: &[Axis]) -> Result<Vec<Proposal>, String> {
    let mut proposals = vec![Proposal::new()];
    for axis in axes {
        let Values::List(list) = &axis.values else {
            return Err(format!(
                "{}: a range needs --random; with --grid name its values",
                axis.key
            ));
        };
        let count = proposals.len() * list.len();
        if count > MOST {
            return Err(format!(
                "{}: expected at most {MOST} combinations with --grid, found {count} or more",
                axis.key
            ));
        }
        let mut longer = Vec::with_capacity(count);
        for proposal in &proposals {
            for value in list {
                let mut next = proposal.clone();
                next.push(format!("{}={value}", axis.key));
                longer.push(next);
            }
        }
        proposals = longer;
    }
    Ok(proposals)
}

/// Combinations of a grid, at most.
const MOST: usize = 10_000;
/// How often a configuration is drawn for each that is wanted, before no other is believed to exist.
const TRIES: usize = 100;

/// `count` different configurations, or as many as were found. Each is drawn from a stream of its own, so that a larger `count` begins with the
/// same ones.
pub(super) fn random(axes: &[Axis], count: usize, seed: u64) -> Vec<Proposal> {
    let (mut proposals, mut seen) = (Vec::new(), HashSet::new());
    for stream in 0..count * TRIES {
        if proposals.len() == count {
            break;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream as u64);
        let value = |axis: &Axis| format!("{}={}", axis.key, axis.draw(&mut random));
        let proposal: Proposal = axes.iter().map(value).collect();
        if seen.insert(proposal.clone()) {
            proposals.push(proposal);
        }
    }
    proposals
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    fn axes(texts: &[&str]) -> Vec<Axis> {
        texts
            .iter()
            .map(|text| Axis::parse(text).unwrap())
            .collect()
    }

    #[test]
    fn lists_and_ranges_are_read() {
        let values = |text: &str| Axis::parse(text).unwrap().values;
        let list = |values: &[&str]| Values::List(values.iter().map(|&v| v.to_owned()).collect());
        assert_eq!(values("a.b=1,x,2.5"), list(&["1", "x", "2.5"]));
        assert_eq!(
            values(r#"m=["text","audio"],["text"],"a,b""#),
            list(&[r#"["text","audio"]"#, r#"["text"]"#, r#""a,b""#])
        );
        assert_eq!(values("m=../models/x"), list(&["../models/x"]));
        let whole = Values::Whole {
            low: 1,
            high: 8,
            log: false,
        };
        assert_eq!(values("n=1..8"), whole);
        let real = Values::Real {
            low: 1e-5,
            high: 1e-3,
            log: true,
        };
        assert_eq!(values("r=1e-5..1e-3:log"), real);
        for (text, words) in [
            ("a", "expected KEY="),
            ("a=1,,2", "an empty one"),
            ("a=3..1", "LOW below HIGH"),
            ("a=0..1:log", "above 0 with :log"),
        ] {
            assert!(Axis::parse(text).unwrap_err().contains(words), "{text}");
        }
    }

    #[test]
    fn a_grid_has_every_combination_once() {
        let proposals = grid(&axes(&["a=1,2", "b=x", "c=3,4"])).unwrap();
        let lines: Vec<String> = proposals.iter().map(|p| p.join(" ")).collect();
        assert_eq!(
            lines,
            ["a=1 b=x c=3", "a=1 b=x c=4", "a=2 b=x c=3", "a=2 b=x c=4"]
        );
        assert!(
            grid(&axes(&["a=1..2"]))
                .unwrap_err()
                .contains("needs --random")
        );
    }

    #[test]
    fn random_proposals_follow_seed_bounds_and_prefix() {
        let axes = axes(&["a=1..3", "r=1e-5..1e-1:log", "v=x,y"]);
        let ten = random(&axes, 10, 1);
        assert_eq!(ten, random(&axes, 10, 1));
        assert_ne!(ten, random(&axes, 10, 2));
        assert_eq!(ten[..4], random(&axes, 4, 1));
        let number = |text: &str| text.split_once('=').unwrap().1.parse::<f64>().unwrap();
        let many = random(&axes, 400, 3);
        let mut small = 0;
        for proposal in &many {
            assert!(
                [1.0, 2.0, 3.0].contains(&number(&proposal[0])),
                "{proposal:?}"
            );
            let rate = number(&proposal[1]);
            assert!((1e-5..=1e-1).contains(&rate));
            small += usize::from(rate < 1e-3);
        }
        // half of the logarithms lie below 1e-3: 200, with a standard deviation of 10
        assert!(small.abs_diff(200) < 50, "{small}");
        let few = self::axes(&["a=1,2", "b=x"]);
        assert_eq!(random(&few, 10, 1).len(), 2, "there are two");
    }

    #[test]
    fn a_grid_that_nobody_can_wait_for_is_refused() {
        let hundred: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let axis = |key: &str| format!("{key}={}", hundred.join(","));
        let (a, b) = (axis("a"), axis("b"));
        assert_eq!(grid(&axes(&[&a, &b])).unwrap().len(), 100 * 100);
        let error = grid(&axes(&[&a, &b, "c=1,2"])).unwrap_err();
        assert!(error.contains("c: expected at most 10000"), "{error}");
    }
}
