//! `.csd` files through hdf5-reader: computational sequences of the CMU Multimodal SDK.
//!
//! Layout (`mmsdk/mmdatasdk/computational_sequence` of the SDK): one root group, whose name is the sequence's; in it
//! `data/<video>/features` (`[rows, dim]` numbers, or `[rows, 1]` words), `data/<video>/intervals` (`[rows, 2]`
//! start and end in seconds) and `metadata`, which is not read.

use crate::{
    FormatError,
    bytes::Bytes,
    dtype,
    hdf5::{self, Element, MAX_BYTES, element},
};
use hdf5_reader::{Dataset, StringPadding, error::Error, group::Group};
use std::path::{Path, PathBuf};

/// Most rows of a video: eleven hours at 100 rows a second.
const MAX_ROWS: usize = 1 << 22;

/// An opened computational sequence; a video's arrays are read when asked for.
pub struct Csd {
    path: PathBuf,
    name: String,
    data: Group,
    /// Sorted.
    videos: Vec<String>,
    /// Most bytes of one array.
    limit: usize,
}

/// The sequence of one video.
#[derive(Clone, Debug, PartialEq)]
pub struct CsdVideo {
    /// Start and end of every row in seconds, in the file's order and as they stand there.
    pub intervals: Vec<[f64; 2]>,
    /// As many rows as there are intervals.
    pub features: CsdFeatures,
}

/// What a sequence holds for every interval.
#[derive(Clone, Debug, PartialEq)]
pub enum CsdFeatures {
    /// Numbers as they stand in the file, infinities and NaN included.
    Numbers {
        /// Numbers a row, at least 1.
        dim: usize,
        /// `[rows, dim]`, row-major.
        values: Vec<f32>,
    },
    /// One text a row: UTF-8, or Latin-1 where it is no UTF-8.
    Text(Vec<String>),
}

impl CsdFeatures {
    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Numbers { dim, values } => values.len() / dim,
            Self::Text(texts) => texts.len(),
        }
    }
}

impl Csd {
    /// Maps a file and lists its videos.
    ///
    /// # Errors
    /// When the file is missing, no HDF5, or not of the layout above.
    pub fn open(path: &Path) -> Result<Self, FormatError> {
        Self::read(path, Bytes::open(path)?)
    }

