//! `unimse demo`: the embedded demo corpora.

use std::path::PathBuf;
use std::process::ExitCode;

use unimse_corpus::demo::{self, MEDIA_SIZES, Media};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the four corpora go.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// One corpus of clips instead, of synthesised voices and, as films, drawn faces (needs ffmpeg); `unimse extract` makes features of them.
    #[arg(long, value_name = "sound|film")]
    media: Option<Media>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match args.media {
        None => demo::write(&args.out)?,
        Some(media) => demo::write_media(&args.out, media, MEDIA_SIZES)?,
    }
    eprintln!("demo: synthetic corpora in {}", args.out.display());
    Ok(ExitCode::SUCCESS)
}
