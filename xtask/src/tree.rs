//! Folders on disk: walking, hashing, replacing.

use anyhow::{Context, Result, bail};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use unimse_run::artefact;

/// Every regular file below `dir` as (path relative to `dir` with `/`, bytes), sorted; links are followed. FIFOs, sockets and devices are
/// passed over: to open one can hang. Empty when `dir` does not exist.
///
/// A link that leads back to a folder in which it lies is an error that names both.
pub(crate) fn files(dir: &Path) -> Result<Vec<(String, u64)>> {
    let mut found = Vec::new();
    if dir.exists() {
        let at = || format!("cannot list {}", dir.display());
        let whole = dir.canonicalize().with_context(at)?;
        let mut above = Vec::new();
        for folder in whole.ancestors().skip(1) {
            above.push(Above::of(folder, &fs::metadata(folder).with_context(at)?));
        }
        above.push(Above::of(dir, &fs::metadata(dir).with_context(at)?));
        walk(dir, "", &mut above, &mut found)?;
    }
    found.sort();
    Ok(found)
}

/// A folder in which the walk is.
struct Above {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Above {
    fn of(path: &Path, metadata: &fs::Metadata) -> Self {
        Self {
            path: path.to_path_buf(),
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

fn walk(
    dir: &Path,
    prefix: &str,
    above: &mut Vec<Above>,
    found: &mut Vec<(String, u64)>,
) -> Result<()> {
    let at = || format!("cannot list {}", dir.display());
    for entry in fs::read_dir(dir).with_context(at)? {
        let entry = entry.with_context(at)?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        let metadata =
            fs::metadata(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if metadata.is_dir() {
            let here = Above::of(&path, &metadata);
            let same = |folder: &&Above| (folder.device, folder.inode) == (here.device, here.inode);
            if let Some(again) = above.iter().find(same) {
                bail!(
                    "{} is a link back to {}, in which it lies: remove it",
                    path.display(),
                    again.path.display()
                );
            }
            above.push(here);
            walk(&path, &format!("{name}/"), above, found)?;
            above.pop();
        } else if metadata.is_file() {
            found.push((name, metadata.len()));
        }
    }
    Ok(())
}

/// One digest over the paths, sizes and contents of all files below `dir`.
pub(crate) fn sha256_dir(dir: &Path) -> Result<String> {
    sha256_dir_without(dir, "")
}

/// The same, one file left out.
pub(crate) fn sha256_dir_without(dir: &Path, name: &str) -> Result<String> {
    let mut lines = String::new();
    for (path, bytes) in files(dir)?.into_iter().filter(|(path, _)| path != name) {
        lines.push_str(&format!(
            "{} {bytes} {path}\n",
            artefact::sha256(&dir.join(&path))?
        ));
    }
    Ok(artefact::sha256_of(lines.as_bytes()))
}

/// Removes a file, a link or a folder with all in it; fine if there is none.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    removed.with_context(|| format!("cannot remove {}", path.display()))
}

/// Puts the folder `new` in the place of `old` by renaming.
pub(crate) fn replace_dir(new: &Path, old: &Path) -> Result<()> {
    let retired = sibling(old, "old");
    remove(&retired)?;
    if old.exists() {
        fs::rename(old, &retired).with_context(|| format!("cannot move {} away", old.display()))?;
    }
    fs::rename(new, old)
        .with_context(|| format!("cannot move {} to {}", new.display(), old.display()))?;
    remove(&retired)
}

/// `dir/.name.suffix` for `dir/name`.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    path.with_file_name(format!(".{name}.{suffix}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failing test may panic")]
    use super::*;

    #[test]
    fn digest_of_a_folder_follows_names_and_contents() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("d");
        artefact::write(&root.join("a/x"), b"1").unwrap();
        artefact::write(&root.join("b"), b"22").unwrap();
        assert_eq!(
            files(&root).unwrap(),
            [("a/x".to_owned(), 1), ("b".to_owned(), 2)]
        );
        let before = sha256_dir(&root).unwrap();
        assert_eq!(before, sha256_dir(&root).unwrap());
        artefact::write(&root.join("b"), b"23").unwrap();
        let changed = sha256_dir(&root).unwrap();
        assert_ne!(before, changed);
        fs::rename(root.join("b"), root.join("c")).unwrap();
        assert_ne!(changed, sha256_dir(&root).unwrap());
    }

    #[test]
    fn links_back_are_named_and_what_is_no_file_is_passed_over() {
        use std::os::unix::{fs::symlink, net::UnixListener};
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("d");
        artefact::write(&root.join("a/x"), b"1").unwrap();
        symlink("a", root.join("same")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            root.join("a/pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let _socket = UnixListener::bind(root.join("a/socket")).unwrap();
        symlink("/dev/zero", root.join("a/device")).unwrap();
        let expect = [("a/x".to_owned(), 1), ("same/x".to_owned(), 1)];
        assert_eq!(files(&root).unwrap(), expect);
        sha256_dir(&root).unwrap();
        for target in [".", "..", "../..", "/"] {
            let link = root.join("a/again");
            symlink(target, &link).unwrap();
            let error = files(&root).unwrap_err().to_string();
            assert!(
                error.contains("again is a link back to ") && error.contains("remove it"),
                "{target}: {error}"
            );
            fs::remove_file(link).unwrap();
        }
        symlink("again", root.join("a/again")).unwrap();
        let error = format!("{:#}", files(&root).unwrap_err());
        assert!(error.contains("/again: "), "{error}");
    }

    #[test]
    fn a_folder_is_replaced_whole() {
        let dir = tempfile::tempdir().unwrap();
        let (new, old) = (dir.path().join("new"), dir.path().join("old"));
        artefact::write(&new.join("n"), b"n").unwrap();
        artefact::write(&old.join("o"), b"o").unwrap();
        replace_dir(&new, &old).unwrap();
        assert_eq!(files(dir.path()).unwrap(), [("old/n".to_owned(), 1)]);
    }
}
