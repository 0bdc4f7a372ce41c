//! The files of a run folder, with size, digest and media type.

use std::path::Path;

use super::{Entity, RO_CRATE};
use crate::{FileError, artefact};

/// Files and crates below `run` by name. What begins with a dot (locks, records of the stages, what is being written), folders behind links
/// and what is no regular file are left out.
pub(super) fn below(run: &Path) -> Result<Vec<Entity>, FileError> {
    let mut found = Vec::new();
    walk(run, "", &mut found)?;
    found.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<Entity>) -> Result<(), FileError> {
    let listing = || FileError::at(folder, "listing");
    for entry in std::fs::read_dir(folder).map_err(listing())? {
        let entry = entry.map_err(listing())?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if name.starts_with('.') || name == RO_CRATE && prefix.is_empty() {
            continue;
        }
        let name = format!("{prefix}{name}");
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if path.join(RO_CRATE).is_file() {
                found.push(nested(&name));
                found.push(file(&path.join(RO_CRATE), &format!("{name}/{RO_CRATE}"))?);
            } else {
                walk(&path, &format!("{name}/"), found)?;
            }
        } else if path.is_file() {
            found.push(file(&path, &name)?);
        }
    }
    Ok(())
}

/// A folder that describes itself.
fn nested(name: &str) -> Entity {
    Entity {
        description: Some(format!(
            "A run of its own: {RO_CRATE} in it lists its files."
        )),
        ..Entity::new(&format!("{}/", address(name)), "Dataset", name)
    }
}

fn file(path: &Path, name: &str) -> Result<Entity, FileError> {
    let about = std::fs::metadata(path).map_err(FileError::at(path, "reading"))?;
    Ok(Entity {
        content_size: Some(about.len().to_string()),
        sha256: Some(artefact::sha256(path)?),
        encoding_format: Some(media_type(name).to_owned()),
        ..Entity::new(&address(name), "File", name)
    })
}

/// A path as a relative address: what RFC 3986 reserves or does not know is written like `%20`.
#[must_use]
pub fn address(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte);
    let write = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    name.bytes().map(write).collect()
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "json" => "application/json",
        "jsonl" => "application/jsonl",
        "toml" => "application/toml",
        "md" => "text/markdown",
        "html" => "text/html",
        "parquet" => "application/vnd.apache.parquet",
        _ => "application/octet-stream",
    }
}
