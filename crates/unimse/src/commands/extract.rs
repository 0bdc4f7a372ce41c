//! `unimse extract`: clips to feature files that ingest reads.

use std::{
    path::PathBuf,
    process::ExitCode,
    sync::Mutex,
    time::{Duration, Instant},
};

use unimse_media::{
    AudioFeatures, Features, VideoFeatures, VoiceActivity,
    extract::{Extracted, Progress, RECORDS, Record, extract_parts},
    video::{Faces, onnx::Network},
};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with clips below it: one folder a corpus, as for `ingest`, or clips alone. Clips that a table's column `clip` names are cut into its utterances.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where the features go; may be the folder of the clips.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// What is made of the sound: 64 log-mel bands, 60 prosodic functionals, or both.
    #[arg(long, value_name = "mel|prosody|both", default_value_t = AudioFeatures::Mel)]
    audio_features: AudioFeatures,
    /// What is made of the pictures: nothing, what the face expresses (ffmpeg and `cargo xtask setup --model faces`), or what an ONNX model of your own
    /// says of it (`cargo xtask setup --model onnxruntime` too; docs/media.md).
    #[arg(long, value_name = "none|faces|FILE.onnx", default_value_t = VideoFeatures::None)]
    video_features: VideoFeatures,
    /// Cut out what is no speech before the sound is described (`cargo xtask setup --model voice-activity`).
    #[arg(long)]
    voice_activity: bool,
}

/// Time between two lines of progress.
const PAUSE: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let faces = match &args.video_features {
        VideoFeatures::None => None,
        VideoFeatures::Faces => Some(Faces::find()?),
        VideoFeatures::Network(path) => {
            let network = Network::load(path)?;
            Some(Faces::find()?.with_network(network))
        }
    };
    let voice_activity = args.voice_activity.then(VoiceActivity::find).transpose()?;
    let features = Features {
        audio: args.audio_features,
        voice_activity: voice_activity.as_ref(),
        video: faces.as_ref().map(|faces| (faces, faces.settings())),
    };
    let (parts, lost) = unimse_corpus::parts(&args.data)?;
    for finding in &lost {
        eprintln!("extract: {finding}");
    }
    let extracted = extract_parts(&args.data, &parts, &args.out, features, &progress())?;
    let findings = tell(&extracted);
    let took = started.elapsed().as_secs_f64().max(1e-3);
    eprintln!(
        "extract: {:.1} s of sound in {took:.1} s, {} clips of an earlier run",
        extracted.seconds(),
        extracted.kept
    );
    let parts = extracted
        .records
        .iter()
        .any(|record| record.utterance.is_some());
    let what = if parts {
        "clips and parts of clips"
    } else {
        "clips"
    };
    super::print(&format!(
        "{}: {} {what}, {} with {} features, {findings} without; {RECORDS} says why\n",
        args.out.display(),
        extracted.records.len(),
        extracted.records.len() - findings,
        args.audio_features,
    ))?;
    if faces.is_some() {
        let with_face = |record: &&Record| {
            let pictures = record.video.as_ref();
            pictures.is_some_and(|pictures| pictures.file.is_some())
        };
        let with_face = extracted.records.iter().filter(with_face).count();
        super::print(&format!(
            "{}: {with_face} clips with a face\n",
            args.out.display()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says now and then how far it is.
fn progress() -> impl Fn(Progress) + Sync {
    let last = Mutex::new(Instant::now());
    move |progress| {
        // whoever finds another thread at it leaves the line to that one
        let Ok(mut last) = last.try_lock() else {
            return;
        };
        if last.elapsed() >= PAUSE {
            *last = Instant::now();
            let Progress {
                done,
                clips,
                findings,
            } = progress;
            eprintln!("extract: {done} of {clips} clips, {findings} without features");
        }
    }
}

/// Says what was found wrong; how many clips have no sound.
fn tell(extracted: &Extracted) -> usize {
    let mut findings = 0;
    for record in extracted.findings() {
        findings += 1;
        let message = record.message.as_deref().unwrap_or_default();
        let kind = record.fault.as_deref().unwrap_or_default();
        eprintln!("extract: {}: {message} [{kind}]", shown(record));
    }
    for (record, pictures) in extracted.unseen() {
        let message = pictures.message.as_deref().unwrap_or_default();
        let kind = pictures.fault.as_deref().unwrap_or_default();
        eprintln!("extract: {}: video: {message} [{kind}]", shown(record));
    }
    findings
}

/// A clip, or the row that takes a part of it. Names are a stranger's: what would steer the terminal is spelt out.
fn shown(record: &Record) -> String {
    let clip = &record.clip;
    let row = record.row.as_ref();
    let place = row.map_or(clip.clone(), |row| format!("{row}, {clip}"));
    let spelt = |c: char| match c.is_control() {
        true => c.escape_default().collect(),
        false => c.to_string(),
    };
    place.chars().map(spelt).collect()
}
