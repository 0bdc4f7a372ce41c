//! What extraction made of the clips that rows name, and of the parts that they ask for, as it recorded it.

use super::clips::{Asked, within};
use crate::{CorpusError, draft::Modality, folder::Folder};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
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
        let name = within(cell);
        let Some(record) = name.and_then(|name| records.whole.get(&name)) else {
            return absent(format!("{RECORDS} does not have this clip"));
        };
        let (file, fault, message) = of_modality(record, modality);
        let inner = file.and_then(|file| file.strip_prefix(&format!("{}/", folder.name)));
        match (inner.and_then(within), fault) {
            (Some(inner), _) => Some(Ok(PathBuf::from(inner))),
            (None, Some(fault)) => absent(format!("{message} ({fault})")),
            (None, None) => absent(format!("{RECORDS} has no features of it")),
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

/// What a record says of a modality: its file below the output folder, or the fault and the message. A clip that could not be opened has neither.
fn of_modality(record: &Record, modality: Modality) -> (Option<&str>, Option<&str>, &str) {
    let (file, fault, message) = match (modality, &record.video) {
        (Modality::Video, Some(seen)) => (&seen.file, &seen.fault, &seen.message),
        (Modality::Video, None) => (&None, &None, &None),
        (Modality::Audio, _) => (&record.file, &record.fault, &record.message),
    };
    let message = message.as_deref().unwrap_or_default();
    (file.as_deref(), fault.as_deref(), message)
}

/// Where the features of a part lie, relative to the corpus folder; and what there is not, and why.
fn of_record(record: &Record, folder: &Folder, id: &str) -> Files {
    let (mut files, mut lacking) = ([None, None], Vec::new());
    for (slot, modality) in files.iter_mut().zip(Modality::ALL) {
        let word = modality.name();
        let (file, fault, message) = of_modality(record, modality);
        if let Some(fault) = fault {
            lacking.push(format!(
                "column clip: {word} is absent: {message} ({fault})"
            ));
        } else if file.is_some() {
            let target = Part::target(&folder.name, word, id);
            let inner = Path::new(&target).strip_prefix(&folder.name);
            *slot = inner.ok().map(Path::to_owned);
        }
    }
    (files, lacking)
}
