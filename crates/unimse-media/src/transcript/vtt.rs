//! WebVTT (W3C): a header, then blocks between empty lines: cues, notes, styles and regions.

use super::{Caption, Wrong, marks, times};

/// The first word of the header.
const HEADER: &str = "WEBVTT";
/// First words of blocks that hold no caption.
const OTHERS: [&str; 3] = ["NOTE", "STYLE", "REGION"];

/// Whether a text begins as WebVTT does.
pub(super) fn is_vtt(text: &str) -> bool {
    let rest = text.strip_prefix(HEADER);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n']))
}

/// Reads the cues; one in which several voices speak gives a caption each.
pub(super) fn parse(text: &str) -> Result<Vec<Caption>, Wrong> {
    let lines: Vec<(usize, &str)> = (1..).zip(text.lines().map(str::trim)).collect();
    let blocks = lines.split(|(_, line)| line.is_empty());
    let mut captions = Vec::new();
    for block in blocks.skip(1).filter(|block| !block.is_empty()) {
        let first = block[0].1.split_whitespace().next().unwrap_or_default();
        if OTHERS.contains(&first) && !block[0].1.contains(times::ARROW) {
            continue;
        }
        // the line before the times is the cue's own name
        let named = block
            .get(1)
            .is_some_and(|(_, line)| line.contains(times::ARROW));
        let at = usize::from(named && !block[0].1.contains(times::ARROW));
        let (start_s, end_s) = times::parse(block[at].1, block[at].0)?;
        let words: Vec<&str> = block[at + 1..].iter().map(|(_, line)| *line).collect();
        for (speaker, text) in marks::voices(&words.join("\n")) {
            captions.push(Caption {
                start_s,
                end_s,
                speaker,
                text,
            });
        }
    }
    Ok(captions)
}
