//! What the name of a parameter says: its learning-rate group, and the block of the backbone it lies in (paper, section 4: which blocks
//! are trained, at which rates).

use std::collections::{BTreeMap, BTreeSet};

/// What the names of our own parameters begin with; those of the backbone are the Hub's.
pub(crate) const OURS: &str = "unimse.";

/// Learning-rate group of a parameter (paper, section 4: a rate for each).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParameterGroup {
    /// The pretrained text model.
    Backbone,
    /// PMF and the vectors that stand for absent modalities.
    Fusion,
    /// Everything else of ours: segment embeddings, modality encoders, contrastive projections, label decoder.
    Rest,
}

impl ParameterGroup {
    /// Group of the parameter called `name`.
    pub fn of(name: &str) -> Self {
        match name.strip_prefix(OURS) {
            None => Self::Backbone,
            Some(rest) if rest.starts_with("fusion.") => Self::Fusion,
            Some(_) => Self::Rest,
        }
    }
}

/// Stack and number of the block that a parameter of a backbone lies in, by the names that most have: `encoder.block.3.layer.0...` and
/// `encoder.layer.3.attention...` lie in block 3 of `encoder`.
pub(crate) fn block(name: &str) -> Option<(&str, usize)> {
    let mut parts = name.split('.');
    let stack = parts.next()?;
    parts
        .next()
        .filter(|part| matches!(*part, "block" | "layer"))?;
    Some((stack, parts.next()?.parse().ok()?))
}

/// Those of `names` that lie in the backbone, but in none of the last `n` blocks of its stacks; `block` says in which one does.
pub(crate) fn outside_last_blocks<'a>(
    names: impl Iterator<Item = &'a str>,
    n: usize,
    block: impl Fn(&'a str) -> Option<(&'a str, usize)>,
) -> BTreeSet<String> {
    let names: Vec<&str> = names.filter(|name| !name.starts_with(OURS)).collect();
    let mut blocks = BTreeMap::new();
    for (stack, index) in names.iter().filter_map(|name| block(name)) {
        let count = blocks.entry(stack).or_insert(0);
        *count = (index + 1).max(*count);
    }
    let is_outside =
        |name: &&'a str| block(name).is_none_or(|(stack, index)| index + n < blocks[stack]);
    names
        .into_iter()
        .filter(is_outside)
        .map(str::to_owned)
        .collect()
}

/// How many blocks of its stack lie above each of `names` of a backbone: 0 in the last block and behind it, as many as there are for what is in
/// front of the first, the embeddings. Names of ours are left out; `block` says in which block a name lies.
pub(crate) fn blocks_above<'a>(
    names: impl Iterator<Item = &'a str>,
    block: impl Fn(&'a str) -> Option<(&'a str, usize)>,
) -> BTreeMap<&'a str, usize> {
    let names: Vec<&str> = names.filter(|name| !name.starts_with(OURS)).collect();
    let mut stacks = BTreeMap::new();
    for (stack, index) in names.iter().filter_map(|name| block(name)) {
        let count = stacks.entry(stack).or_insert(0);
        *count = (index + 1).max(*count);
    }
    let most = stacks.values().copied().max().unwrap_or(0);
    let behind = |name: &str| name.contains("final_layer_norm") || name.starts_with("lm_head");
    let above = |name: &'a str| match block(name) {
        Some((stack, index)) => stacks[stack] - 1 - index,
        None if behind(name) => 0,
        None => most,
    };
    names.into_iter().map(|name| (name, above(name))).collect()
}

