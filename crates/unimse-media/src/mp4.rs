//! What decoders do not say of an mp4: where its sound begins (encoders put samples before it that start their filters, and the edit list
//! of the track says how many), and whether the file was cut short. Boxes by ISO/IEC 14496-12: a size of 32 bits, a name, the content; a size
//! of 1 is followed by one of 64 bits, a size of 0 goes to the end of the file.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

/// An mp4 file in outline; of any other file nothing.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outline {
    /// The audio tracks in their order.
    pub(crate) tracks: Vec<Track>,
    /// The video tracks in their order.
    pub(crate) video: Vec<Track>,
    /// Whether a box is longer than the file.
    pub(crate) cut: bool,
}

/// What the header of a track says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Track {
    /// Ticks of its time base before the sound.
    pub(crate) start: i64,
    /// Length in seconds, the start among it; `None` where it is left open.
    pub(crate) seconds: Option<f64>,
}

/// Bytes of a `moov` box that are read; the index of an hour of film has a few megabytes.
const MOST: u64 = 1 << 26;
/// Boxes of a file that are looked at; fragmented files have many of which only the first matter.
const BOXES: usize = 64;

/// Looks at a file and leaves it at its start. What cannot be read is left out: the decoder will say why.
pub(crate) fn outline(file: &mut File) -> Outline {
    let mut outline = Outline::default();
    let _ = walk(file, &mut outline);
    let _ = file.seek(SeekFrom::Start(0)); // a file that cannot be sought is read by nobody
    outline
}

/// Goes from box to box; `None` where they end.
fn walk(file: &mut File, outline: &mut Outline) -> Option<()> {
    let length = file.metadata().ok()?.len();
    let mut at = 0;
    for number in 0..BOXES {
        file.seek(SeekFrom::Start(at)).ok()?;
        let mut head = Vec::with_capacity(16);
        file.take(16).read_to_end(&mut head).ok()?;
        let found = parse(&head)?;
        if number == 0 && found.name != *b"ftyp" {
            return None;
        }
        let end = at.checked_add(found.size)?;
        outline.cut |= end > length;
        if found.name == *b"moov" {
            file.seek(SeekFrom::Start(at + found.head)).ok()?;
            let mut content = Vec::new();
            let size = (found.size - found.head).min(MOST);
            file.take(size).read_to_end(&mut content).ok()?;
            outline.tracks = tracks(&content, b"soun");
            outline.video = tracks(&content, b"vide");
        }
        at = end;
    }
    None
}

/// The head of a box.
struct Head {
    name: [u8; 4],
    /// Bytes of the head.
    head: u64,
    /// Bytes of the whole box, at least those of its head.
    size: u64,
}

fn parse(bytes: &[u8]) -> Option<Head> {
    let [a, b, c, d, name @ ..] = *bytes.first_chunk::<8>()?;
    let (head, size) = match u32::from_be_bytes([a, b, c, d]) {
        1 => (16, u64::from_be_bytes(*bytes.get(8..)?.first_chunk()?)),
        size => (8, u64::from(size)),
    };
    (size >= head).then_some(Head { name, head, size })
}

/// The boxes within the content of a box, as far as they are whole.
fn children(content: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = content;
    std::iter::from_fn(move || {
        let found = parse(rest)?;
        let (head, size) = (
            usize::try_from(found.head).ok()?,
            usize::try_from(found.size).ok()?,
        );
        let content = rest.get(head..size)?;
        rest = rest.get(size..)?;
        Some((found.name, content))
    })
}

fn child<'a>(content: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    children(content)
        .find(|(found, _)| found == name)
        .map(|(_, content)| content)
}

/// The tracks of a kind: `soun`, `vide`.
fn tracks(moov: &[u8], kind: &[u8; 4]) -> Vec<Track> {
    let tracks = children(moov).filter(|(name, _)| name == b"trak");
    let tracks = tracks.filter(|(_, track)| is_kind(track, kind).unwrap_or(false));
    tracks
        .map(|(_, track)| Track {
            start: media_time(track).unwrap_or(0),
            seconds: seconds(track),
        })
        .collect()
}

