//! Every label a grammar can write, as a tree over the tokens of a vocabulary: T5 pieces or the closed label vocabulary.
//!
//! A walk from the root to a leaf is one complete label, so whatever is generated along the tree parses. A node knows
//! which fields of the label are settled by the tokens before it; that is all the search needs to turn token
//! probabilities into probabilities of polarity, intensity and emotions.

use unimse_labels::{Field, FieldValue, Grammar, PerField, PlainLabel, Polarity};

use crate::error::{ModelError, Result};

/// What the tokens up to a node say about a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Labels below the node differ in it.
    Open,
    /// No label below the node has it.
    Absent,
    /// Index of the value that every label below the node has.
    Value(usize),
}

/// What the tokens up to a node say about each field.
type Settled = PerField<Known>;

#[derive(Debug)]
struct Node {
    /// `(index into the vocabulary, node)`, in order of insertion.
    children: Vec<(u32, u32)>,
    settled: Settled,
}

/// The tree. Node 0 is the root.
#[derive(Debug)]
pub struct Automaton {
    nodes: Vec<Node>,
    vocabulary: Vec<i64>,
    intensities: Vec<f32>,
}

impl Automaton {
    /// The tree of every complete label of `grammar`, each written as tokens by `encode`.
    ///
    /// # Errors
    /// `encode` fails, or gives two different labels tokens of which one is the beginning of the other.
    pub fn new(
        grammar: &Grammar,
        mut encode: impl FnMut(&PlainLabel) -> Result<Vec<i64>>,
    ) -> Result<Self> {
        let intensities = Polarity::ALL
            .iter()
            .flat_map(|&p| grammar.intensity_values(p))
            .collect();
        let mut tree = Self {
            nodes: Vec::new(),
            vocabulary: Vec::new(),
            intensities,
        };
        let mut index = std::collections::HashMap::new();
        for label in grammar.labels() {
            let tokens = encode(&label)?;
            let settled = tree.settle(&label);
            let ambiguous = || {
                let text = grammar.format(&label);
                ModelError::Input(format!(
                    "the tokenizer cannot tell the label {text:?} from another: its tokens are {tokens:?}"
                ))
            };
            if tree.nodes.is_empty() {
                tree.nodes.push(Node {
                    children: Vec::new(),
                    settled,
                });
            }
            let mut at = 0;
            let mut fresh = tree.nodes.len() == 1;
            for &token in &tokens {
                let piece = *index.entry(token).or_insert_with(|| {
                    tree.vocabulary.push(token);
                    tree.vocabulary.len() as u32 - 1
                });
                tree.nodes[at].settled = merge(&tree.nodes[at].settled, &settled);
                let next = tree.nodes[at]
                    .children
                    .iter()
                    .find(|&&(p, _)| p == piece)
                    .map(|&(_, node)| node as usize);
                at = match next {
                    Some(next) => next,
                    None if !fresh && at != 0 && tree.nodes[at].children.is_empty() => {
                        return Err(ambiguous());
                    }
                    None => {
                        fresh = true;
                        let next = tree.nodes.len();
                        tree.nodes[at].children.push((piece, next as u32));
                        tree.nodes.push(Node {
                            children: Vec::new(),
                            settled,
                        });
                        next
                    }
                };
            }
            if !fresh {
                return Err(ambiguous());
            }
        }
        Ok(tree)
    }

    fn settle(&self, label: &PlainLabel) -> Settled {
        PerField::from_fn(|field| {
            let index = label.get(field).and_then(|value| match value {
                FieldValue::Class(class) => Some(class),
                FieldValue::Score(score) => {
                    let order = |known: &f32| known.total_cmp(&score);
                    self.intensities.binary_search_by(order).ok()
                }
            });
            index.map_or(Known::Absent, Known::Value)
        })
    }

    /// Token ids in the order the logits of a search have.
    pub fn vocabulary(&self) -> &[i64] {
        &self.vocabulary
    }

    /// Every score that can be printed, ascending.
    pub fn intensities(&self) -> &[f32] {
        &self.intensities
    }

    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Vocabulary indices that may follow `node`, and where they lead.
    pub(crate) fn children(&self, node: u32) -> &[(u32, u32)] {
        &self.nodes[node as usize].children
    }

    /// Follows forced tokens from `node`, adding their ids to `run`: ends at a branch or a leaf.
    pub(crate) fn forced(&self, mut node: u32, run: &mut Vec<i64>) -> u32 {
        while let [(piece, next)] = self.children(node) {
            run.push(self.vocabulary[*piece as usize]);
            node = *next;
        }
        node
    }

    /// Index of the value of `field` that every label below `node` has; `None` where they differ or have none.
    pub(crate) fn settled(&self, node: u32, field: Field) -> Option<usize> {
        self.known(node, field).flatten()
    }

    /// What every label below `node` has in `field`, which may be no value; `None` where they differ.
    pub(crate) fn known(&self, node: u32, field: Field) -> Option<Option<usize>> {
        match self.nodes[node as usize].settled[field] {
            Known::Open => None,
            Known::Absent => Some(None),
            Known::Value(value) => Some(Some(value)),
        }
    }

