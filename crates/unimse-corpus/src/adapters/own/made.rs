//! What extraction made of the clips that rows name, and of the parts that they ask for, as it recorded it.

use super::clips::Asked;
use crate::{CorpusError, draft::Modality, folder::Folder};
use std::{
    collections::HashMap,
    path::{Component, Path, PathBuf},
};
use unimse_media::{
    Span,
    extract::{Part, RECORDS, Record, records},
};

/// What is said where nothing was extracted yet.
const NOT_YET: &str = "column clip: no features yet: `unimse extract` makes them of this part";

/// What extraction made of the clips that rows name, and of the parts of clips that they ask for.
pub(super) struct Made {
    /// `None` where nothing was extracted.
    records: Option<Records>,
}

#[derive(Default)]
struct Records {
    /// Parts, by utterance.
    parts: HashMap<String, Record>,
    /// Whole clips, by their name below the corpus folder.
    whole: HashMap<String, Record>,
}

/// Files of audio and video, relative to the corpus folder; and what there is not, and why.
pub(super) type Files = ([Option<PathBuf>; 2], Vec<String>);

impl Made {
    /// Reads what extraction recorded of a corpus, in the data folder that it wrote.
    pub(super) fn read(folder: &Folder) -> Result<Self, CorpusError> {
        let data = folder.root().with_file_name("");
        if !data.join(RECORDS).is_file() {
            return Ok(Self { records: None });
        }
        let mut all = Records::default();
        for record in records(&data)? {
            let Some((_, clip)) = (record.clip.split_once('/')).filter(|(c, _)| *c == folder.name)
            else {
                continue;
            };
            let (of, name) = match &record.utterance {
                Some(id) => (&mut all.parts, id.clone()),
                None => (&mut all.whole, clip.to_owned()),
            };
            if of
                .get(&name)
                .is_none_or(|known: &Record| known.sha256.is_none())
            {
                of.insert(name, record);
            }
        }
        Ok(Self { records: Some(all) })
    }

    /// The features of a whole clip that a cell names, relative to the corpus folder; `None`: nothing was extracted.
    pub(super) fn whole(
        &self,
        folder: &Folder,
        cell: &str,
        modality: Modality,
    ) -> Option<Result<PathBuf, String>> {
        let records = self.records.as_ref()?;
        let absent =
            |why: String| Some(Err(format!("{cell}: {why}: {} is absent", modality.name())));
        let parts = Path::new(cell).components();
        let names = parts.filter(|part| *part != Component::CurDir);
        let name = names.collect::<PathBuf>();
        let Some(record) = name.to_str().and_then(|name| records.whole.get(name)) else {
            return absent(format!("{RECORDS} does not have this clip"));
        };
        let seen = record.video.as_ref();
        let (file, fault, message) = match modality {
            Modality::Audio => (&record.file, &record.fault, &record.message),
            Modality::Video => match seen {
                Some(seen) => (&seen.file, &seen.fault, &seen.message),
                None => (&None, &record.fault, &record.message),
            },
        };
        let inner = file
            .as_ref()
            .map(|file| Path::new(file).strip_prefix(&folder.name));
        match (inner, fault) {
            (Some(Ok(inner)), _) => Some(Ok(inner.to_owned())),
            (_, Some(fault)) => absent(format!(
                "{} ({fault})",
                message.as_deref().unwrap_or_default()
            )),
            _ => absent(format!("{RECORDS} has no features of it")),
        }
    }

    /// The features of a row's part.
    pub(super) fn files(&self, folder: &Folder, id: &str, asked: &Asked<'_>) -> Files {
        let nothing = |why: String| ([None, None], vec![why]);
        let Some(records) = &self.records else {
            let fault = asked.part(folder).err();
            return nothing(fault.map_or(NOT_YET.to_owned(), |fault| fault.to_string()));
        };
        let Some(record) = records.parts.get(id) else {
            return nothing(format!(
                "column clip: {RECORDS} does not have this row: extract again"
            ));
        };
        let asked = asked.name().and_then(|name| Ok((name, asked.span()?)));
        let is_of = |(name, span): &(String, Span)| {
            record.clip == format!("{}/{name}", folder.name)
                && record.start_s == Some(span.from_s)
                && record.end_s == span.to_s
        };
        if record.sha256.is_some() && !asked.as_ref().is_ok_and(is_of) {
            return nothing(format!(
                "column clip: {RECORDS} has another part for this row: extract again"
            ));
        }
        of_record(record, folder, id)
    }
}

/// What a record says of audio and video.
fn of_record(record: &Record, folder: &Folder, id: &str) -> Files {
    let (mut files, mut lacking) = ([None, None], Vec::new());
    let seen = record.video.as_ref();
    let made = [
        (
            record.file.is_some(),
            record.fault.as_ref(),
            record.message.as_ref(),
        ),
        seen.map_or((false, None, None), |seen| {
            (
                seen.file.is_some(),
                seen.fault.as_ref(),
                seen.message.as_ref(),
            )
        }),
    ];
    for ((slot, modality), (is_there, fault, message)) in
        files.iter_mut().zip(Modality::ALL).zip(made)
    {
        let word = modality.name();
        if let Some(fault) = fault {
            let message = message.map_or("", String::as_str);
            lacking.push(format!(
                "column clip: {word} is absent: {message} ({fault})"
            ));
        } else if is_there {
            let target = Part::target(&folder.name, word, id);
            let inner = Path::new(&target).strip_prefix(&folder.name);
            *slot = inner.ok().map(Path::to_owned);
        }
    }
    (files, lacking)
}
