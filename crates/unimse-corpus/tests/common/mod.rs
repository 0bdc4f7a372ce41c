//! Data folders that a test fills, what ingest and the doctor make of them, and tests that must not be root.

pub(crate) mod demo;
#[cfg(feature = "frame")]
pub(crate) mod run;

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};
use unimse_corpus::{Code, Corpus, Finding, Severity, Split, Utterance, doctor, ingest, read};

/// A table of the user's own with one row a split.
pub(crate) const REVIEWS: &str =
    "utterance_id,split,text,score\na,train,Great,2.5\nb,dev,Bad,-1\nc,test,So,0\n";

/// A folder `data` that a test fills, and beside it `out`.
pub(crate) struct Data(pub(crate) tempfile::TempDir);

impl Data {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let data = Self(tempfile::tempdir().unwrap());
        for (file, content) in files {
            data.put(file, content.as_bytes());
        }
        data
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.0.path().join("out")
    }

    pub(crate) fn put(&self, file: &str, content: &[u8]) -> PathBuf {
        let path = self.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// A `.npy` file of 64-bit floats, `[values / dim, dim]`.
    pub(crate) fn npy(&self, file: &str, dim: usize, values: &[f64]) {
        let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.npy_of("<f8", file, [values.len() / dim, dim], bytes);
    }

    /// A `.npy` file of 32-bit floats, zeros and ones in turn.
    pub(crate) fn npy_in_turn(&self, file: &str, shape: [usize; 2]) {
        let values = (0..shape[0] * shape[1]).map(|i| i as f32 % 2.0);
        self.npy_of(
            "<f4",
            file,
            shape,
            values.flat_map(f32::to_le_bytes).collect(),
        );
    }

    fn npy_of(&self, dtype: &str, file: &str, [rows, dim]: [usize; 2], values: Vec<u8>) {
        let shape = format!("({rows}, {dim})");
        let header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
        let padded = format!("{header:<117}\n");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend(u16::try_from(padded.len()).unwrap().to_le_bytes());
        bytes.extend(padded.as_bytes());
        bytes.extend(values);
        self.put(file, &bytes);
    }

    /// A wave file of 64-bit floats at 16 kHz with these sizes in its header.
    pub(crate) fn wave(&self, file: &str, samples: &[f64], riff: u32, size: u32) {
        let data: Vec<u8> = samples.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut bytes = b"RIFF".to_vec();
        bytes.extend(riff.to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0");
        bytes.extend([3_u16, 1].map(u16::to_le_bytes).concat());
        bytes.extend([16_000_u32, 16_000 * 8].map(u32::to_le_bytes).concat());
        bytes.extend([8_u16, 64].map(u16::to_le_bytes).concat());
        bytes.extend([b"data", &size.to_le_bytes()[..], &data].concat());
        self.put(file, &bytes);
    }

    /// A wave file of `samples` samples of a 440 Hz tone.
    pub(crate) fn tone(&self, file: &str, rate: u32, samples: usize) {
        self.put(file, b"");
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(self.root().join(file), spec).unwrap();
        for i in 0..samples {
            let t = i as f64 / f64::from(rate);
            let value = 8000.0 * (t * 440.0 * std::f64::consts::TAU).sin();
            writer.write_sample(value as i16).unwrap();
        }
        writer.finalize().unwrap();
    }

    /// A copy of a file of `tests/fixtures`.
    pub(crate) fn fixture(&self, name: &str, file: &str) {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        self.put(file, &fs::read(fixtures.join(name)).unwrap());
    }

    pub(crate) fn ingest(&self) -> Result<Vec<Arc<Corpus>>, String> {
        ingest(&self.root(), &self.out(), &[], &mut |_| {}).map_err(|error| error.to_string())?;
        Ok(read(&self.out(), &Split::ALL).unwrap())
    }

    /// What ingest refuses, in one line; nothing is written.
    pub(crate) fn refused(&self) -> String {
        let error = self.ingest().unwrap_err();
        assert!(!error.contains('\n'), "{error}");
        assert!(!self.out().exists());
        error
    }

    pub(crate) fn doctor(&self) -> Vec<Finding> {
        doctor(&self.root()).unwrap()
    }

    /// The codes of the doctor's findings, in order, each once in a row of equal ones.
    pub(crate) fn codes(&self, severity: Severity) -> Vec<Code> {
        let mut codes: Vec<_> = (self.doctor().iter())
            .filter(|f| f.severity == severity)
            .map(|f| f.code)
            .collect();
        codes.dedup();
        codes
    }

    /// The doctor's findings of a code, each as a line.
    pub(crate) fn found(&self, severity: Severity, code: Code) -> Vec<String> {
        let all = self.doctor();
        let these = all
            .iter()
            .filter(|f| f.severity == severity && f.code == code);
        these.map(ToString::to_string).collect()
    }

    /// Ingest refuses with these words, and the doctor has the same error under this code.
    pub(crate) fn check_refused(&self, code: Code, words: &[&str]) {
        let error = self.refused();
        let found = self.found(Severity::Error, code);
        for word in words {
            assert!(error.contains(word), "{word:?} not in {error}");
            let told = found.iter().any(|finding| finding.contains(word));
            assert!(told, "{word:?} not in {found:?}");
        }
    }

    /// The doctor has this finding, and the tables keep it as a note.
    pub(crate) fn check_told(&self, severity: Severity, code: Code, words: &[&str]) {
        let notes: Vec<String> = self
            .ingest()
            .unwrap()
            .iter()
            .flat_map(|c| c.notes.clone())
            .collect();
        let found = self.found(severity, code);
        for word in words {
            for told in [&notes, &found] {
                let told = told.iter().filter(|told| told.contains(code.name()));
                assert!(
                    told.clone().any(|told| told.contains(word)),
                    "{word:?} not in {:?}",
                    told.collect::<Vec<_>>()
                );
            }
        }
    }
}

pub(crate) fn row<'a>(corpus: &'a Corpus, id: &str) -> &'a Utterance {
    let found = corpus.utterances.iter().find(|u| u.utterance_id == id);
    found.unwrap_or_else(|| panic!("{id} among {}", corpus.utterances.len()))
}

/// A FIFO: opening it to read would wait for a writer.
#[cfg(unix)]
pub(crate) fn fifo(path: &Path) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

/// Whether the calling test shall run here: root may do everything, so as root the test runs in a process of another user.
#[cfg(unix)]
pub(crate) fn has_rights_to_lose(test: &str) -> bool {
    use std::os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    };
    let folder = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .unwrap();
    if fs::metadata(folder.path()).unwrap().uid() != 0 {
        return true;
    }
    // the build folder may be closed to others
    let program = folder.path().join("test");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&program);
    command
        .args([test, "--exact", "--nocapture"])
        .env("HOME", folder.path())
        .env_remove("XDG_CACHE_HOME")
        .current_dir("/")
        .uid(65534)
        .gid(65534);
    let output = loop {
        match command.output() {
            // a process that another test was starting while the copy was written holds it open until it has become its program
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => thread::yield_now(),
            output => break output.unwrap(),
        }
    };
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}