    /// Reads a sequence held in memory.
    ///
    /// # Errors
    /// As [`open`](Self::open); the path reads `<memory>`.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, FormatError> {
        Self::read(Path::new("<memory>"), Bytes::owned(bytes))
    }

    fn read(path: &Path, bytes: Bytes) -> Result<Self, FormatError> {
        let wrong = |message: String| FormatError::Csd {
            path: path.to_owned(),
            message,
        };
        let broken = |error: Error| wrong(format!("expected an HDF5 file, found: {error}"));
        let (file, limit) = hdf5::open(bytes).map_err(broken)?;
        let (roots, _) = (file.root_group())
            .and_then(|root| root.member_names())
            .map_err(broken)?;
        let [name] = &roots[..] else {
            return Err(wrong(format!(
                "expected one root group that holds data and metadata, found {}: {:?}",
                roots.len(),
                &roots[..roots.len().min(4)]
            )));
        };
        let data = (file.root_group())
            .and_then(|root| root.group(name)?.group("data"))
            .map_err(|error| wrong(format!("group {name}/data: {error}")))?;
        let (mut videos, _) =
            (data.member_names()).map_err(|error| wrong(format!("group {name}/data: {error}")))?;
        videos.sort_unstable();
        Ok(Self {
            path: path.to_owned(),
            name: name.clone(),
            data,
            videos,
            limit,
        })
    }

    /// Name of the root group, such as `COVAREP` or `Opinion Segment Labels`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file, or `<memory>`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the videos, sorted.
    pub fn video_ids(&self) -> impl ExactSizeIterator<Item = &str> {
        self.videos.iter().map(String::as_str)
    }

    /// Numbers a row, by the first video's shape; none for text or without videos.
    ///
    /// # Errors
    /// When the first video's features are no such array.
    pub fn dim(&self) -> Result<Option<usize>, FormatError> {
        let Some(video) = self.videos.first() else {
            return Ok(None);
        };
        let features = self.dataset(video, "features")?;
        let (_, dim) = self.rows_and_dim(video, &features)?;
        Ok(matches!(element(&features), Element::Number(_)).then_some(dim))
    }

    /// Reads a video's sequence; none when the file does not hold it.
    ///
    /// # Errors
    /// When its arrays are missing, broken or too large, of another type or shape, or differ in rows. The message
    /// names the video.
    pub fn video(&self, video: &str) -> Result<Option<CsdVideo>, FormatError> {
        let Some(intervals) = self.intervals(video)? else {
            return Ok(None);
        };
        let features = self.dataset(video, "features")?;
        let (rows, dim) = self.rows_and_dim(video, &features)?;
        Ok(Some(CsdVideo {
            intervals,
            features: self.features(video, &features, rows, dim)?,
        }))
    }

    /// Start and end in seconds of every row of a video's sequence, without reading its features.
    ///
    /// # Errors
    /// As [`video`](Self::video).
    pub fn intervals(&self, video: &str) -> Result<Option<Vec<[f64; 2]>>, FormatError> {
        if (self.videos)
            .binary_search_by(|name| name.as_str().cmp(video))
            .is_err()
        {
            return Ok(None);
        }
        let (rows, _) = self.rows_and_dim(video, &self.dataset(video, "features")?)?;
        let intervals = self.dataset(video, "intervals")?;
        if *intervals.shape() != [rows as u64, 2] {
            return Err(self.wrong(
                video,
                format!(
                    "expected intervals of shape [{rows}, 2] as there are {rows} rows of features, found {:?}",
                    intervals.shape()
                ),
            ));
        }
        let Element::Number(dtype) = element(&intervals) else {
            return Err(self.unsupported(video, &intervals, "numbers"));
        };
        let raw = self.bytes(video, &intervals, 2 * rows, dtype.size)?;
        let seconds = dtype::to_f64s(dtype, &raw)
            .ok_or_else(|| self.unsupported(video, &intervals, "numbers"))?;
        Ok(Some(seconds.as_chunks::<2>().0.to_vec()))
    }

    fn features(
        &self,
        video: &str,
        features: &Dataset,
        rows: usize,
        dim: usize,
    ) -> Result<CsdFeatures, FormatError> {
        if let Element::Number(dtype) = element(features) {
            let raw = self.bytes(video, features, rows * dim, dtype.size)?;
            let mut values = Vec::with_capacity(rows * dim);
            dtype::to_f32(dtype, &raw, &mut values)
                .ok_or_else(|| self.unsupported(video, features, "numbers or text"))?;
            return Ok(CsdFeatures::Numbers { dim, values });
        }
        if dim != 1 {
            return Err(self.wrong(video, format!("expected one text a row, found {dim}")));
        }
        let texts = match element(features) {
            Element::FixedText(size, padding) => {
                let raw = self.bytes(video, features, rows, size)?;
                let text = |bytes| dtype::latin1_or_utf8(trim(bytes, padding));
                raw.chunks_exact(size).map(text).collect()
            }
            Element::HeapText(padding) => self.heap_texts(video, features, rows, padding)?,
            _ => return Err(self.unsupported(video, features, "numbers or text")),
        };
        Ok(CsdFeatures::Text(texts))
    }

    /// Texts of variable length: the array holds references into heaps. Two references may name the same text, so the
    /// sum of their lengths, not the file's size, bounds the memory.
    fn heap_texts(
        &self,
        video: &str,
        features: &Dataset,
        rows: usize,
        padding: StringPadding,
    ) -> Result<Vec<String>, FormatError> {
        let size = features.vlen_reference_size();
        let raw = self.bytes(video, features, rows, size)?;
        let mut left = self.limit;
        let mut texts = Vec::with_capacity(rows);
        for reference in raw.chunks_exact(size) {
            let length = reference
                .first_chunk()
                .map_or(0, |n| u32::from_le_bytes(*n));
            left = (left.checked_sub(length as usize))
                .ok_or_else(|| self.wrong(video, format!("text beyond {} bytes", self.limit)))?;
            let bytes = (features.resolve_vlen_reference_bytes(reference, 1))
                .map_err(|error| self.wrong(video, error.to_string()))?;
            texts.push(dtype::latin1_or_utf8(trim(&bytes, padding)));
        }
        Ok(texts)
    }

    fn dataset(&self, video: &str, name: &str) -> Result<Dataset, FormatError> {
        (self.data.group(video))
            .and_then(|group| group.dataset(name))
            .map_err(|error| self.wrong(video, error.to_string()))
    }

    /// Shape of features: `[rows]` reads as `[rows, 1]`.
    fn rows_and_dim(&self, video: &str, features: &Dataset) -> Result<(usize, usize), FormatError> {
        let (rows, dim) = match *features.shape() {
            [rows] => (rows, 1),
            [rows, dim] => (rows, dim),
            _ => (u64::MAX, 0),
        };
        let within =
            |n: u64, least, most| (usize::try_from(n).ok()).filter(|n| (least..=most).contains(n));
        within(rows, 0, MAX_ROWS)
            .zip(within(dim, 1, MAX_BYTES))
            .ok_or_else(|| {
                self.wrong(
                    video,
                    format!(
                        "expected features of shape [rows, dim] with at most {MAX_ROWS} rows, found {:?}",
                        features.shape()
                    ),
                )
            })
    }

    /// All bytes of an array, which must be `count * size`; the reader checks the limit before it allocates.
    fn bytes(
        &self,
        video: &str,
        array: &Dataset,
        count: usize,
        size: usize,
    ) -> Result<Vec<u8>, FormatError> {
        let raw = (array.read_raw_bytes()).map_err(|error| self.wrong(video, error.to_string()))?;
        if size > 0 && count.checked_mul(size) == Some(raw.len()) {
            return Ok(raw);
        }
        Err(self.wrong(
            video,
            format!(
                "{}: expected {count} elements of {size} bytes, found {} bytes",
                array.name(),
                raw.len()
            ),
        ))
    }

    fn unsupported(&self, video: &str, array: &Dataset, expected: &str) -> FormatError {
        let found = match element(array) {
            Element::Number(dtype) => format!("numbers of type {dtype}"),
            Element::FixedText(..) | Element::HeapText(_) => "text".to_owned(),
            Element::Other => "elements of another kind".to_owned(),
        };
        let name = array.name();
        self.wrong(video, format!("{name}: expected {expected}, found {found}"))
    }

    fn wrong(&self, video: &str, message: String) -> FormatError {
        FormatError::Csd {
            path: self.path.clone(),
            message: format!("video {video:?}: {message}"),
        }
    }
}

impl std::fmt::Debug for Csd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Csd")
            .field("path", &self.path)
            .field("name", &self.name)
            .field("videos", &self.videos.len())
            .finish_non_exhaustive()
    }
}

/// A text without its padding.
fn trim(bytes: &[u8], padding: StringPadding) -> &[u8] {
    let kept = |pad: u8| {
        bytes
            .iter()
            .rposition(|&byte| byte != pad)
            .map_or(0, |i| i + 1)
    };
    let end = match padding {
        StringPadding::NullTerminate => bytes.iter().position(|&byte| byte == 0),
        StringPadding::NullPad => Some(kept(0)),
        StringPadding::SpacePad => Some(kept(b' ')),
    };
    &bytes[..end.unwrap_or(bytes.len())]
}
