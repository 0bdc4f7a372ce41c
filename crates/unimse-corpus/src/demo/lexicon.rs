//! Sentences from the TOML files of `data/demo`: a file is a grammar of named symbols, each a list of ways to say it.

use super::DemoError;
use std::collections::{BTreeMap, HashSet};
use unimse_media::synthetic::Stream;

/// Shortest and longest sentence, in words.
pub(super) const WORDS: std::ops::RangeInclusive<usize> = 5..=16;
/// How deep symbols may stand inside symbols.
const DEPTH: usize = 8;
/// Draws before a sentence that is new and of the right length counts as impossible.
const DRAWS: usize = 400;
/// Share of sentences that begin with an opener ("well,").
const OPENER: f32 = 0.35;

/// A grammar.
pub(super) struct Lexicon {
    file: &'static str,
    symbols: BTreeMap<String, Vec<String>>,
    used: HashSet<String>,
}

impl Lexicon {
    /// Reads the text of `file`.
    pub(super) fn parse(file: &'static str, text: &str) -> Result<Self, DemoError> {
        let symbols = toml::from_str(text).map_err(|error| DemoError::Lexicon {
            file,
            message: error.to_string(),
        })?;
        Ok(Self {
            file,
            symbols,
            used: HashSet::new(),
        })
    }

    /// The ways to say `symbol`.
    pub(super) fn list(&self, symbol: &str) -> Result<&[String], DemoError> {
        match self.symbols.get(symbol) {
            Some(list) if !list.is_empty() => Ok(list),
            _ => Err(self.error(format!("expected a non-empty list {symbol:?}, found none"))),
        }
    }

    /// A sentence of `symbol` that this lexicon has not given before, of [`WORDS`] words, `{name}` replaced by the
    /// symbol that `bindings` gives for it, or else by the symbol `name`.
    pub(super) fn sentence(
        &mut self,
        symbol: &str,
        bindings: &[(&str, &str)],
        random: &mut Stream,
    ) -> Result<String, DemoError> {
        for _ in 0..DRAWS {
            let body = self.expand(symbol, bindings, random, 0)?;
            let opener = if random.chance(OPENER) {
                self.expand("opener", bindings, random, 0)?
            } else {
                String::new()
            };
            let first = |text: &str| {
                text.split([' ', ','])
                    .next()
                    .unwrap_or_default()
                    .to_lowercase()
            };
            let text = if opener.is_empty() || first(&opener) == first(&body) {
                body
            } else {
                format!("{opener} {body}")
            };
            let text = capitalised(&text);
            if WORDS.contains(&text.split_whitespace().count()) && self.used.insert(text.clone()) {
                return Ok(text);
            }
        }
        Err(self.error(format!(
            "{symbol:?} has too few sentences of {} to {} words",
            WORDS.start(),
            WORDS.end()
        )))
    }

    fn expand(
        &self,
        symbol: &str,
        bindings: &[(&str, &str)],
        random: &mut Stream,
        depth: usize,
    ) -> Result<String, DemoError> {
        if depth > DEPTH {
            return Err(self.error(format!("{symbol:?} contains itself")));
        }
        let symbol = bindings
            .iter()
            .find(|(name, _)| *name == symbol)
            .map_or(symbol, |(_, bound)| bound);
        let mut rest = random.pick(self.list(symbol)?).map_or("", String::as_str);
        let mut text = String::new();
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else {
                return Err(self.error(format!("{symbol:?} has an open brace: {rest:?}")));
            };
            text.push_str(before);
            text.push_str(&self.expand(name, bindings, random, depth + 1)?);
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }

    fn error(&self, message: String) -> DemoError {
        DemoError::Lexicon {
            file: self.file,
            message,
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
