//! Files of what was spoken and drawn: wave files by own bytes, films by the system's ffmpeg.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use unimse_run::{FileError, artefact};

use super::Speech;
use crate::{MediaError, SAMPLE_RATE, video::Frame, video::ffmpeg_version};

impl Speech {
    /// Writes the sound as a wave file, 16 bits.
    ///
    /// # Errors
    /// [`MediaError::File`] where it cannot be written.
    pub fn write_wav(&self, path: &Path) -> Result<(), MediaError> {
        let data = (self.samples.len() * 2) as u32; // a minute at most
        let mut bytes = Vec::with_capacity(44 + self.samples.len() * 2);
        bytes.extend(b"RIFF");
        bytes.extend((36 + data).to_le_bytes());
        bytes.extend(b"WAVEfmt ");
        bytes.extend(16_u32.to_le_bytes());
        bytes.extend([1_u16, 1].map(u16::to_le_bytes).as_flattened()); // PCM, one channel
        bytes.extend(
            [SAMPLE_RATE, SAMPLE_RATE * 2]
                .map(u32::to_le_bytes)
                .as_flattened(),
        );
        bytes.extend([2_u16, 16].map(u16::to_le_bytes).as_flattened()); // bytes a frame, bits
        bytes.extend(b"data");
        bytes.extend(data.to_le_bytes());
        for sample in &self.samples {
            bytes.extend(((sample * 32_767.0).round() as i16).to_le_bytes());
        }
        Ok(artefact::write(path, &bytes)?)
    }

    /// Writes sound and pictures, `rate` a second, as an mp4 file (MPEG-4 video, AAC) by the system's ffmpeg. The wave file lies beside it while
    /// that works. The same input gives the same bytes by the same ffmpeg.
    ///
    /// # Errors
    /// [`MediaError::Ffmpeg`] where there is none, or where it fails; [`MediaError::File`] where a file cannot be written.
    pub fn write_mp4(
        &self,
        path: &Path,
        rate: f32,
        mut frames: impl Iterator<Item = Frame>,
    ) -> Result<(), MediaError> {
        ffmpeg_version()?;
        let failed = |message: String| MediaError::Ffmpeg { message };
        let Some(first) = frames.next() else {
            return Err(failed(format!("{}: no picture to write", path.display())));
        };
        let wave = path.with_extension("wav");
        self.write_wav(&wave)?;
        let mut child = encoder((first.width, first.height), rate, &wave, path)
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        // a pipe whose reader has gone is told of by its exit status
        let sent = child.stdin.take().map_or(Ok(()), |mut pictures| {
            let mut frames = std::iter::once(first).chain(frames);
            frames.try_for_each(|frame| pictures.write_all(&frame.rgb))
        });
        let output = child.wait_with_output();
        let output = output.map_err(|error| failed(error.to_string()))?;
        std::fs::remove_file(&wave).map_err(FileError::at(&wave, "removing"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("no reason given");
            return Err(failed(format!("{}: {last}", path.display())));
        }
        sent.map_err(|error| failed(format!("{}: {error}", path.display())))
    }
}

/// An ffmpeg that takes raw pictures at its standard input; with encoders that every build has.
fn encoder((width, height): (usize, usize), rate: f32, wave: &Path, path: &Path) -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-nostdin", "-v", "error", "-y", "-threads", "1"])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24"])
        .args(["-s", &format!("{width}x{height}"), "-r", &rate.to_string()])
        .args(["-i", "pipe:0", "-i"])
        .arg(wave)
        .args(["-c:v", "mpeg4", "-q:v", "3", "-c:a", "aac", "-b:a", "64k"])
        .args(["-fflags", "+bitexact", "-flags:v", "+bitexact"])
        .args(["-flags:a", "+bitexact", "-threads", "1"])
        .arg(path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    ffmpeg
}
