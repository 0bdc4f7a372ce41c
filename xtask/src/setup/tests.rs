//! Set-up against a pip that is a shell script and wheels made here: no network, no Python.
#![allow(clippy::unwrap_used, reason = "a failing test may panic")]

use super::asset::Asset;
use super::pip::Pip;
use crate::tree;
use anyhow::{Result, bail};
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use unimse_run::artefact;

struct Bench {
    dir: tempfile::TempDir,
    asset: Asset,
}

/// A small asset of one wheel, and a `python` that copies that wheel to where pip is told to put it.
fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let wheel = dir.path().join("index").join("tiny-1.0-py3-none-any.whl");
    fs::create_dir_all(wheel.parent().unwrap()).unwrap();
    let mut zip = zip::ZipWriter::new(fs::File::create(&wheel).unwrap());
    for (name, text) in [
        ("pkg/cu13/lib/libx.so.1", "library"),
        ("pkg/include/a/b.h", "header"),
        ("pkg/other.py", "not taken"),
        ("pkg/include/../../evil", "never"),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default())
            .unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    script(
        &dir.path().join("python"),
        &format!(
            "for a in \"$@\"; do [ \"$p\" = --dest ] && d=$a; p=$a; done; cp {}/* \"$d\"",
            wheel.parent().unwrap().display()
        ),
    );
    let text = format!(
        "name = 'tiny'\ntitle = 'Tiny'\npeak_mb = 1\n[written]\nbuild-version = '1'\n[pinned]\n'lib/libx.so.1' = '{}'\n[[wheel]]\nrequirement = 'tiny==1.0'\nfile = 'tiny-1.0-py3-none-any.whl'\nbytes = {}\nsha256 = '{}'\ntake = [{{ from = 'pkg/*/lib/', to = 'lib/' }}, {{ from = 'pkg/include/', to = 'include/' }}]\n",
        artefact::sha256_of(b"library"),
        fs::metadata(&wheel).unwrap().len(),
        artefact::sha256(&wheel).unwrap()
    );
    Bench {
        asset: toml::from_str(&text).unwrap(),
        dir,
    }
}

fn script(path: &Path, body: &str) {
    fs::write(path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Bench {
    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.cache().join("tiny").join(name)
    }

    fn python(&self) -> PathBuf {
        self.dir.path().join("python")
    }

    fn ensure(&self, thorough: bool) -> Result<bool> {
        self.asset
            .ensure(&self.cache(), thorough, &|| Ok(Pip::at(&self.python())))
    }

    /// As `ensure`, where asking for pip at all is an error.
    fn ensure_offline(&self, thorough: bool) -> Result<bool> {
        self.asset
            .ensure(&self.cache(), thorough, &|| bail!("pip was asked for"))
    }

    fn error(&self) -> String {
        format!("{:#}", self.ensure(false).unwrap_err())
    }
}

#[test]
fn takes_what_is_named_and_leaves_the_rest() {
    let bench = bench();
    assert!(bench.ensure(false).unwrap());
    let names: Vec<String> = tree::files(&bench.cache())
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    // The wheel and the temporary folders are gone; nothing outside the folder was written.
    assert_eq!(
        names,
        [
            "tiny/build-version",
            "tiny/complete",
            "tiny/include/a/b.h",
            "tiny/lib/libx.so.1"
        ]
    );
    assert_eq!(
        fs::read_to_string(bench.file("lib/libx.so.1")).unwrap(),
        "library"
    );
    assert!(
        !bench.ensure_offline(false).unwrap(),
        "a whole folder needs no pip"
    );
    assert!(
        !bench.ensure_offline(true).unwrap(),
        "a whole folder stands the thorough check"
    );
}

#[test]
fn a_zip_in_parts_is_joined_and_only_its_content_stays() {
    let mut bench = bench();
    let zipped = |files: &[(&str, &[u8])]| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut zip = zip::ZipWriter::new(&mut bytes);
        for (name, content) in files {
            zip.start_file(*name, zip::write::SimpleFileOptions::default())
                .unwrap();
            zip.write_all(content).unwrap();
        }
        zip.finish().unwrap();
        bytes.into_inner()
    };
    let whole = zipped(&[("model/config.json", b"{}"), ("model/other", b"not taken")]);
    let (first, second) = whole.split_at(whole.len() / 3);
    let wheel = zipped(&[("pkg/z.002", second), ("pkg/z.001", first)]);
    let path = bench.dir.path().join("index/tiny-1.0-py3-none-any.whl");
    fs::write(&path, &wheel).unwrap();
    let text = format!(
        "name = 'tiny'\ntitle = 'Tiny'\npeak_mb = 1\n[archive]\nparts = 'parts/'\ntake = [{{ from = 'model/config.json', to = 'config.json' }}]\n[[wheel]]\nrequirement = 'tiny==1.0'\nfile = 'tiny-1.0-py3-none-any.whl'\nbytes = {}\nsha256 = '{}'\ntake = [{{ from = 'pkg/z.001', to = 'parts/001' }}, {{ from = 'pkg/z.002', to = 'parts/002' }}]\n",
        wheel.len(),
        artefact::sha256(&path).unwrap()
    );
    bench.asset = toml::from_str(&text).unwrap();
    assert!(bench.ensure(true).unwrap());
    assert_eq!(fs::read(bench.file("config.json")).unwrap(), b"{}");
    assert!(!bench.file("parts").exists() && !bench.file("other").exists());
    assert!(!bench.ensure_offline(true).unwrap(), "it is whole");
}

