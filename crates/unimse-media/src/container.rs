//! Containers and codecs that symphonia reads: packet after packet of the first audio track, mixed down as they come.

use std::{fs::File, io::ErrorKind};

use symphonia::core::{
    audio::GenericAudioBufferRef,
    codecs::{
        CodecParameters,
        audio::{AudioDecoder, AudioDecoderOptions},
    },
    errors::Error,
    formats::{FormatOptions, FormatReader, SeekMode, SeekTo, Track, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
    units::{Time, TimeBase, Timestamp},
};

use crate::{
    Fault,
    decode::{Clip, Collector, MOST_SECONDS, Span},
    mp4,
};

/// Packets in a row that may give no sample before the stream is taken for broken.
const FRUITLESS: usize = 1_000;
/// Seconds before the wanted part at which decoding begins: codecs that overlap their blocks need some.
const LEAD_S: f64 = 0.25;

/// The wanted part of the first audio track.
pub(crate) fn read(mut file: File, span: Span) -> Result<Clip, Fault> {
    let outline = mp4::outline(&mut file);
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let probed = symphonia::default::get_probe().probe(
        &Hint::new(),
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    );
    let mut format = match probed {
        Ok(format) => format,
        Err(_) if outline.cut => return Err(Fault::Cut { found_s: 0.0 }),
        Err(Error::IoError(_) | Error::Unsupported(_)) => {
            return Err(Fault::NotMedia("something else".to_owned()));
        }
        Err(error) => return Err(malformed(&error)),
    };
    let track = format
        .default_track(TrackType::Audio)
        .ok_or(Fault::NoAudio)?;
    let track = track.clone();
    let mut decoder = decoder(&track)?;
    let told = outline.tracks.first().copied().unwrap_or_default();
    let mut stream = Stream::new(&track, span, told)?;
    if span.from_s > LEAD_S {
        stream.seek(format.as_mut(), decoder.as_mut(), span.from_s)?;
    }
    while !stream.is_full() {
        let packet = match format.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            Err(error) if outline.cut || ends_early(&error) => {
                return Err(Fault::Cut {
                    found_s: stream.seconds(),
                });
            }
            Err(error) => return Err(malformed(&error)),
        };
        if packet.track_id != track.id {
            continue;
        }
        stream.packets += 1;
        match decoder.decode(&packet) {
            // the decoder left out what its encoder put there
            Ok(samples) => stream.take(&samples, packet.pts.saturating_add(packet.trim_start))?,
            Err(Error::DecodeError(reason)) => stream.lose(reason, packet.dur.get())?,
            Err(error) => return Err(malformed(&error)),
        }
    }
    stream.finish(&track, format.format_info().short_name)
}

fn decoder(track: &Track) -> Result<Box<dyn AudioDecoder>, Fault> {
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(Fault::Codec("one that is not known".to_owned()));
    };
    let made = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default());
    made.map_err(|error| match error {
        Error::Unsupported(what) => Fault::Codec(what.to_owned()),
        error => malformed(&error),
    })
}

fn malformed(error: &Error) -> Fault {
    Fault::Malformed(match error {
        Error::DecodeError(reason) => (*reason).to_owned(),
        error => error.to_string(),
    })
}

fn ends_early(error: &Error) -> bool {
    matches!(error, Error::IoError(error) if error.kind() == ErrorKind::UnexpectedEof)
}

/// What was decoded, and what was lost.
struct Stream {
    span: Span,
    /// Seconds that a tick of the track's time base lasts.
    tick_s: f64,
    /// Ticks before the sound begins: what an encoder put there to start its filters.
    start: i64,
    /// Length that another header of the file promises.
    told_s: Option<f64>,
    /// Made with the first samples, which say the rate.
    collector: Option<Collector>,
    /// Where the collector's first sample lies, in seconds of the clip.
    first_s: Option<f64>,
    /// Samples that came in.
    frames: u64,
    interleaved: Vec<f32>,
    mono: Vec<f32>,
    packets: usize,
    lost: usize,
    reason: &'static str,
    fruitless: usize,
}

impl Stream {
    fn new(track: &Track, span: Span, told: mp4::Track) -> Result<Self, Fault> {
        let seconds = |base: TimeBase| f64::from(base.numer.get()) / f64::from(base.denom.get());
        let tick_s = track.time_base.map_or(0.0, seconds);
        let this = Self {
            span,
            tick_s,
            start: told.start,
            told_s: told.seconds,
            collector: None,
            first_s: None,
            frames: 0,
            interleaved: Vec::new(),
            mono: Vec::new(),
            packets: 0,
            lost: 0,
            reason: "",
            fruitless: 0,
        };
        let whole = this.declared_s(track).filter(|_| span.to_s.is_none());
        match whole.map(|whole| whole - span.from_s) {
            Some(found_s) if found_s > MOST_SECONDS => Err(Fault::TooLong { found_s }),
            _ => Ok(this),
        }
    }

