//! The folder that keeps between runs what took long to get or to compute.

use std::path::PathBuf;

/// `$XDG_CACHE_HOME/unimse`, else `~/.cache/unimse`. A relative `XDG_CACHE_HOME` is ignored, as its specification asks; `None` where
/// neither it nor `HOME` is an absolute path.
#[must_use]
pub fn cache_folder() -> Option<PathBuf> {
    folder(&|name| std::env::var_os(name).map(PathBuf::from))
}

fn folder(variable: &dyn Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name| variable(name).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    Some(cache?.join("unimse"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_decide() {
        let with = |cache: &'static str, home: &'static str| {
            folder(&|name| Some(PathBuf::from(if name == "HOME" { home } else { cache })))
        };
        assert_eq!(with("/c", "/h"), Some("/c/unimse".into()));
        assert_eq!(with("c", "/h"), Some("/h/.cache/unimse".into()));
        assert_eq!(with("", ""), None);
    }
}
