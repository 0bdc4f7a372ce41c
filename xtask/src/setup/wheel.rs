//! A wheel that is pinned, and what of it is taken.

use serde::Deserialize;

/// A wheel and the files to take from it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wheel {
    /// As pip takes it: `name==version`.
    pub(crate) requirement: String,
    /// The file's name.
    pub(crate) file: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) take: Vec<Take>,
}

/// `from` a file, or a folder with a final `/`, to a place in the asset; `*` is one folder name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Take {
    from: String,
    to: String,
}

impl Take {
    /// Where an archive member goes, if this takes it.
    pub(crate) fn target(&self, member: &str) -> Option<String> {
        let mut rest = member;
        for (index, part) in self.from.split('*').enumerate() {
            if index > 0 {
                rest = &rest[rest.find('/')?..];
            }
            rest = rest.strip_prefix(part)?;
        }
        match self.from.ends_with('/') {
            true => (!rest.is_empty()).then(|| format!("{}{rest}", self.to)),
            false => rest.is_empty().then(|| self.to.clone()),
        }
    }
}