    /// Whether no token after `node` can change the label.
    pub(crate) fn complete(&self, node: u32) -> bool {
        let settled = &self.nodes[node as usize].settled;
        settled.iter().all(|(_, known)| *known != Known::Open)
    }

    /// The label of a complete node.
    pub(crate) fn label(&self, node: u32) -> PlainLabel {
        let mut label = PlainLabel::of_polarity(Polarity::Neutral);
        for field in Field::ALL {
            if let Some(value) = self.settled(node, field) {
                let value = match field {
                    Field::Intensity => FieldValue::Score(self.intensities[value]),
                    _ => FieldValue::Class(value),
                };
                label.set(field, value);
            }
        }
        label
    }
}

/// What is known of the labels of both.
fn merge(one: &Settled, other: &Settled) -> Settled {
    PerField::from_fn(|field| match one[field] == other[field] {
        true => one[field],
        false => Known::Open,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use unimse_labels::{Form, MeldEmotion};

    use super::*;

    fn bytes(grammar: &Grammar) -> Automaton {
        let text = |label: &PlainLabel| {
            Ok(grammar
                .format(label)
                .bytes()
                .map(i64::from)
                .chain([0])
                .collect())
        };
        Automaton::new(grammar, text).unwrap()
    }

    /// Every leaf below `node`, as text.
    fn leaves(
        tree: &Automaton,
        node: u32,
        prefix: &mut Vec<i64>,
        found: &mut Vec<(String, PlainLabel)>,
    ) {
        if tree.children(node).is_empty() {
            let text = prefix
                .iter()
                .filter(|&&b| b != 0)
                .map(|&b| b as u8 as char)
                .collect();
            found.push((text, tree.label(node)));
        }
        for &(piece, next) in tree.children(node) {
            prefix.push(tree.vocabulary()[piece as usize]);
            leaves(tree, next, prefix, found);
            prefix.pop();
        }
    }

    #[test]
    fn every_leaf_is_one_label() {
        for form in [Form::Fields, Form::Triple] {
            let grammar = Grammar {
                form,
                ..Grammar::new(&Field::ALL)
            };
            let tree = bytes(&grammar);
            let mut found = Vec::new();
            leaves(&tree, 0, &mut Vec::new(), &mut found);
            assert_eq!(found.len(), grammar.labels().count());
            for (text, label) in found {
                let parsed = grammar.parse(&text).unwrap();
                assert!(parsed.repairs.is_empty(), "{text}");
                assert_eq!(parsed.label, label, "{text}");
            }
        }
    }

    #[test]
    fn fields_settle_with_their_last_open_token() {
        let grammar = Grammar::new(&[Field::Intensity, Field::Meld]);
        let tree = bytes(&grammar);
        let mut run = Vec::new();
        let root = tree.forced(0, &mut run);
        assert_eq!((root, run.len()), (0, 0), "labels begin with p and n");
        let (_, positive) = tree
            .children(0)
            .iter()
            .find(|&&(piece, _)| tree.vocabulary()[piece as usize] == i64::from(b'p'))
            .unwrap();
        assert_eq!(
            tree.settled(*positive, Field::Polarity),
            Some(Polarity::Positive.index())
        );
        assert_eq!(tree.settled(*positive, Field::Intensity), None);
        let end = tree.forced(*positive, &mut run);
        assert_eq!(
            run.iter().map(|&b| b as u8 as char).collect::<String>(),
            "ositive,"
        );
        assert!(!tree.complete(end));
    }

    #[test]
    fn the_finest_grid_has_every_score() {
        let mut grammar = Grammar::new(&[Field::Intensity]);
        grammar.decimals = 4;
        let scores = 2 * 3 * 10_000 + 1;
        // Sign and one token a score; a token of its own for zero, whose polarity has no other.
        let tree = Automaton::new(&grammar, |label| {
            let score = f64::from(label.intensity.unwrap()) * 1e4;
            Ok(vec![
                label.polarity.index() as i64,
                10 + score.round() as i64 + 30_000,
            ])
        })
        .unwrap();
        assert_eq!(tree.intensities().len(), scores);
        let mut found: Vec<_> = (0..tree.nodes() as u32)
            .filter(|&node| tree.children(node).is_empty())
            .map(|leaf| tree.settled(leaf, Field::Intensity).unwrap())
            .collect();
        found.sort_unstable();
        assert!(found.into_iter().eq(0..scores));
    }

    #[test]
    fn labels_that_read_alike_are_refused() {
        let grammar = Grammar::new(&[Field::Meld]);
        let error = Automaton::new(&grammar, |_| Ok(vec![7, 0])).unwrap_err();
        assert!(
            error.to_string().contains("cannot tell the label"),
            "{error}"
        );
        // The tokens of one emotion begin those of all others, whether it comes first or last.
        for short in [MeldEmotion::Neutral, MeldEmotion::Anger] {
            let encode = |label: &PlainLabel| {
                let (polarity, meld) = (label.polarity.index() as i64, label.meld.unwrap());
                Ok(if meld == short {
                    vec![polarity, 9]
                } else {
                    vec![polarity, 9, 10 + meld.index() as i64]
                })
            };
            assert!(Automaton::new(&grammar, encode).is_err(), "{short:?}");
        }
    }
}
