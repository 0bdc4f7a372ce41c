//! SubRip: a number, a line of times, lines of text, an empty line.

use super::{Caption, Wrong, marks, times};

/// Reads captions. Text goes on until the next line of times, across empty lines that some programs leave in it.
pub(super) fn parse(text: &str) -> Result<Vec<Caption>, Wrong> {
    let mut captions: Vec<(f64, f64)> = Vec::new();
    let mut words: Vec<Vec<&str>> = Vec::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.contains(times::ARROW) {
            captions.push(times::parse(line, number)?);
            drop_number(words.last_mut());
            words.push(Vec::new());
        } else if let Some(words) = words.last_mut() {
            words.push(line);
        } else if !(line.is_empty() || is_number(line)) {
            let expected = "a line of times such as 00:00:01,000 --> 00:00:02,500";
            return Err(Wrong::line(number, expected, line));
        }
    }
    let captions = captions.into_iter().zip(words);
    let spoken = captions.flat_map(|((start_s, end_s), words)| {
        let voices = marks::voices(&words.join("\n")).into_iter();
        voices.map(move |(speaker, text)| Caption {
            start_s,
            end_s,
            speaker,
            text,
        })
    });
    Ok(spoken.collect())
}

/// Takes away the number of the next caption, behind an empty line or alone.
fn drop_number(words: Option<&mut Vec<&str>>) {
    if let Some(words) = words
        && words.last().is_some_and(|line| is_number(line))
        && words
            .len()
            .checked_sub(2)
            .is_none_or(|at| words[at].is_empty())
    {
        words.pop();
    }
}

fn is_number(line: &str) -> bool {
    !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
}
