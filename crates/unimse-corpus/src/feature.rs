//! Features that stay in their file until a table is written.

use crate::{CorpusError, Sequence, mel_cache};
use std::{
    collections::VecDeque,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};
use unimse_formats::{
    Array, ArrayId, Csd, CsdFeatures, CsdVideo, FormatError, Pickle, npy_shape, read_npy,
    wav_header, zero_non_finite,
};
use unimse_media::mel;
use unimse_run::FeatureCard;

/// One modality of one utterance, `[steps, dim]`.
#[derive(Clone, Debug)]
pub(crate) struct Feature {
    source: Source,
    /// Valid steps.
    pub(crate) steps: usize,
    /// Features a step.
    pub(crate) dim: usize,
}

/// Where the values are.
#[derive(Clone, Debug)]
enum Source {
    /// A block of rows of an array.
    Pickle {
        pickle: Arc<Pickle>,
        array: ArrayId,
        /// First element, counted row-major.
        start: usize,
        /// Steps of the array behind the valid ones.
        residue: usize,
    },
    /// A `.npy` file.
    Npy(Arc<Path>),
    /// A wave file: its log-mel features.
    Wave(Arc<Path>),
    /// Values that the user's own table holds.
    Given(Arc<[f32]>),
    /// Rows of a video's sequence.
    Cut {
        sequence: Arc<Recent>,
        video: String,
        rows: Vec<usize>,
    },
}

/// A computational sequence that keeps the videos it read last: the utterances of a video are read one after the other.
#[derive(Debug)]
pub(crate) struct Recent {
    pub(crate) csd: Csd,
    videos: Mutex<VecDeque<(String, Arc<CsdVideo>)>>,
}

impl Recent {
    /// Videos kept: a few for each thread that reads.
    const KEPT: usize = 8;

    pub(crate) fn new(csd: Csd) -> Self {
        Self {
            csd,
            videos: Mutex::default(),
        }
    }

    /// The sequence of a video.
    pub(crate) fn video(&self, video: &str) -> Result<Option<Arc<CsdVideo>>, FormatError> {
        let lock = || self.videos.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = lock().iter().find(|(name, _)| name == video) {
            return Ok(Some(Arc::clone(known)));
        }
        let Some(read) = self.csd.video(video)?.map(Arc::new) else {
            return Ok(None);
        };
        let mut videos = lock();
        videos.truncate(Self::KEPT - 1);
        videos.push_front((video.to_owned(), Arc::clone(&read)));
        Ok(Some(read))
    }
}

/// A loaded feature and what was wrong with it.
pub(crate) struct Loaded {
    pub(crate) sequence: Sequence,
    /// Values that were not finite and are now zero.
    pub(crate) non_finite: usize,
}

impl Feature {
    fn pickled(
        pickle: &Arc<Pickle>,
        array: &Array<'_>,
        start: usize,
        [steps, dim]: [usize; 2],
    ) -> Self {
        let source = Source::Pickle {
            pickle: Arc::clone(pickle),
            array: array.id(),
            start,
            residue: 0,
        };
        Self { source, steps, dim }
    }

    /// A whole array `[steps, dim]`, or `[dim]` as one step; `None` for another shape.
    pub(crate) fn whole(pickle: &Arc<Pickle>, array: &Array<'_>) -> Option<Self> {
        Some(Self::pickled(pickle, array, 0, matrix(array.shape())?))
    }

    /// Row `row` of a batch `[rows, steps, dim]`, or `[rows, dim]` with one step; all its steps.
    pub(crate) fn row(pickle: &Arc<Pickle>, array: &Array<'_>, row: usize) -> Option<Self> {
        let shape = matrix(array.shape().get(1..)?)?;
        Some(Self::pickled(
            pickle,
            array,
            row * shape[0] * shape[1],
            shape,
        ))
    }

    /// A `.npy` file of shape `[steps, dim]` or `[dim]`; only its header is read.
    pub(crate) fn npy(path: &Path) -> Result<Self, CorpusError> {
        let shape = npy_shape(path)?;
        let Some([steps, dim]) = matrix(&shape) else {
            let message = format!("expected an array [steps, dim] or [dim], found shape {shape:?}");
            return Err(CorpusError::table(path)(message));
        };
        let source = Source::Npy(path.into());
        Ok(Self { source, steps, dim })
    }

    /// Values that a table holds, `[steps, dim]` row-major.
    pub(crate) fn given(values: Vec<f32>, dim: usize) -> Self {
        Self {
            steps: values.len().checked_div(dim).unwrap_or(0),
            dim,
            source: Source::Given(values.into()),
        }
    }

