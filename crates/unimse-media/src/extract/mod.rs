//! Features of all clips below a folder, as a folder that ingest reads: parallel, resumed where it was interrupted, a broken clip one finding.
//!
//! `DATA/<corpus>/<path>.<ending>` becomes `OUT/<corpus>/audio/<path>.npy` (`[steps, features]`, 32-bit floats), and with networks that find faces
//! `OUT/<corpus>/video/<path>.npy`; where there is nothing to describe there is no file. `OUT/<corpus>/features.toml` says how
//! they were made; tables and transcripts beside the clips are linked to. A clip directly in `DATA` becomes `OUT/audio/<name>.npy`.
//! `OUT/extraction.jsonl` holds one [`Record`] a clip: its hash and what became of it. A clip whose hash it knows is not extracted again.
//!
//! Where several utterances lie in one clip, [`Parts`] says so: each becomes a file of its own, `OUT/<corpus>/audio/utterances/<id>.npy`, by [`extract_parts`].

mod clips;
mod describe;
mod part;
mod record;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rayon::prelude::*;
use unimse_formats::{npy_bytes, open_file};
use unimse_run::{RunLock, artefact};

use crate::{Clip, Fault, Features, MediaError, Sequence, read_clip, video};
pub use clips::ENDINGS;
use clips::{Clips, Found};
pub(crate) use describe::FILE as DESCRIPTION;
use part::Hashes;
pub use part::{Part, Parts};
use record::Journal;
pub use record::{Pictures, RECORDS, Record, read as records};

/// What an extraction did.
#[derive(Clone, Debug, PartialEq)]
pub struct Extracted {
    /// One record a clip, sorted by its name, then one a part, by clip and time.
    pub records: Vec<Record>,
    /// Clips that an earlier run had done.
    pub kept: usize,
}

impl Extracted {
    /// Clips whose sound has no features, and why.
    pub fn findings(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| record.fault.is_some())
    }

    /// Clips whose pictures have no features, and why; those that hold sound only (`NO_VIDEO`) are not among them.
    pub fn unseen(&self) -> impl Iterator<Item = (&Record, &Pictures)> {
        let pictures =
            (self.records.iter()).filter_map(|record| Some((record, record.video.as_ref()?)));
        let is_fault = |pictures: &Pictures| {
            let fault = pictures.fault.as_deref();
            fault.is_some_and(|fault| fault != Fault::NoVideo.kind())
        };
        pictures.filter(move |(_, pictures)| is_fault(pictures))
    }

    /// Seconds of all clips that have features.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.records
            .iter()
            .filter_map(|record| record.seconds)
            .sum()
    }
}

/// How far an extraction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Clips done, those of earlier runs among them.
    pub done: usize,
    /// All clips.
    pub clips: usize,
    /// Clips of them without features.
    pub findings: usize,
}

/// Extracts the features of all clips below `data` into `out`, which may be `data` itself, by the threads of rayon's current pool. `progress` is
/// called with every clip that is done, from any thread.
///
/// Every file is written under a temporary name and renamed, then recorded: a process that is killed loses the clips under way and no other. The
/// same clips give the same bytes. Pictures that were not asked for before are looked at now, and the sound is not heard again.
///
/// # Errors
/// [`MediaError::Folder`] where `data` is no folder, holds no clip, or where `out` is in use or holds features of another kind;
/// [`MediaError::File`] where something cannot be written; [`MediaError::Ffmpeg`] where pictures are wanted and the system has no ffmpeg. What is wrong with a clip is a finding, never an error.
pub fn extract<'a>(
    data: &Path,
    out: &Path,
    features: impl Into<Features<'a>>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Extracted, MediaError> {
    extract_parts(data, &Parts::default(), out, features, progress)
}