    /// Length of the track as the file promises it, the larger one where it promises two.
    fn declared_s(&self, track: &Track) -> Option<f64> {
        let ticks = track.duration.filter(|_| self.tick_s > 0.0);
        let seconds = ticks.map(|ticks| ticks.get() as f64 * self.tick_s);
        seconds.into_iter().chain(self.told_s).reduce(f64::max)
    }

    /// Moves to a little before the part; a container that cannot is read from its start.
    fn seek(
        &mut self,
        format: &mut dyn FormatReader,
        decoder: &mut dyn AudioDecoder,
        from_s: f64,
    ) -> Result<(), Fault> {
        let Some(time) = Time::try_from_secs_f64(from_s - LEAD_S) else {
            return Err(Fault::NoSample); // no clip is as long as that
        };
        let to = SeekTo::Time {
            time,
            track_id: None,
        };
        match format.seek(SeekMode::Accurate, to) {
            Ok(_) => decoder.reset(),
            Err(Error::SeekError(symphonia::core::errors::SeekErrorKind::OutOfRange)) => {
                return Err(Fault::NoSample);
            }
            Err(_) => {}
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.collector.as_ref().is_some_and(Collector::is_full)
    }

    /// Seconds of the clip that were reached.
    fn seconds(&self) -> f64 {
        let rate = self.collector.as_ref().map_or(1, Collector::rate);
        (self.first_s.unwrap_or(0.0) + self.frames as f64 / f64::from(rate)).max(0.0)
    }

    /// Samples of which the first lies at `at`, in ticks.
    fn take(&mut self, samples: &GenericAudioBufferRef<'_>, at: Timestamp) -> Result<(), Fault> {
        let channels = samples.num_planes();
        if samples.frames() == 0 || channels == 0 {
            self.fruitless += 1;
            if self.fruitless > FRUITLESS {
                return Err(Fault::Malformed(format!(
                    "{FRUITLESS} packets in a row without a sample"
                )));
            }
            return Ok(());
        }
        self.fruitless = 0;
        samples.copy_to_vec_interleaved(&mut self.interleaved);
        let mut non_finite = 0;
        self.mono.clear();
        for frame in self.interleaved.chunks_exact(channels) {
            let mean = frame.iter().sum::<f32>() / channels as f32;
            non_finite += usize::from(!mean.is_finite());
            self.mono.push(if mean.is_finite() { mean } else { 0.0 });
        }
        let rate = samples.spec().rate();
        let at_s = at.get().saturating_sub(self.start) as f64 * self.tick_s;
        let (span, first_s) = (self.span, *self.first_s.get_or_insert(at_s));
        let collector = match &mut self.collector {
            Some(collector) if collector.rate() != rate => {
                let was = collector.rate();
                let message = format!("the sample rate changes from {was} to {rate} Hz");
                return Err(Fault::Malformed(message));
            }
            Some(collector) => collector,
            None => self.collector.insert(Collector::new(rate, span, first_s)?),
        };
        collector.non_finite += non_finite;
        self.frames += self.mono.len() as u64;
        collector.push(&self.mono)
    }

    /// A packet that cannot be decoded is silence of its length, as long as few are.
    fn lose(&mut self, reason: &'static str, ticks: u64) -> Result<(), Fault> {
        self.lost += 1;
        self.reason = reason;
        self.fruitless += 1;
        if self.fruitless > FRUITLESS {
            return self.lost_too_many();
        }
        if let Some(collector) = &mut self.collector {
            let seconds = (ticks as f64 * self.tick_s).min(1.0);
            self.mono.clear();
            self.mono
                .resize((seconds * f64::from(collector.rate())) as usize, 0.0);
            self.frames += self.mono.len() as u64;
            collector.push(&self.mono)?;
        }
        Ok(())
    }

    fn lost_too_many<T>(&self) -> Result<T, Fault> {
        Err(Fault::Malformed(format!(
            "{} of {} packets cannot be decoded: {}",
            self.lost, self.packets, self.reason
        )))
    }

    fn finish(self, track: &Track, container: &str) -> Result<Clip, Fault> {
        // one packet in fifty, and the first one of a stream that was cut out of another
        if self.lost > 1 + self.packets / 50 || (self.lost > 0 && self.collector.is_none()) {
            return self.lost_too_many();
        }
        let found_s = self.seconds();
        let (lead_s, full) = (self.start as f64 * self.tick_s, self.is_full());
        // MP3 without a table of contents: its length is guessed from the first frames
        let knows = container != "mp3" || track.delay.is_some();
        if let Some(expected_s) = self.declared_s(track).map(|ticks| ticks - lead_s)
            && knows
            && !full
            && found_s < expected_s - (0.1_f64).max(expected_s / 100.0)
        {
            return Err(Fault::Truncated {
                expected_s,
                found_s,
            });
        }
        self.collector.ok_or(Fault::NoSample)?.finish()
    }
}
