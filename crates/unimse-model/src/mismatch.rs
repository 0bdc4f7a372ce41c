//! How the tensors of a file and those of a model differ.

use std::fmt;

/// How the tensors of a file differ from those of the model; every one is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mismatch {
    /// In the model, not in the file.
    pub missing: Vec<String>,
    /// In the file, not in the model.
    pub unexpected: Vec<String>,
    /// In both, with what the model expects and what the file has.
    pub misshaped: Vec<(String, String, String)>,
}

impl Mismatch {
    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty() && self.misshaped.is_empty()
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        for (what, names) in [("missing", &self.missing), ("unexpected", &self.unexpected)] {
            if !names.is_empty() {
                parts.push(format!("{what} ({}): {}", names.len(), names.join(", ")));
            }
        }
        if !self.misshaped.is_empty() {
            let list: Vec<_> = self
                .misshaped
                .iter()
                .map(|(name, expected, found)| {
                    format!("{name} (expected {expected}, found {found})")
                })
                .collect();
            parts.push(format!("misshaped ({}): {}", list.len(), list.join(", ")));
        }
        f.write_str(&parts.join("; "))
    }
}