/// As [`extract`], but clips are described in the parts that utterances take of them. Of a clip no more than the part is decoded, and nothing is held
/// between two of them; its content is hashed once a thread at most. What is wrong with a part, its fault or a time behind the clip's end, is recorded as for a clip.
///
/// # Errors
/// As [`extract`]; and [`MediaError::Folder`] where `out` holds another version of the files that the parts were read from.
pub fn extract_parts<'a>(
    data: &Path,
    parts: &Parts,
    out: &Path,
    features: impl Into<Features<'a>>,
    progress: &(dyn Fn(Progress) + Sync),
) -> Result<Extracted, MediaError> {
    let features = features.into();
    if features.video.is_some() {
        video::ffmpeg_version()?;
    }
    let folder = |path: &Path, message: String| MediaError::Folder {
        path: path.to_owned(),
        message,
    };
    if !data.is_dir() {
        return Err(folder(data, "expected a folder".to_owned()));
    }
    let _lock = RunLock::take(out).map_err(|error| folder(out, error.to_string()))?;
    let clips = clips::find(data, parts, out)?;
    if clips.found.is_empty() {
        let message = format!("expected clips ({}), found none", ENDINGS.join(", "));
        return Err(folder(data, message));
    }
    part::check_sources(data, out, parts)?;
    for folder in clips.folders() {
        artefact::sweep(&out.join(folder))?;
    }
    let journal = Journal::open(out, &features)?;
    describe::describe(out, &clips, &features)?;
    let run = Run {
        out,
        features,
        clips: clips.found.len(),
        journal: Mutex::new(journal),
        hashes: Hashes::default(),
        done: AtomicUsize::new(0),
        findings: AtomicUsize::new(0),
        kept: AtomicUsize::new(0),
    };
    let each = |clip: &Found| -> Result<Record, MediaError> {
        let record = run.record(clip)?;
        progress(run.count(&record));
        Ok(record)
    };
    let records: Result<Vec<Record>, MediaError> = clips.found.par_iter().map(each).collect();
    let records = records?;
    record::write(out, &records)?;
    link(data, out, &clips)?;
    Ok(Extracted {
        records,
        kept: run.kept.into_inner(),
    })
}

/// An extraction that is under way, shared by threads.
struct Run<'a> {
    out: &'a Path,
    features: Features<'a>,
    clips: usize,
    journal: Mutex<Journal>,
    hashes: Hashes,
    done: AtomicUsize,
    findings: AtomicUsize,
    kept: AtomicUsize,
}

impl Run<'_> {
    /// What became of a clip: as an earlier run recorded it, or now.
    fn record(&self, clip: &Found) -> Result<Record, MediaError> {
        let journal = || self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = self.hashes.of(clip);
        let known = hash.as_deref().ok();
        let known = known.and_then(|hash| journal().known(clip, hash));
        let known = known.filter(|known| known.file_is_there(self.out, &self.features));
        let video = known.as_ref().and_then(|known| known.video.clone());
        let video = video.filter(|video| video.file_is_there(self.out, &self.features));
        if let Some(known) = &known
            && known.video == video
            && (video.is_some() || self.features.video.is_none())
        {
            self.kept.fetch_add(1, Ordering::Relaxed);
            return Ok(known.clone());
        }
        let opened = hash.is_ok();
        let mut record = match known {
            Some(known) => known,
            None => heard(clip, hash, self.out, &self.features)?,
        };
        record.video = match video {
            None if opened => seen(clip, self.out, &self.features)?,
            video => video,
        };
        journal().add(&record)?;
        Ok(record)
    }

    fn count(&self, record: &Record) -> Progress {
        let found = usize::from(record.fault.is_some());
        Progress {
            done: 1 + self.done.fetch_add(1, Ordering::Relaxed),
            clips: self.clips,
            findings: found + self.findings.fetch_add(found, Ordering::Relaxed),
        }
    }
}

/// SHA-256 of a clip's content.
fn hash(clip: &Found) -> Result<String, MediaError> {
    if let Some(fault) = &clip.fault {
        return Err(fault.clone().at(&clip.path));
    }
    open_file(&clip.path)?; // a FIFO would wait for a writer
    Ok(artefact::sha256(&clip.path)?)
}

