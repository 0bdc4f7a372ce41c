//! What exactly to do about findings: the path that is missing, the command that mends; from what the adapters read.

use crate::{
    Code, CorpusKind, Finding,
    adapters::{PICKLES, layout},
    draft::Modality,
    finding::Findings,
    folder::Folder,
};
use serde::Serialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// The finding that it is for.
    pub code: Code,
    /// Corpus folder or file, relative to the data folder; `.` for that itself.
    pub file: String,
    /// What to put where, or why the commands are right.
    pub what: String,
    /// Commands of a POSIX shell, paths as they were given. Of several, one is enough.
    pub commands: Vec<String>,
}

/// What to do about `findings` of the data folder `dir`, in their order; findings for which nobody can name a path or command have none.
#[must_use]
pub fn hints(dir: &Path, findings: &[Finding]) -> Vec<Hint> {
    let mut hints: Vec<Hint> = Vec::new();
    for finding in findings {
        for hint in of(dir, finding) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    hints
}

/// What to do, and the commands for it.
type Advice = (String, Vec<String>);

fn of(dir: &Path, finding: &Finding) -> Vec<Hint> {
    let corpus = finding.file.split('/').next().unwrap_or_default();
    let advice = match finding.code {
        Code::NoCorpus => no_corpus(dir),
        Code::FolderName => rename(dir, &finding.file).into_iter().collect(),
        Code::NoLabels | Code::MissingSplit => labels(dir, corpus).into_iter().collect(),
        Code::NoModality => modality(dir, corpus, &finding.message)
            .into_iter()
            .collect(),
        Code::AmbiguousFeatures | Code::SplitMismatch => {
            choices(dir, corpus, &finding.file).into_iter().collect()
        }
        Code::NoSegments => {
            let place = shown(&dir.join(corpus).join("CMU_MOSI_Opinion_Labels.csd"));
            let what =
                "put the label file of the SDK beside the sequences, its name holding Labels";
            vec![(format!("{what}, such as {place}"), Vec::new())]
        }
        Code::NoSplit => {
            let (name, header) = layout::SPLITS;
            let place = shown(&dir.join(corpus).join(name));
            let what = format!(
                "put the split of every utterance at {place}, a CSV that begins with the line {header}"
            );
            vec![(what, Vec::new())]
        }
        Code::NoAccess => permission(&dir.join(&finding.file)).into_iter().collect(),
        _ => Vec::new(),
    };
    let hint = |(what, commands)| Hint {
        code: finding.code,
        file: finding.file.clone(),
        what,
        commands,
    };
    advice.into_iter().map(hint).collect()
}

/// The label files of a data set that are not there.
fn labels(dir: &Path, corpus: &str) -> Option<Advice> {
    let (files, what) = layout::labels(CorpusKind::from_name(corpus)?)?;
    let paths = files.iter().map(|file| dir.join(corpus).join(file));
    let absent: Vec<String> = paths
        .filter(|path| !path.exists())
        .map(|path| shown(&path))
        .collect();
    (!absent.is_empty()).then(|| (format!("put {what}, at {}", absent.join(", ")), Vec::new()))
}

fn permission(path: &Path) -> Option<Advice> {
    let there = fs::symlink_metadata(path).is_ok_and(|about| !about.is_symlink());
    let command = format!("chmod u+rX {}", shown(path));
    there.then(|| ("give yourself the permission".to_owned(), vec![command]))
}

/// Where a folder without a corpus should have had one.
fn no_corpus(dir: &Path) -> Vec<Advice> {
    let doctor = |data: &Path| vec![format!("unimse doctor {}", shown(data))];
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let own = whole.file_name().and_then(|name| name.to_str());
    if let (Some(name), Some(above)) = (own.filter(|name| is_known(name)), whole.parent()) {
        let what = format!("this is the folder of {name} itself: name the one above it");
        return vec![(what, doctor(above))];
    }
    if let Some(command) = move_tables(dir) {
        let what = "the tables of MELD belong into a folder meld".to_owned();
        return vec![(what, vec![command])];
    }
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut below: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    below.sort();
    let holds_corpora = |path: &&PathBuf| {
        let names = CorpusKind::KNOWN.into_iter().filter_map(CorpusKind::name);
        names.into_iter().any(|name| path.join(name).is_dir())
    };
    if let Some(data) = below.iter().find(holds_corpora) {
        let what = "the corpora lie one folder further down".to_owned();
        return vec![(what, doctor(data))];
    }
    let names = CorpusKind::KNOWN.into_iter().filter_map(CorpusKind::name);
    let make = |name: &str| {
        let (what, _) = labels(dir, name)?;
        let command = format!("mkdir -p {}", shown(&dir.join(name)));
        Some((format!("for {name}: {what}"), vec![command]))
    };
    names.filter_map(make).collect()
}

fn is_known(name: &str) -> bool {
    CorpusKind::from_name(name).is_some()
}

/// The command that puts tables of MELD where they belong, where they lie beside the folder.
fn move_tables(dir: &Path) -> Option<String> {
    let (files, _) = layout::labels(CorpusKind::Meld)?;
    let paths = files.iter().map(|file| dir.join(file));
    let tables: Vec<String> = paths
        .filter(|path| path.is_file())
        .map(|path| shown(&path))
        .collect();
    let meld = shown(&dir.join("meld"));
    (!tables.is_empty()).then(|| format!("mkdir -p {meld} && mv {} {meld}/", tables.join(" ")))
}

/// The command that gives a data set's folder its name in lower case.
fn rename(dir: &Path, name: &str) -> Option<Advice> {
    let (from, to) = (dir.join(name), dir.join(name.to_lowercase()));
    let wanted = is_known(&name.to_lowercase()) && from.is_dir() && !to.exists();
    let command = format!("mv {} {}", shown(&from), shown(&to));
    wanted.then(|| ("rename the folder".to_owned(), vec![command]))
}

/// Where features of the modality that `message` names go; and how the sound of videos that are there becomes wave files.
fn modality(dir: &Path, corpus: &str, message: &str) -> Option<Advice> {
    let named = |modality: &Modality| message.ends_with(modality.name());
    let modality = Modality::ALL.into_iter().find(named)?;
    let kind = CorpusKind::from_name(corpus);
    let (place, what) = layout::features(kind, modality);
    let folder = Folder::open(dir, corpus, &mut Findings::default());
    let mut commands = Vec::new();
    if kind == Some(CorpusKind::Meld)
        && modality == Modality::Audio
        && folder.with_extension(&["mp4"]).next().is_some()
    {
        commands.push(format!(
            "find {} -name '*.mp4' -exec sh -c 'ffmpeg -nostdin -i \"$1\" -vn -ac 1 -ar 16000 \"${{1%.mp4}}.wav\"' sh {{}} \\;",
            shown(&folder.root())
        ));
    }
    let place = shown(&folder.root().join(place));
    let word = modality.name();
    Some((format!("for {word}: put {what}, such as {place}"), commands))
}

/// A choice of each feature file among which nobody has chosen, or of the one that was not used.
fn choices(dir: &Path, corpus: &str, file: &str) -> Option<Advice> {
    let choose = |path: &Path| {
        let (data, file) = (shown(dir), shown(path));
        format!("unimse ingest --data {data} --out OUT --features {corpus}={file}")
    };
    let folder = Folder::open(dir, corpus, &mut Findings::default());
    let commands: Vec<String> = match dir.join(file) {
        path if path.is_file() => vec![choose(&path)],
        _ => folder.with_extension(&PICKLES).map(choose).collect(),
    };
    let what = "name the file that ingest shall use: it is joined by id".to_owned();
    (!commands.is_empty()).then_some((what, commands))
}

/// A path as one word of a shell, which no command takes for an option. What a terminal would not show as it is, is spelt as bytes.
fn shown(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let here = if bytes.starts_with(b"-") { "./" } else { "" };
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%=".contains(c);
    match path.to_str() {
        Some(text) if text.chars().all(plain) && !text.is_empty() => format!("{here}{text}"),
        Some(text) if !text.contains(unseen) => {
            format!("'{here}{}'", text.replace('\'', r"'\''"))
        }
        _ => format!("$'{here}{}'", spelt(bytes)),
    }
}

/// Moves the cursor or the text around it, or is not seen at all.
fn unseen(c: char) -> bool {
    let hidden = [
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{2069}',
    ];
    c.is_control() || c == '\u{feff}' || hidden.iter().any(|range| range.contains(&c))
}

/// What stands between `$'` and `'`.
fn spelt(bytes: &[u8]) -> String {
    let octal = |bytes: &[u8]| -> String {
        let bytes = bytes.iter();
        bytes.map(|byte| format!("\\{byte:03o}")).collect()
    };
    let letter = |c: char| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if unseen(c) => octal(c.encode_utf8(&mut [0; 4]).as_bytes()),
        c => c.to_string(),
    };
    let chunks = bytes.utf8_chunks();
    let spelt = chunks.map(|chunk| {
        let valid: String = chunk.valid().chars().map(letter).collect();
        valid + &octal(chunk.invalid())
    });
    spelt.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(shown(Path::new("/a/b_c.d")), "/a/b_c.d");
        assert_eq!(shown(Path::new("it's here")), r"'it'\''s here'");
        assert_eq!(shown(Path::new("$(x)")), "'$(x)'");
        assert_eq!(shown(Path::new("-rf")), "./-rf");
        assert_eq!(shown(Path::new("-a b")), "'./-a b'");
        assert_eq!(shown(Path::new("a\nb'\\")), r"$'a\012b\'\\'");
        assert_eq!(shown(Path::new("\u{202e}x")), r"$'\342\200\256x'");
    }

    /// What `bash` reads of each word is the path, byte for byte.
    #[test]
    fn a_shell_reads_the_path() {
        use std::{ffi::OsStr, os::unix::ffi::OsStrExt, process::Command};
        for path in [
            &b"it's $(here) `there`; \"&\" *"[..],
            b"a\nb\\'\x1b[2K\r",
            b"\xff\xfe x",
            "\u{202e}\u{200b}é".as_bytes(),
        ] {
            let word = shown(Path::new(OsStr::from_bytes(path)));
            assert!(word.chars().all(|c| !unseen(c)), "{word:?}");
            let Ok(read) = Command::new("bash")
                .args(["-c", &format!("printf %s {word}")])
                .output()
            else {
                eprintln!("left out: a_shell_reads_the_path needs bash");
                return;
            };
            assert_eq!(read.stdout, path, "{word}");
        }
    }
}