#[test]
fn heals_what_is_cut_short_or_damaged() {
    let bench = bench();
    bench.ensure(false).unwrap();
    let check = |thorough: bool, harm: &dyn Fn()| {
        harm();
        assert!(
            format!("{:#}", bench.ensure_offline(thorough).unwrap_err())
                .contains("pip was asked for")
        );
        assert!(bench.ensure(thorough).unwrap());
        assert!(!bench.ensure_offline(true).unwrap());
    };
    check(false, &|| fs::remove_file(bench.file("complete")).unwrap());
    check(false, &|| {
        fs::write(bench.file("complete"), "gibberish").unwrap()
    });
    check(false, &|| {
        fs::write(bench.file("lib/libx.so.1"), "lib").unwrap()
    });
    check(false, &|| {
        fs::remove_file(bench.file("include/a/b.h")).unwrap()
    });
    check(true, &|| {
        fs::write(bench.file("lib/libx.so.1"), "LIBRARY").unwrap()
    });
    check(false, &|| fs::remove_dir_all(bench.file("")).unwrap());
    // Remains of a killed set-up: a half-made folder, a half-fetched wheel.
    check(false, &|| {
        fs::remove_dir_all(bench.file("")).unwrap();
        artefact::write(&bench.cache().join(".tiny.partial/lib/libx.so.1"), b"li").unwrap();
        artefact::write(
            &bench.cache().join("downloads/tiny-1.0-py3-none-any.whl"),
            b"PK",
        )
        .unwrap();
    });
}

#[test]
fn keeps_a_wheel_that_arrived_whole() {
    let bench = bench();
    let wheel = bench.cache().join("downloads/tiny-1.0-py3-none-any.whl");
    fs::create_dir_all(wheel.parent().unwrap()).unwrap();
    fs::copy(
        bench.dir.path().join("index/tiny-1.0-py3-none-any.whl"),
        &wheel,
    )
    .unwrap();
    script(&bench.python(), "exit 1");
    assert!(bench.ensure(false).unwrap());
}

#[test]
fn wrong_checksum_is_an_error_and_a_rerun_heals() {
    let bench = bench();
    let served = bench.dir.path().join("index/tiny-1.0-py3-none-any.whl");
    let good = fs::read(&served).unwrap();
    fs::write(&served, b"another file").unwrap();
    let error = bench.error();
    assert!(
        error.contains("tiny-1.0-py3-none-any.whl: wrong checksum: expected SHA-256")
            && error.contains("run `cargo xtask setup` again"),
        "{error}"
    );
    assert!(!bench.file("").exists());
    fs::write(&served, good).unwrap();
    assert!(bench.ensure(false).unwrap());
}

#[test]
fn each_failure_of_pip_says_what_to_do() {
    let bench = bench();
    for (said, expect) in [
        (
            "[Errno -3] Temporary failure in name resolution",
            "no network",
        ),
        (
            "OSError: [Errno 28] No space left on device",
            "disk filled up",
        ),
    ] {
        script(
            &bench.python(),
            &format!("echo 'ERROR: {said}' >&2; exit 1"),
        );
        assert!(bench.error().contains(expect), "{}", bench.error());
    }
    let mut large = bench;
    large.asset.peak_mb = u64::MAX;
    assert!(
        large.error().contains("MB of free disk space"),
        "{}",
        large.error()
    );
}

#[test]
fn the_manifest_is_whole() {
    for name in [
        super::CPU,
        super::CUDA,
        super::MINILM,
        super::Model::Mpnet.name(),
        super::Model::Faces.name(),
        super::Model::VoiceActivity.name(),
        super::Model::Onnxruntime.name(),
    ] {
        assert_eq!(super::asset(name).unwrap().name, name);
    }
}