    /// The file that the values are in; `None` where it is the table itself.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::Pickle { pickle, .. } => Some(pickle.path()),
            Source::Npy(path) | Source::Wave(path) => Some(path),
            Source::Cut { sequence, .. } => Some(sequence.csd.path()),
            Source::Given(_) => None,
        }
    }

    /// The log-mel features of a wave file; only its header is read.
    pub(crate) fn wave(path: &Path) -> Result<Self, CorpusError> {
        let (rate, frames) = wav_header(path)?;
        let steps = if frames == 0 {
            0
        } else {
            mel::steps(rate, frames)
        };
        let (source, dim) = (Source::Wave(path.into()), mel::MelSettings::default().bands);
        Ok(Self { source, steps, dim })
    }

    /// These rows of a video's sequence.
    pub(crate) fn cut(sequence: &Arc<Recent>, video: String, rows: Vec<usize>, dim: usize) -> Self {
        Self {
            steps: rows.len(),
            dim,
            source: Source::Cut {
                sequence: Arc::clone(sequence),
                video,
                rows,
            },
        }
    }

    /// How these features were made, as far as their file says.
    pub(crate) fn card(&self) -> FeatureCard {
        let tool = match &self.source {
            Source::Wave(_) => return mel::card(),
            Source::Cut { sequence, .. } if names_a_tool(sequence.csd.name()) => {
                sequence.csd.name()
            }
            _ => FeatureCard::UNKNOWN,
        };
        FeatureCard::new(tool, self.dim)
    }

    /// Only the first `steps` steps; what lies behind them is remembered as residue.
    pub(crate) fn truncated(mut self, steps: usize) -> Self {
        if let Source::Pickle { residue, .. } = &mut self.source {
            *residue = self.steps.saturating_sub(steps);
        }
        self.steps = self.steps.min(steps);
        self
    }

    /// Number of values behind the declared length that are not zero, as the doctor reports them.
    pub(crate) fn residue(&self) -> Result<usize, CorpusError> {
        match &self.source {
            Source::Pickle {
                pickle,
                array,
                start,
                residue,
            } if *residue > 0 => {
                let behind = start + self.steps * self.dim;
                let values = pickle.array(*array)?.read_f32(behind, residue * self.dim)?;
                Ok(values.iter().filter(|&&x| x != 0.0).count())
            }
            _ => Ok(0),
        }
    }

    /// Without the steps of zeros at one end, which pad sequences in layouts that carry no lengths.
    pub(crate) fn without_padding(mut self, left: bool) -> Result<Self, CorpusError> {
        let (values, _) = self.raw()?;
        let filled = |step: &[f32]| step.iter().any(|&x| x != 0.0);
        let mut steps = values.chunks_exact(self.dim.max(1));
        if left {
            let padding = steps.position(filled).unwrap_or(self.steps);
            if let Source::Pickle { start, .. } = &mut self.source {
                *start += padding * self.dim;
            }
            self.steps -= padding;
        } else {
            self.steps = steps.rposition(filled).map_or(0, |last| last + 1);
        }
        Ok(self)
    }

    /// The values as they stand in the file, and how many of a wave file's samples are not finite.
    fn raw(&self) -> Result<(Vec<f32>, usize), CorpusError> {
        let (values, path, non_finite) = match &self.source {
            Source::Pickle {
                pickle,
                array,
                start,
                ..
            } => {
                let array = pickle.array(*array)?;
                return Ok((array.read_f32(*start, self.steps * self.dim)?, 0));
            }
            Source::Given(values) => return Ok((values.to_vec(), 0)),
            Source::Cut {
                sequence,
                video,
                rows,
            } => return Ok((self.rows_of(sequence, video, rows)?, 0)),
            Source::Npy(path) => (read_npy(path)?.values, path, 0),
            Source::Wave(path) => {
                let (sequence, non_finite) = mel_cache::features(path)?;
                (sequence.values, path, non_finite)
            }
        };
        let (expected, found) = (self.steps * self.dim, values.len());
        if expected == found {
            Ok((values, non_finite))
        } else {
            let message =
                format!("changed while it was read: expected {expected} values, found {found}");
            Err(CorpusError::table(path)(message))
        }
    }

    fn rows_of(
        &self,
        sequence: &Recent,
        video: &str,
        rows: &[usize],
    ) -> Result<Vec<f32>, CorpusError> {
        let content = sequence.video(video)?;
        let wrong = |found: String| {
            let message = format!(
                "video {video}: expected {} numbers a row, found {found}",
                self.dim
            );
            CorpusError::table(sequence.csd.path())(message)
        };
        let content = content.ok_or_else(|| wrong("no such video".to_owned()))?;
        match &content.features {
            CsdFeatures::Numbers { dim, values } if *dim == self.dim => Ok(rows
                .iter()
                .flat_map(|&row| values.get(row * dim..(row + 1) * dim).unwrap_or_default())
                .copied()
                .collect()),
            CsdFeatures::Numbers { dim, .. } => Err(wrong(dim.to_string())),
            CsdFeatures::Text(_) => Err(wrong("text".to_owned())),
        }
    }

    /// Reads the values; those that are not finite become zero and are counted.
    pub(crate) fn load(&self) -> Result<Loaded, CorpusError> {
        let (mut values, samples) = self.raw()?;
        let non_finite = samples + zero_non_finite(&mut values);
        Ok(Loaded {
            sequence: Sequence {
                dim: self.dim,
                values,
            },
            non_finite,
        })
    }
}

/// Whether a computational sequence is called after an extractor of the CMU SDK (`COVAREP`, `FACET_4.2`), not `audio` or the like.
fn names_a_tool(sequence: &str) -> bool {
    let name = sequence.to_lowercase();
    ["covarep", "opensmile", "facet", "openface"]
        .iter()
        .any(|tool| name.contains(tool))
}

/// Steps and features of a matrix, or of a vector as one step.
fn matrix(shape: &[usize]) -> Option<[usize; 2]> {
    match *shape {
        [steps, dim] => Some([steps, dim]),
        [dim] => Some([1, dim]),
        _ => None,
    }
}
