//! Benches as programs: built with the features of every other build, and where cargo put them.

use crate::checkout::Checkout;
use crate::child;
use anyhow::{Context, Result};
use std::path::PathBuf;

/// Builds a bench and, beside it, `more` (arguments of cargo); the bench's executable.
pub(crate) fn bench(checkout: &Checkout, name: &str, more: &[&str]) -> Result<PathBuf> {
    let mut cargo = checkout.cargo();
    // The whole workspace, as tests build it: with one package alone, features of shared dependencies differ and all is compiled again.
    cargo.args(["build", "--release", "--workspace", "--locked"]);
    cargo.args(["--message-format=json-render-diagnostics", "--bench", name]);
    let said = child::output("cargo build", cargo.args(more))?;
    executable(&String::from_utf8_lossy(&said), name)
        .with_context(|| format!("cargo built the bench `{name}` but does not say where"))
}

/// Where cargo says that it put a target.
fn executable(messages: &str, target: &str) -> Option<PathBuf> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut built = messages.filter(|message| message["target"]["name"] == target);
    built.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_the_target_s_own() {
        let messages = "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"peers\"},\"executable\":null}\nno JSON\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"unimse\"},\"executable\":\"/t/unimse\"}\n\
            {\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"peers\"},\"executable\":\"/t/peers-1\"}\n";
        assert_eq!(executable(messages, "peers"), Some("/t/peers-1".into()));
        assert_eq!(executable(messages, "other"), None);
    }
}