/// The length that the media header gives; 0 and the largest number say nothing.
fn seconds(track: &[u8]) -> Option<f64> {
    let header = child(child(track, b"mdia")?, b"mdhd")?;
    let u32_at = |at: usize| Some(u32::from_be_bytes(*header.get(at..)?.first_chunk()?));
    let (scale, ticks) = match header.first()? {
        1 => {
            let ticks = u64::from_be_bytes(*header.get(24..)?.first_chunk()?);
            (u32_at(20)?, Some(ticks).filter(|&ticks| ticks != u64::MAX)?)
        }
        _ => (
            u32_at(12)?,
            u64::from(u32_at(16).filter(|&ticks| ticks != u32::MAX)?),
        ),
    };
    (scale > 0 && ticks > 0).then(|| ticks as f64 / f64::from(scale))
}

fn is_kind(track: &[u8], kind: &[u8; 4]) -> Option<bool> {
    let handler = child(child(track, b"mdia")?, b"hdlr")?;
    Some(handler.get(8..12)? == kind)
}

/// Where in the media the first edit begins that is not empty.
fn media_time(track: &[u8]) -> Option<i64> {
    let list = child(child(track, b"edts")?, b"elst")?;
    let (entries, wide) = (list.get(8..)?, *list.first()? == 1);
    let size = if wide { 20 } else { 12 };
    let times = entries.chunks_exact(size).map(|entry| match wide {
        true => entry
            .get(8..)
            .and_then(|rest| rest.first_chunk())
            .map(|b| i64::from_be_bytes(*b)),
        false => entry
            .get(4..)
            .and_then(|rest| rest.first_chunk())
            .map(|b| i64::from(i32::from_be_bytes(*b))),
    });
    // -1: an empty edit, which delays the track against others
    times.flatten().find(|time| *time >= 0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use proptest::prelude::*;

    fn boxed(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = u32::try_from(8 + content.len()).unwrap();
        [&size.to_be_bytes()[..], name, content].concat()
    }

    fn track(handler: &[u8; 4], edits: &[(u32, i32)]) -> Vec<u8> {
        let head = |count: usize| [0, 0, 0, 0, 0, 0, 0, count as u8];
        let mut list = head(edits.len()).to_vec();
        for (duration, time) in edits {
            list.extend(duration.to_be_bytes());
            list.extend(time.to_be_bytes());
            list.extend([0, 1, 0, 0]);
        }
        let handler = boxed(b"hdlr", &[&[0; 8][..], handler, &[0; 13]].concat());
        let edits = boxed(b"edts", &boxed(b"elst", &list));
        let mut header = [0; 24];
        header[12..16].copy_from_slice(&8_000_u32.to_be_bytes());
        header[16..20].copy_from_slice(&20_000_u32.to_be_bytes());
        let media = [boxed(b"mdhd", &header), handler].concat();
        boxed(b"trak", &[edits, boxed(b"mdia", &media)].concat())
    }

    #[test]
    fn the_first_edit_of_each_audio_track_counts() {
        let moov = [
            boxed(b"mvhd", &[0; 100]),
            track(b"vide", &[(500, 512)]),
            track(b"soun", &[(0, -1), (500, 1024)]),
            track(b"soun", &[]),
        ]
        .concat();
        let seconds = Some(20_000.0 / 8_000.0);
        let both = [1024, 0].map(|start| Track { start, seconds });
        assert_eq!(tracks(&moov, b"soun"), both);

        let mut file = tempfile::tempfile().unwrap();
        let parts = [
            boxed(b"ftyp", b"M4A "),
            boxed(b"moov", &moov),
            boxed(b"mdat", &[7; 30]),
        ];
        let whole = parts.concat();
        std::io::Write::write_all(&mut file, &whole).unwrap();
        let mut expected = Outline {
            tracks: both.to_vec(),
            video: vec![Track {
                start: 512,
                seconds,
            }],
            cut: false,
        };
        assert_eq!(outline(&mut file), expected);
        assert_eq!(file.stream_position().unwrap(), 0);
        file.set_len(whole.len() as u64 - 1).unwrap();
        expected.cut = true;
        assert_eq!(outline(&mut file), expected);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at in 0_usize..100, by in any::<u8>()) {
            let mut moov = [track(b"soun", &[(1, 1024)]), bytes].concat();
            let at = at % moov.len();
            moov[at] ^= by;
            tracks(&moov, b"soun");
        }
    }
}