/// Features of a clip's sound; what is wrong with it stands in the record.
fn heard(
    clip: &Found,
    hash: Result<String, MediaError>,
    out: &Path,
    features: &Features<'_>,
) -> Result<Record, MediaError> {
    let mut record = Record::new(clip, features);
    let read = hash.and_then(|hash| {
        record.sha256 = Some(hash);
        let read = heard_part(clip)?;
        let made = features.heard(&read.samples);
        Ok((made.map_err(|fault| fault.at(&clip.path))?, read))
    });
    let ((sequence, non_finite), read) = match read {
        Ok(read) => read,
        Err(error) => {
            record.fault = Some(error.kind().to_owned());
            record.message = Some(error.detail());
            return Ok(record);
        }
    };
    write_features(&out.join(&clip.target), &sequence)?;
    record.file = Some(clip.target.clone());
    record.steps = Some(sequence.steps());
    record.seconds = Some(read.seconds());
    record.non_finite = read.non_finite + non_finite;
    Ok(record)
}

/// The sound of a clip, or of a part of it that does not go past its end.
fn heard_part(clip: &Found) -> Result<Clip, MediaError> {
    let at = |fault: Fault| fault.at(&clip.path);
    match read_clip(&clip.path, clip.span) {
        Err(MediaError::Fault {
            fault: Fault::NoSample,
            ..
        }) => Err(at(part::lacking(clip.span, 0.0).unwrap_or(Fault::NoSample))),
        Ok(read) => match part::lacking(clip.span, read.seconds()) {
            Some(fault) => Err(at(fault)),
            None => Ok(read),
        },
        Err(error) => Err(error),
    }
}

/// Features of a clip's pictures, where they are wanted; what is wrong with them stands in the record.
fn seen(clip: &Found, out: &Path, features: &Features<'_>) -> Result<Option<Pictures>, MediaError> {
    let Some((faces, settings)) = features.video else {
        return Ok(None);
    };
    let mut pictures = Pictures::new(features);
    match video::sequence(&clip.path, clip.span, faces, &settings) {
        Ok(found) => {
            write_features(&out.join(&clip.video), &found.sequence)?;
            pictures.file = Some(clip.video.clone());
            pictures.frames = Some(found.frames);
            pictures.with_face = Some(found.with_face);
            pictures.non_finite = found.non_finite;
        }
        // the system's fault, not the clip's
        Err(error @ MediaError::Ffmpeg { .. }) => return Err(error),
        Err(error) => {
            pictures.fault = Some(error.kind().to_owned());
            pictures.message = Some(error.detail());
        }
    }
    Ok(Some(pictures))
}

fn write_features(path: &Path, sequence: &Sequence) -> Result<(), MediaError> {
    let bytes = npy_bytes([sequence.steps(), sequence.dim], &sequence.values);
    Ok(artefact::write(path, &bytes)?)
}

/// Makes the tables and transcripts beside the clips part of `out`: as hard links, or copies where those cannot be. A file that is there stays.
fn link(data: &Path, out: &Path, clips: &Clips) -> Result<(), MediaError> {
    if std::fs::canonicalize(data).ok() == std::fs::canonicalize(out).ok() {
        return Ok(());
    }
    let targets: BTreeMap<&str, PathBuf> = clips
        .others
        .iter()
        .map(|name| (name.as_str(), out.join(name)))
        .collect();
    for (name, target) in targets {
        if target.exists() {
            continue;
        }
        let source = data.join(name);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)
                .map_err(unimse_run::FileError::at(folder, "creating the folder"))?;
        }
        if std::fs::hard_link(&source, &target).is_err() {
            let bytes =
                std::fs::read(&source).map_err(unimse_run::FileError::at(&source, "reading"))?;
            artefact::write(&target, &bytes)?;
        }
    }
    Ok(())
}

/// Whether extraction itself writes a file of this name.
fn is_ours(name: &str) -> bool {
    let last = name.rsplit('/').next();
    last == Some(describe::FILE) || name == RECORDS
}
