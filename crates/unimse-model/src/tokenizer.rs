//! Text to token ids: a wrapper of the Hub's `tokenizer.json` that joins an utterance with its context (paper, 3.3).

use std::path::{Path, PathBuf};

use crate::error::{ModelError, Result};

/// Token ids of one input with the segment of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids, special tokens included.
    pub ids: Vec<i64>,
    /// For every token 0 (before), 1 (the current utterance) or 2 (after).
    pub segments: Vec<i64>,
}

/// Ids of several utterances.
type Ids = Vec<Vec<u32>>;

/// A tokenizer of the Hub.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    path: PathBuf,
    /// Ids in front of every input: `[CLS]` for BERT, `<s>` for RoBERTa, none for T5; and those of [`Tokenizer::with_prefix`].
    prefix: Vec<u32>,
    /// Whether text is among `prefix`.
    prefixed: bool,
    /// Id behind the last utterance: `[SEP]` or `</s>`.
    separator: u32,
    /// Ids between two utterances, what the file puts between the halves of a pair: the separator, twice for RoBERTa.
    between: Vec<u32>,
    pad: u32,
}

impl Tokenizer {
    /// Reads `tokenizer.json` of `folder`. Truncation and padding that the file asks for are switched off: lengths are
    /// the caller's business.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(_) if !path.exists() && folder.join("spiece.model").exists() => {
                let message = "not there, and spiece.model alone is not read: let transformers convert it \
                    (AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER))";
                return Err(ModelError::Tokenizer {
                    path,
                    message: message.to_owned(),
                });
            }
            Err(source) => return Err(ModelError::Io { path, source }),
        };
        let fail = |message: String| ModelError::Tokenizer {
            path: path.clone(),
            message,
        };
        let mut inner =
            tokenizers::Tokenizer::from_bytes(bytes).map_err(|e| fail(e.to_string()))?;
        inner
            .with_truncation(None)
            .map_err(|e| fail(e.to_string()))?;
        let pad = inner.get_padding().map(|p| p.pad_id);
        inner.with_padding(None);
        let pad = pad
            .or_else(|| ["[PAD]", "<pad>"].iter().find_map(|t| inner.token_to_id(t)))
            .unwrap_or(0);
        // What the file's own template puts around nothing is what this backbone expects around an input.
        let around = inner.encode("", true).map_err(|e| fail(e.to_string()))?;
        let Some((&separator, prefix)) = around.get_ids().split_last() else {
            return Err(fail(
                "expected a post_processor that ends inputs with a special token, found none"
                    .to_owned(),
            ));
        };
        let pair = inner
            .encode(("", ""), true)
            .map_err(|e| fail(e.to_string()))?;
        let between = pair
            .get_ids()
            .strip_prefix(prefix)
            .and_then(|ids| ids.strip_suffix(&[separator]))
            .filter(|ids| !ids.is_empty())
            .unwrap_or(&[separator])
            .to_vec();
        let prefix = prefix.to_vec();
        Ok(Self {
            inner,
            prefix,
            prefixed: false,
            separator,
            between,
            pad,
            path,
        })
    }

    /// The same tokenizer with `text` in front of every input that it encodes, in segment 0, behind the special token that begins one. It counts
    /// in the tokens of an input, is never cut and must leave one for the utterance. Without words nothing changes.
    ///
    /// # Errors
    /// Text that cannot be encoded.
    pub fn with_prefix(mut self, text: &str) -> Result<Self> {
        let ids = self.raw(text)?;
        self.prefixed |= !ids.is_empty();
        self.prefix.extend(ids);
        Ok(self)
    }

    /// Ids of `text` without special tokens.
    pub fn pieces(&self, text: &str) -> Result<Vec<i64>> {
        Ok(self.raw(text)?.into_iter().map(i64::from).collect())
    }

    /// Ids of `text` between the special tokens of the backbone, at most `max_tokens` in all.
    pub fn encode_text(&self, text: &str, max_tokens: usize) -> Result<Vec<i64>> {
        Ok(self.encode(&[], text, &[], max_tokens)?.ids)
    }

    /// Encodes `current` in its context, utterances joined as the tokenizer joins a pair. `before` and `after` are in the order
    /// of the dialogue.
    ///
    /// Beyond `max_tokens`, context goes first: whole or in part the utterance farthest from the current one, of two
    /// equally far the later. The current utterance loses its end only when no context is left; the prefix stays.
    pub fn encode(
        &self,
        before: &[&str],
        current: &str,
        after: &[&str],
        max_tokens: usize,
    ) -> Result<Encoded> {
        let special = self.prefix.len() + 1;
        // a prefix must leave a token for the utterance; without one, special tokens alone are an input too
        let least = special + usize::from(self.prefixed);
        if max_tokens < least {
            return Err(ModelError::Input(format!(
                "model.max_tokens: expected at least {least}, for the special tokens, model.prefix and the utterance, found {max_tokens}"
            )));
        }
        let room = max_tokens - special;
        let mut current = self.raw(current)?;
        current.truncate(room);
        let (before, after) = self.context(before, after, room - current.len())?;
        let before = before.into_iter().map(|ids| (0, ids));
        let after = after.into_iter().map(|ids| (2, ids));
        let mut utterances: Vec<_> = before.chain([(1, current)]).chain(after).collect();
        // an empty line, or one that did not fit
        utterances.retain(|(segment, ids)| !ids.is_empty() || *segment == 1);
        let last = utterances.len() - 1;
        let mut encoded = Encoded::default();
        let prefix = self.prefix.iter().map(|&id| i64::from(id));
        encoded.ids.extend(prefix);
        if self.prefixed {
            encoded.segments.resize(encoded.ids.len(), 0);
        }
        for (at, (segment, ids)) in utterances.into_iter().enumerate() {
            let end: &[u32] = if at == last {
                &[self.separator]
            } else {
                &self.between
            };
            let ids = ids.iter().chain(end).map(|&id| i64::from(id));
            encoded.ids.extend(ids);
            encoded.segments.resize(encoded.ids.len(), segment);
        }
        Ok(encoded)
    }

    /// What of the context fits into `room` tokens, with what joins it: ids of `before` and of `after`, in the order of the dialogue.
    fn context(&self, before: &[&str], after: &[&str], mut room: usize) -> Result<(Ids, Ids)> {
        let joint = self.between.len();

        // From the inside out; what no longer fits keeps its end next to the current utterance.
        let (mut kept_before, mut kept_after) = (Vec::new(), Vec::new());
        for distance in 0..before.len().max(after.len()) {
            if room <= joint {
                break; // a long dialogue is not read to its end for nothing
            }
            if let Some(text) = before
                .len()
                .checked_sub(distance + 1)
                .and_then(|i| before.get(i))
            {
                let ids = self.raw(text)?;
                let n = fitting(ids.len(), joint, &mut room);
                kept_before.push(ids[ids.len() - n..].to_vec());
            }
            if let Some(text) = after.get(distance) {
                let mut ids = self.raw(text)?;
                ids.truncate(fitting(ids.len(), joint, &mut room));
                kept_after.push(ids);
            }
        }
        kept_before.reverse();
        Ok((kept_before, kept_after))
    }

    /// The text of `ids`, special tokens and unknown ids left out.
    pub fn decode(&self, ids: &[i64]) -> Result<String> {
        let ids: Vec<u32> = ids
            .iter()
            .filter_map(|&id| u32::try_from(id).ok())
            .collect();
        self.inner.decode(&ids, true).map_err(|e| self.fail(e))
    }

    /// The piece with id `id`, as the vocabulary spells it.
    pub fn piece(&self, id: i64) -> Option<String> {
        self.inner.id_to_token(u32::try_from(id).ok()?)
    }

    /// The id of a piece as the vocabulary spells it.
    pub fn id(&self, piece: &str) -> Option<i64> {
        self.inner.token_to_id(piece).map(i64::from)
    }

    /// One more than the largest id, that of padding and of the template included; a model's `vocab_size` must not be smaller.
    pub fn vocabulary(&self) -> i64 {
        let vocabulary = self.inner.get_vocab(true);
        let special = self.prefix.iter().chain([&self.separator, &self.pad]);
        let largest = vocabulary.values().chain(special).max();
        largest.map_or(0, |&id| i64::from(id) + 1)
    }

    /// Id of padding.
    pub fn pad(&self) -> i64 {
        i64::from(self.pad)
    }

    /// Id behind every utterance and every target: `[SEP]` or `</s>`.
    pub fn end(&self) -> i64 {
        i64::from(self.separator)
    }

    /// An error unless a model with `vocab_size` embeddings can read every id.
    pub fn check_vocabulary(&self, vocab_size: i64) -> Result<()> {
        let needed = self.vocabulary();
        if needed <= vocab_size {
            return Ok(());
        }
        Err(self.fail(format!(
            "the model has {vocab_size} embeddings (vocab_size), this tokenizer needs {needed}"
        )))
    }

    fn raw(&self, text: &str) -> Result<Vec<u32>> {
        Ok(self
            .inner
            .encode_fast(text, false)
            .map_err(|e| self.fail(e))?
            .get_ids()
            .to_vec())
    }

    fn fail(&self, message: impl ToString) -> ModelError {
        ModelError::Tokenizer {
            path: self.path.clone(),
            message: message.to_string(),
        }
    }
}

