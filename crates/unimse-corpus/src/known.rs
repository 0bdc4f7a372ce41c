//! Feature files in circulation whose SHA-256 somebody published: a file is recognised by its content, whatever it is called.

use crate::{Code, adapters::PICKLES, draft::sha256, finding::Findings, folder::Folder};

/// A file that was published with its SHA-256.
pub(crate) struct Known {
    sha256: &'static str,
    /// Its name where it was published.
    file: &'static str,
    /// The corpus that it holds features of.
    corpus: &'static str,
    /// What its publisher says of it.
    about: &'static str,
}

/// Who published the digests of [`KNOWN`]: the README of the repository thuiar/MMSA on GitHub, at the commit a94e65d07fa1. The sizes are those
/// of `src/MMSA/config/config_regression.json` there.
const PUBLISHER: &str = "MMSA (github.com/thuiar/MMSA, README.md)";

/// Every digest that we know and whose source we can name.
pub(crate) const KNOWN: [Known; 5] = [
    Known {
        sha256: "78e0f8b5ef8ff71558e7307848fc1fa929ecb078203f565ab22b9daab2e02524",
        file: "MOSI/Processed/unaligned_50.pkl",
        corpus: "mosi",
        about: "not aligned to words, audio 5 and video 20 features a step",
    },
    Known {
        sha256: "d3994fd25681f9c7ad6e9c6596a6fe9b4beb85ff7d478ba978b124139002e5f9",
        file: "MOSI/Processed/aligned_50.pkl",
        corpus: "mosi",
        about: "aligned to words, audio 5 and video 20 features a step",
    },
    Known {
        sha256: "ad8b23d50557045e7d47959ce6c5b955d8d983f2979c7d9b7b9226f6dd6fec1f",
        file: "MOSEI/Processed/unaligned_50.pkl",
        corpus: "mosei",
        about: "not aligned to words, audio 74 and video 35 features a step",
    },
    Known {
        sha256: "45eccfb748a87c80ecab9bfac29582e7b1466bf6605ff29d3b338a75120bf791",
        file: "MOSEI/Processed/aligned_50.pkl",
        corpus: "mosei",
        about: "aligned to words, audio 74 and video 35 features a step",
    },
    Known {
        sha256: "c9e20c13ec0454d98bb9c1e520e490c75146bfa2dfeeea78d84de047dbdd442f",
        file: "SIMS/Processed/unaligned_39.pkl",
        corpus: "CH-SIMS",
        about: "Chinese, audio 33 and video 709 features a step",
    },
];

/// Tells of the pickles in a corpus folder that are `known`, and of those that are called like one and are another. A file that cannot be
/// read is left to whoever reads it.
pub(crate) fn recognise(folder: &Folder, known: &[Known], findings: &mut Findings) {
    for path in folder.with_extension(&PICKLES) {
        let Ok(found) = sha256(path) else { continue };
        let (file, name) = (folder.relative(path), path.file_name());
        if let Some(known) = known.iter().find(|known| known.sha256 == found) {
            let message = format!("is {} of {PUBLISHER}: {}", known.file, known.about);
            if known.corpus == folder.name {
                findings.add(Code::KnownFile, &file, None, message);
            } else {
                let message = format!(
                    "{message}; features of {}, not of {}",
                    known.corpus, folder.name
                );
                findings.warn(Code::KnownFile, &file, None, message);
            }
            continue;
        }
        let of_name = |known: &&Known| {
            let published = known.file.rsplit('/').next();
            known.corpus == folder.name
                && published.is_some()
                && published == name.and_then(|n| n.to_str())
        };
        if let Some(known) = known.iter().find(of_name) {
            let message = format!(
                "is not the {} of {PUBLISHER}: expected SHA-256 {}, found {found}",
                known.file, known.sha256
            );
            findings.add(Code::OtherCopy, &file, None, message);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;
    use crate::Severity;

    /// FIPS 180-2, appendix B.1: the digest of "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_is_known_by_its_content_and_another_of_its_name_is_told() {
        let data = tempfile::tempdir().unwrap();
        for file in ["mosi/any.pkl", "mosi/b/unaligned_50.pkl", "mosei/c.pkl"] {
            let path = data.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let content = if file.ends_with("50.pkl") {
                "half"
            } else {
                "abc"
            };
            std::fs::write(path, content).unwrap();
        }
        let known = [Known {
            sha256: ABC,
            file: "MOSI/unaligned_50.pkl",
            corpus: "mosi",
            about: "small",
        }];
        let mut findings = Findings::default();
        for corpus in ["mosi", "mosei"] {
            let folder = Folder::open(data.path(), corpus, &mut findings);
            recognise(&folder, &known, &mut findings);
        }
        let list = findings.into_list();
        let found: Vec<_> = list
            .iter()
            .map(|f| (f.code, f.severity, f.file.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                (Code::KnownFile, Severity::Info, "mosi/any.pkl"),
                (Code::OtherCopy, Severity::Info, "mosi/b/unaligned_50.pkl"),
                (Code::KnownFile, Severity::Warning, "mosei/c.pkl"),
            ]
        );
        assert!(list[1].message.contains(ABC), "{}", list[1].message);
        assert!(list[2].message.ends_with("features of mosi, not of mosei"));
    }

    #[test]
    fn digests_are_whole_and_different() {
        let mut digests = KNOWN.map(|known| known.sha256);
        for digest in digests {
            assert!(digest.len() == 64 && digest.bytes().all(|b| b"0123456789abcdef".contains(&b)));
        }
        digests.sort_unstable();
        assert!(digests.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
