//! Marks in the text of captions: voices, styles, characters by name, and names before a colon.

/// Characters that WebVTT and HTML write by name.
const NAMED: [(&str, &str); 7] = [
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&nbsp;", " "),
    ("&lrm;", ""),
    ("&rlm;", ""),
    ("&quot;", "\""),
    ("&amp;", "&"), // last: what it makes is no further name
];
/// Most characters of a speaker's name.
const NAME: usize = 40;
/// Most words of it.
const NAME_WORDS: usize = 4;

/// What each voice says, without marks: `<v Monica>hi</v>` is said by Monica, `<i>`, `<c.loud>`, `<00:01.000>` and `{\an8}` say nothing.
pub(super) fn voices(text: &str) -> Vec<(Option<String>, String)> {
    let mut voices = vec![(None, String::new())];
    let mut rest = text;
    while let Some(at) = rest.find(['<', '{']) {
        let (words, marked) = rest.split_at(at);
        say(&mut voices, words);
        let Some((mark, behind)) = mark(marked) else {
            say(&mut voices, &marked[..1]);
            rest = &marked[1..];
            continue;
        };
        match voice(mark) {
            Some(name) => voices.push((name, String::new())),
            // a mark between two words is no gap in one
            None if mark.starts_with("br") => say(&mut voices, " "),
            None => {}
        }
        rest = behind;
    }
    say(&mut voices, rest);
    let said = voices
        .into_iter()
        .map(|(name, words)| (name, plain(&words)));
    said.filter(|(_, words)| !words.is_empty()).collect()
}

fn say(voices: &mut [(Option<String>, String)], words: &str) {
    if let Some((_, said)) = voices.last_mut() {
        said.push_str(words);
    }
}

/// What a mark at the beginning of `text` holds, and what stands behind it. `a < b` and `<3` are none.
fn mark(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix("{\\") {
        return rest.split_once('}').map(|(_, behind)| ("", behind));
    }
    let rest = text.strip_prefix('<')?;
    let begins = rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/');
    let (mark, behind) = rest.split_once('>').filter(|_| begins)?;
    (!mark.contains('<')).then_some((mark, behind))
}

/// Whose voice begins with a mark: `v Monica` is Monica's, `/v` nobody's; `None` where none begins.
fn voice(mark: &str) -> Option<Option<String>> {
    if mark.trim() == "/v" {
        return Some(None);
    }
    let (tag, name) = mark.split_once([' ', '\t', '\n'])?;
    let is_voice = tag == "v" || tag.starts_with("v.");
    is_voice.then(|| Some(plain(name)).filter(|name| !name.is_empty()))
}

/// Characters instead of their names, one space between words.
fn plain(words: &str) -> String {
    let mut words = words.to_owned();
    if words.contains('&') {
        for (name, character) in NAMED {
            words = words.replace(name, character);
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The name before the first colon, as in `- Monica: hi`, and the words behind it: up to four words that begin with no small letter.
pub(super) fn name_before_colon(text: &str) -> Option<(&str, &str)> {
    let (name, words) = text.split_once(':')?;
    let name = name.trim_start_matches(['-', '–', '>', ' ']).trim_end();
    let is_name = |word: &str| word.starts_with(|c: char| !c.is_lowercase());
    let sound = name.chars().count() <= NAME
        && name.split(' ').count() <= NAME_WORDS
        && name.chars().any(char::is_alphabetic)
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || " .'’_-()&#".contains(c))
        && name.split(' ').all(is_name);
    let said = words.trim();
    (sound && words.starts_with(' ') && !said.is_empty()).then_some((name, said))
}