/// Where in the forward pass the parameter called `name` is used first: the part, and the block in it. What stands in front of the blocks comes first, with our
/// encoders of audio and video; then the blocks of the encoder, each with its fusion, those of a decoder, and our heads. `block` says in which block a name lies.
pub(crate) fn place<'a>(
    name: &'a str,
    block: impl Fn(&'a str) -> Option<(&'a str, usize)>,
) -> (u8, usize) {
    let (front, encoder, decoder, head) = (0, 1, 2, 3);
    let Some(ours) = name.strip_prefix(OURS) else {
        return match block(name) {
            Some((stack, at)) if stack.contains("decoder") => (decoder, at),
            Some((_, at)) => (encoder, at),
            None if name.starts_with("encoder.final") => (encoder, usize::MAX),
            None if name.contains("final_layer_norm") || name.starts_with("lm_head") => (head, 0),
            None => (front, 0),
        };
    };
    let mut parts = ours.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("fusion"), Some("decoder"), Some(at)) => (decoder, at.parse().unwrap_or(0)),
        (Some("fusion"), Some(at), _) => at.parse().map_or((front, 0), |at| (encoder, at)),
        (Some("audio" | "video" | "segments"), ..) => (front, 0),
        _ => (head, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_the_order_of_the_forward_pass() {
        let order = [
            &[
                "shared.weight",
                "unimse.segments.weight",
                "unimse.audio.lstm.weight_ih_l0",
                "unimse.fusion.absent_audio",
            ][..],
            &[
                "encoder.block.2.layer.0.SelfAttention.q.weight",
                "unimse.fusion.2.up.weight",
            ],
            &["encoder.block.10.layer.0.SelfAttention.q.weight"],
            &["encoder.final_layer_norm.weight"],
            &[
                "decoder.block.0.layer.0.SelfAttention.q.weight",
                "unimse.fusion.decoder.0.up.weight",
            ],
            &["decoder.block.1.layer.0.SelfAttention.q.weight"],
            &[
                "decoder.final_layer_norm.weight",
                "lm_head.weight",
                "unimse.label.bins.weight",
                "unimse.contrastive.0.text.weight",
            ],
        ];
        let places = order.map(|names| {
            let places: BTreeSet<_> = names.iter().map(|name| place(name, block)).collect();
            assert_eq!(places.len(), 1, "{names:?}");
            places.first().copied()
        });
        assert!(places.is_sorted_by(|a, b| a < b), "{places:?}");
    }

    #[test]
    fn embeddings_lie_below_every_block_and_final_norms_above() {
        let names = [
            "shared.weight",
            "encoder.block.0.layer.0.SelfAttention.q.weight",
            "encoder.block.2.layer.0.SelfAttention.q.weight",
            "encoder.final_layer_norm.weight",
            "decoder.block.0.layer.0.SelfAttention.q.weight",
            "decoder.block.1.layer.0.SelfAttention.q.weight",
            "lm_head.weight",
            "unimse.segments.weight",
        ];
        let above = blocks_above(names.into_iter(), block);
        let found: Vec<Option<&usize>> = names.iter().map(|name| above.get(name)).collect();
        let expected = [
            Some(&3),
            Some(&2),
            Some(&0),
            Some(&0),
            Some(&1),
            Some(&0),
            Some(&0),
            None,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn the_last_blocks_of_every_stack_stay() {
        let mut names = vec![
            "shared.weight".to_owned(),
            "encoder.final_layer_norm.weight".to_owned(),
            "unimse.segments.weight".to_owned(),
        ];
        names.extend((0..12).map(|i| format!("encoder.block.{i}.layer.0.SelfAttention.q.weight")));
        names.extend((0..3).map(|i| format!("decoder.block.{i}.layer.1.EncDecAttention.q.weight")));
        let outside = outside_last_blocks(names.iter().map(String::as_str), 2, block);
        assert_eq!(outside.len(), 2 + 10 + 1);
        assert!(outside.contains("encoder.block.9.layer.0.SelfAttention.q.weight"));
        assert!(!outside.contains("encoder.block.10.layer.0.SelfAttention.q.weight"));
        assert!(!outside.contains("decoder.block.1.layer.1.EncDecAttention.q.weight"));
        assert!(!outside.contains("unimse.segments.weight"));
        let bert = [
            "encoder.layer.0.output.dense.weight",
            "encoder.layer.1.output.dense.weight",
            "embeddings.LayerNorm.bias",
        ];
        assert_eq!(outside_last_blocks(bert.into_iter(), 1, block).len(), 2);
    }

    #[test]
    fn groups() {
        assert_eq!(
            ParameterGroup::of("encoder.layer.0.output.dense.weight"),
            ParameterGroup::Backbone
        );
        assert_eq!(
            ParameterGroup::of("unimse.fusion.3.up.weight"),
            ParameterGroup::Fusion
        );
        assert_eq!(
            ParameterGroup::of("unimse.fusion.absent_audio"),
            ParameterGroup::Fusion
        );
        assert_eq!(
            ParameterGroup::of("unimse.audio.lstm.weight_ih_l0"),
            ParameterGroup::Rest
        );
    }
}
