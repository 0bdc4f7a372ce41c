//! What is there, what is wrong, what is missing: every finding of a data folder.

use crate::{
    Code, CorpusError, CorpusKind, Finding, Split, Utterance, adapters,
    draft::{Draft, Modality, Row},
    feature::Feature,
    finding::{Findings, Severity},
    ingest::{Opened, is_synthetic, open_folders},
    known, store,
};
use std::{collections::BTreeSet, path::Path};

/// Examines a data folder as [`ingest`](crate::ingest) would read it, without stopping at the first error.
///
/// Errors come first, then warnings, then remarks. A folder without any corpus is one `NO_CORPUS` error.
///
/// # Errors
/// Only where the operating system refuses to read the folder.
pub fn doctor(dir: &Path) -> Result<Vec<Finding>, CorpusError> {
    let mut findings = Findings::default();
    let synthetic = is_synthetic(dir)?;
    let mut list = Vec::new();
    match open_folders(dir, &mut findings) {
        Ok(folders) => list.extend(
            folders
                .into_iter()
                .flat_map(|opened| examine_corpus(opened, synthetic)),
        ),
        Err(CorpusError::NoCorpus { found, .. }) => {
            let message = format!(
                "expected at least one folder mosi, mosei, meld or iemocap, or one with a table utterances.csv, found {found}"
            );
            findings.add(Code::NoCorpus, ".", None, message);
        }
        Err(error) => return Err(error),
    }
    list.extend(findings.into_list());
    list.sort_by_key(|finding| finding.severity);
    Ok(list)
}

/// Every finding of one corpus folder. What ingest would stop at is an error among them.
fn examine_corpus(opened: Opened, synthetic: bool) -> Vec<Finding> {
    let (folder, mut findings) = (opened.folder, opened.findings);
    if !synthetic {
        known::recognise(&folder, &known::KNOWN, &mut findings);
    }
    match adapters::read(opened.kind, &folder, &[], &mut findings) {
        Ok(mut draft) => {
            draft.finish(synthetic, &mut findings);
            count(&draft, &mut findings);
            compare_speakers(&draft, &mut findings);
            compare_lengths(&draft, &mut findings);
            examine_features(&draft, &mut findings);
        }
        Err(error) => findings.add(Code::Unreadable, &folder.name, None, error.to_string()),
    }
    findings.into_list()
}

/// How many utterances each split has, and how many of them the four-way view of IEMOCAP keeps.
fn count(draft: &Draft, findings: &mut Findings) {
    let counts = |wanted: &dyn Fn(&Utterance) -> bool| {
        let count = |split| {
            let rows = draft.rows.iter().map(|row| &row.utterance);
            rows.filter(|u| u.split == split && wanted(u))
                .count()
                .to_string()
        };
        Split::ALL.map(count).join("/")
    };
    let message = format!("{} train/dev/test utterances", counts(&|_| true));
    findings.add(Code::Found, &draft.name, None, message);
    if draft.kind == CorpusKind::Iemocap && !draft.rows.is_empty() {
        let message = format!(
            "with a six-way emotion {}, in the four-way view {}",
            counts(&|u| u.emotion.is_some()),
            counts(&|u| u.four_way().is_some())
        );
        findings.add(Code::Found, &draft.name, None, message);
    }
}

/// Speakers of the test split who also speak in train. In IEMOCAP, whose test split is a session of its own, that is a leak.
fn compare_speakers(draft: &Draft, findings: &mut Findings) {
    let speakers = |split: Split| -> BTreeSet<&str> {
        let rows = draft.rows.iter().filter(|row| row.utterance.split == split);
        rows.filter_map(|row| row.utterance.speaker.as_deref())
            .collect()
    };
    let (train, test) = (speakers(Split::Train), speakers(Split::Test));
    let severity = match draft.kind {
        CorpusKind::Iemocap => Severity::Warning,
        _ => Severity::Info,
    };
    for speaker in train.intersection(&test) {
        let message = "speaks in train and in test";
        findings.add_as(
            severity,
            Code::SpeakerOverlap,
            &draft.name,
            Some((*speaker).to_owned()),
            message,
        );
    }
}

/// Seconds by which a clip's length may differ from its times, and the share of its length: clips are cut at frames, times are rounded.
const TOLERANCE: (f64, f64) = (0.5, 0.1);

/// Clips whose features, at the rate that their card says, last longer or shorter than their times say.
fn compare_lengths(draft: &Draft, findings: &mut Findings) {
    let cards = [&draft.cards.audio, &draft.cards.video];
    for (modality, card) in Modality::ALL.into_iter().zip(cards) {
        let Some(rate) = card.as_ref().and_then(|card| card.rate_hz) else {
            continue;
        };
        for row in &draft.rows {
            let u = &row.utterance;
            let times = u.start_s.zip(u.end_s);
            let Some((feature, (start, end))) = row.feature(modality).zip(times) else {
                continue;
            };
            let (length, said) = (feature.steps as f64 / rate, end - start);
            if (length - said).abs() <= TOLERANCE.0.max(TOLERANCE.1 * said) {
                continue;
            }
            let than = if length > said { "longer" } else { "shorter" };
            let id = &u.utterance_id;
            let row = format!("{id} ({length:.2} s, its times say {said:.2} s)");
            let message = format!("{} is {than} than start and end say", modality.name());
            findings.add(Code::ClipLength, &draft.name, Some(row), message);
        }
    }
}

/// Reads every feature once: values that are not finite, streams of zeros, streams that never change.
fn examine_features(draft: &Draft, findings: &mut Findings) {
    let name = &draft.name;
    for rows in draft.rows.chunks(256) {
        let rows: Vec<&Row> = rows.iter().collect();
        if examine_rows(&rows, draft, findings).is_err() {
            // what cannot be read must not hide the others
            for row in rows.chunks(1) {
                if let Err(error) = examine_rows(row, draft, findings) {
                    findings.add(Code::Unreadable, name, None, error.to_string());
                }
            }
        }
        for row in rows {
            for modality in Modality::ALL {
                let residue = row.feature(modality).map_or(Ok(0), Feature::residue);
                if residue.is_ok_and(|values| values > 0) {
                    let id = Some(row.utterance.utterance_id.clone());
                    let message = format!(
                        "{} holds values behind its declared length: they are not used",
                        modality.name()
                    );
                    findings.add(Code::Residue, name, id, message);
                }
            }
        }
    }
}

fn examine_rows(rows: &[&Row], draft: &Draft, findings: &mut Findings) -> Result<(), CorpusError> {
    let (utterances, non_finite) = store::load(rows)?;
    store::report_non_finite(rows, &non_finite, draft, findings);
    for u in &utterances {
        examine(u, &draft.name, findings);
    }
    Ok(())
}

fn examine(utterance: &Utterance, name: &str, findings: &mut Findings) {
    for (modality, sequence) in Modality::ALL
        .into_iter()
        .zip([&utterance.audio, &utterance.video])
    {
        let Some(sequence) = sequence else { continue };
        let id = || Some(utterance.utterance_id.clone());
        if sequence.values.iter().all(|&x| x == 0.0) {
            findings.add(
                Code::ZeroStream,
                name,
                id(),
                format!("{} is all zeros", modality.name()),
            );
        } else if let [first, rest @ ..] = &sequence
            .values
            .chunks_exact(sequence.dim.max(1))
            .collect::<Vec<_>>()[..]
            && !rest.is_empty()
            && rest.iter().all(|step| step == first)
        {
            findings.add(
                Code::ConstantStream,
                name,
                id(),
                format!("{} never changes", modality.name()),
            );
        }
    }
}