/// How many of a line's `ids` fit into `room` with the `joint` behind them, which they then take. An empty line is left out, and takes none.
fn fitting(ids: usize, joint: usize, room: &mut usize) -> usize {
    let n = ids.min(room.saturating_sub(joint));
    if n > 0 {
        *room -= n + joint;
    }
    n
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;
    use proptest::prelude::*;

    /// One piece a letter, `[` in front and `]` behind.
    fn letters() -> (tempfile::TempDir, Tokenizer) {
        let vocabulary: serde_json::Map<_, _> = ('a'..='z')
            .chain(['[', ']', '?'])
            .enumerate()
            .map(|(id, letter)| (letter.to_string(), id.into()))
            .collect();
        let file = serde_json::json!({
            "version": "1.0",
            "truncation": {"max_length": 4, "strategy": "LongestFirst", "stride": 0, "direction": "Right"},
            "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 28,
                        "pad_type_id": 0, "pad_token": "?"},
            "added_tokens": [], "normalizer": null, "decoder": null,
            "pre_tokenizer": {"type": "Split", "pattern": {"Regex": "."}, "behavior": "Isolated", "invert": false},
            "post_processor": {"type": "TemplateProcessing", "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
                "single": [{"SpecialToken": {"id": "[", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                           {"SpecialToken": {"id": "]", "type_id": 0}}],
                "special_tokens": {"[": {"id": "[", "ids": [26], "tokens": ["["]}, "]": {"id": "]", "ids": [27], "tokens": ["]"]}}},
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "?"},
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), file.to_string()).unwrap();
        let tokenizer = Tokenizer::from_folder(folder.path()).unwrap();
        (folder, tokenizer)
    }

    fn spell(t: &Tokenizer, encoded: &Encoded) -> (String, String) {
        let text = encoded.ids.iter().map(|&id| t.piece(id).unwrap()).collect();
        (text, encoded.segments.iter().map(i64::to_string).collect())
    }

    #[test]
    fn context_is_joined_by_the_separator_and_marked_by_segments() {
        let (_folder, t) = letters();
        let check = |max: usize, ids: &str, segments: &str| {
            let encoded = t.encode(&["ab", "cde"], "xyz", &["fg", "h"], max).unwrap();
            assert_eq!(
                spell(&t, &encoded),
                (ids.to_owned(), segments.to_owned()),
                "max_tokens {max}"
            );
        };
        check(17, "[ab]cde]xyz]fg]h]", "00000000111122222");
        check(16, "[ab]cde]xyz]fg]", "000000001111222"); // the later of the two farthest goes first
        check(15, "[ab]cde]xyz]fg]", "000000001111222");
        check(14, "[b]cde]xyz]fg]", "00000001111222"); // then the start of the earliest
        check(13, "[cde]xyz]fg]", "000001111222");
        check(11, "[cde]xyz]f]", "00000111122");
        check(8, "[de]xyz]", "00001111");
        check(6, "[xyz]", "11111");
        check(5, "[xyz]", "11111");
        check(4, "[xy]", "1111"); // only now the current utterance is cut
        check(2, "[]", "11");
        assert!(t.encode(&[], "x", &[], 1).is_err());
    }

    proptest! {
        /// With more context than fits, no room is left that a further token and its separator could take.
        #[test]
        fn context_fills_the_budget(
            before in prop::collection::vec("[a-z]{0,9}", 0..40), after in prop::collection::vec("[a-z]{0,9}", 0..40), max in 8_usize..120,
        ) {
            let (_folder, t) = letters();
            let lines = |lines: &[String]| -> usize { lines.iter().filter(|l| !l.is_empty()).map(|l| l.len() + 1).sum() };
            let [a, b] = [&before, &after].map(|lines| lines.iter().map(String::as_str).collect::<Vec<_>>());
            let all = 1 + "xyz".len() + 1 + lines(&before) + lines(&after);
            let found = t.encode(&a, "xyz", &b, max).unwrap().ids.len();
            if all <= max {
                prop_assert_eq!(found, all);
            } else {
                prop_assert!(found == max || found == max - 1, "{} of {}", found, max);
            }
        }
    }

    #[test]
    fn the_prefix_stays_whatever_is_cut() {
        let (_folder, t) = letters();
        let with = t.clone().with_prefix("pq").unwrap();
        let check = |max: usize, ids: &str, segments: &str| {
            let encoded = with.encode(&["ab"], "xyz", &["fg"], max).unwrap();
            let expected = (ids.to_owned(), segments.to_owned());
            assert_eq!(spell(&with, &encoded), expected, "max_tokens {max}");
        };
        check(13, "[pqab]xyz]fg]", "0000001111222");
        check(12, "[pqab]xyz]f]", "000000111122");
        check(11, "[pqab]xyz]", "0000001111");
        check(9, "[pqb]xyz]", "000001111");
        check(7, "[pqxyz]", "0001111"); // two tokens fewer than without
        check(5, "[pqx]", "00011");
        let error = with.encode(&[], "x", &[], 4).unwrap_err().to_string();
        assert!(error.contains("expected at least 5"), "{error}");
        assert_eq!(with.pieces("xy").unwrap(), t.pieces("xy").unwrap());
        let none = t.clone().with_prefix("").unwrap();
        let read = |t: &Tokenizer| t.encode(&["ab"], "xyz", &["fg"], 9).unwrap();
        assert_eq!(read(&none), read(&t));
    }

    #[test]
    fn truncation_and_padding_of_the_file_are_off() {
        let (_folder, t) = letters();
        assert_eq!(t.encode_text("abcdefg", 100).unwrap().len(), 7 + 2);
        assert_eq!((t.pad(), t.end(), t.vocabulary()), (28, 27, 29));
        let strange = Tokenizer {
            pad: 40,
            ..t.clone()
        };
        assert_eq!(strange.vocabulary(), 41);
        assert!(t.check_vocabulary(29).is_ok());
        assert!(
            t.check_vocabulary(28)
                .unwrap_err()
                .to_string()
                .contains("28 embeddings")
        );
    }

    #[test]
    fn a_lone_sentencepiece_file_says_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("spiece.model"), "").unwrap();
        assert!(
            Tokenizer::from_folder(folder.path())
                .unwrap_err()
                .to_string()
                .contains("save_pretrained")
        );
    }

    proptest! {
        #[test]
        fn a_prefix_is_its_tokens_in_front_of_a_shorter_input(
            before in proptest::collection::vec("[a-z]{0,6}", 0..4),
            current in "[a-z]{0,8}",
            after in proptest::collection::vec("[a-z]{0,6}", 0..4),
            prefix in "[a-z]{1,5}",
            max in 3usize..40,
        ) {
            let (_folder, t) = letters();
            let b: Vec<_> = before.iter().map(String::as_str).collect();
            let a: Vec<_> = after.iter().map(String::as_str).collect();
            let plain = t.encode(&b, &current, &a, max).unwrap();
            let with = t.clone().with_prefix(&prefix).unwrap();
            let with = with.encode(&b, &current, &a, max + prefix.len()).unwrap();
            let words = t.pieces(&prefix).unwrap();
            let ids = [&plain.ids[..1], &words[..], &plain.ids[1..]].concat();
            prop_assert_eq!(with.ids, ids);
            let front = vec![0; 1 + prefix.len()];
            prop_assert_eq!(with.segments, [&front[..], &plain.segments[1..]].concat());
        }

        #[test]
        fn the_current_utterance_is_whole_while_context_remains(
            before in proptest::collection::vec("[a-z]{0,6}", 0..4),
            current in "[a-z]{0,8}",
            after in proptest::collection::vec("[a-z]{0,6}", 0..4),
            max in 2usize..40,
        ) {
            let (_folder, t) = letters();
            let b: Vec<_> = before.iter().map(String::as_str).collect();
            let a: Vec<_> = after.iter().map(String::as_str).collect();
            let encoded = t.encode(&b, &current, &a, max).unwrap();
            prop_assert!(encoded.ids.len() <= max);
            prop_assert_eq!(encoded.ids.len(), encoded.segments.len());
            prop_assert!(encoded.segments.is_sorted());
            let own = encoded.ids.iter().zip(&encoded.segments).filter(|(_, s)| **s == 1).map(|(id, _)| *id);
            let own: Vec<_> = own.filter(|&id| id < 26).collect();
            let whole = t.pieces(&current).unwrap();
            prop_assert!(whole.starts_with(&own));
            if encoded.segments.iter().any(|&s| s != 1) {
                prop_assert_eq!(own, whole);
            }
        }
    }
}
