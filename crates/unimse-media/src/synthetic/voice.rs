//! A source and a filter (Fant 1960): glottal pulses after Rosenberg (1971) and breath through five resonances in cascade (Klatt 1980), over the
//! syllables of a text.

use std::f64::consts::{PI, TAU};

use super::{Acting, Person, Stream, acting::Manner};
use crate::SAMPLE_RATE;

/// Values a second of [`Speech::mouth`].
pub const MOUTH_RATE: usize = 100;

const RATE: f64 = SAMPLE_RATE as f64;
/// Samples of one value of the mouth.
const MOUTH_STEP: usize = SAMPLE_RATE as usize / MOUTH_RATE;
/// Samples after which the resonances follow their targets.
const CONTROL: usize = 32;
/// Root mean square of neutral speech beside full scale.
const LEVEL_DB: f64 = -26.0;
/// Noise of the room beside full scale, standard deviation.
const ROOM_DB: f64 = -66.0;
/// Longest text that is spoken, in sounds: about a minute.
const MOST_SOUNDS: usize = 600;
/// First three resonances of a vowel of an average man, Hz (Peterson and Barney 1952, rounded).
const VOWELS: [(char, [f64; 3]); 6] = [
    ('a', [730.0, 1_090.0, 2_440.0]),
    ('e', [530.0, 1_840.0, 2_480.0]),
    ('i', [300.0, 2_200.0, 2_950.0]),
    ('o', [500.0, 900.0, 2_410.0]),
    ('u', [320.0, 900.0, 2_240.0]),
    ('y', [400.0, 1_920.0, 2_560.0]),
];
/// Fourth and fifth resonance, the same in every vowel.
const UPPER: [f64; 2] = [3_500.0, 4_500.0];
const BANDWIDTHS: [f64; 5] = [70.0, 100.0, 150.0, 220.0, 300.0];

/// What was said.
#[derive(Clone, Debug, PartialEq)]
pub struct Speech {
    /// The sound, mono at 16 kHz, in -1 to 1.
    pub samples: Vec<f32>,
    /// How far the mouth is open, 0 to 1, [`MOUTH_RATE`] values a second.
    pub mouth: Vec<f32>,
}

impl Speech {
    /// Its length.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / RATE
    }
}

/// What distinguishes a voice.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Throat {
    /// Hz.
    pitch: f64,
    /// Semitones that an accent rises.
    accent: f64,
    /// Syllables a second.
    rate: f64,
    /// Share of a period in which the glottis is open.
    openness: f64,
    /// Length of an average man's vocal tract beside this one's.
    tract: f64,
}

impl Throat {
    pub(super) fn new(female: bool, random: &mut Stream) -> Self {
        let mut between = |low: f64, high: f64| low + (high - low) * f64::from(random.unit());
        let (pitch, tract) = if female {
            (between(175.0, 225.0), between(1.12, 1.2))
        } else {
            (between(95.0, 135.0), between(0.97, 1.05))
        };
        Self {
            pitch,
            accent: between(2.0, 3.0),
            rate: between(4.2, 4.8),
            openness: between(0.55, 0.65),
            tract,
        }
    }
}

/// One sound of a syllable.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sound {
    /// A vowel, by its resonances; stressed or not.
    Vowel([f64; 3], bool),
    /// s, f, h: noise around a frequency.
    Hiss(f64),
    /// p, t, k: silence and a burst.
    Stop(f64),
    /// m, n, l, r: voiced, behind closed or half-closed lips.
    Hum(f64),
    /// Between phrases.
    Pause,
}

impl Sound {
    /// Seconds beside those of a syllable.
    fn share(self) -> f64 {
        match self {
            Self::Vowel(_, true) => 0.8,
            Self::Vowel(_, false) => 0.5,
            Self::Hiss(_) => 0.35,
            Self::Stop(_) => 0.3,
            Self::Hum(_) => 0.3,
            Self::Pause => 1.2,
        }
    }
}

/// The sounds of a text, letter by letter: no language's rules, but a rhythm of vowels and consonants.
fn sounds(text: &str) -> Vec<Sound> {
    let mut sounds = vec![Sound::Pause];
    let mut begins = true;
    for letter in text.chars().flat_map(char::to_lowercase) {
        let vowel = VOWELS.iter().find(|(name, _)| *name == letter);
        let sound = match letter {
            's' | 'z' | 'x' | 'c' => Sound::Hiss(6_000.0),
            'f' | 'v' => Sound::Hiss(4_000.0),
            'h' => Sound::Hiss(1_500.0),
            'p' | 'b' => Sound::Stop(900.0),
            't' | 'd' | 'j' => Sound::Stop(4_000.0),
            'k' | 'g' | 'q' => Sound::Stop(2_000.0),
            'm' | 'n' => Sound::Hum(270.0),
            'l' | 'r' | 'w' => Sound::Hum(400.0),
            ',' | '.' | '?' | '!' | ';' | ':' => Sound::Pause,
            ' ' => {
                begins = true;
                continue;
            }
            _ => match vowel {
                Some((_, resonances)) => Sound::Vowel(*resonances, begins),
                None => continue,
            },
        };
        let repeats = match (sounds.last(), sound) {
            // one vowel of several, one consonant of a pair
            (Some(Sound::Vowel(..)), Sound::Vowel(..)) => true,
            (Some(&last), sound) => last == sound,
            (None, _) => false,
        };
        if !repeats {
            sounds.push(sound);
        }
        begins &= vowel.is_none();
        if sounds.len() == MOST_SOUNDS {
            break;
        }
    }
    sounds.push(Sound::Pause);
    sounds
}

impl Person {
    /// Says `text` as `acting` has it; `random` decides about accents, jitter and breath. A minute at most.
    #[must_use]
    pub fn speak(&self, text: &str, acting: Acting, random: &mut Stream) -> Speech {
        let manner = acting.manner();
        let sounds = sounds(text);
        let syllable_s = 1.0 / (self.voice.rate * manner.rate.exp2());
        let lengths: Vec<usize> = sounds
            .iter()
            .map(|sound| {
                let seconds = sound.share() * syllable_s * f64::from(0.9 + 0.2 * random.unit());
                (seconds * RATE) as usize
            })
            .collect();
        let whole: usize = lengths.iter().sum();
        let mut larynx = Larynx::new(&self.voice, manner, whole);
        let mut samples = Vec::with_capacity(whole);
        let mut mouth = Vec::with_capacity(whole / MOUTH_STEP + 1);
        for (&sound, &length) in sounds.iter().zip(&lengths) {
            larynx.begin(sound, random);
            for at in 0..length {
                if samples.len() % MOUTH_STEP == 0 {
                    mouth.push(larynx.mouth());
                }
                samples.push(larynx.sample(at as f64 / length as f64, random));
            }
        }
        level(&mut samples, LEVEL_DB + manner.loudness);
        let room = amplitude(ROOM_DB);
        let samples = samples.iter();
        let samples = samples.map(|x| (x + room * noise(random)).clamp(-1.0, 1.0));
        Speech {
            samples: samples.map(|x| x as f32).collect(),
            mouth,
        }
    }
}

/// What sounds at the moment, on its way to what the sound wants.
struct Larynx<'a> {
    throat: &'a Throat,
    manner: Manner,
    /// Samples of the whole speech, and those done.
    whole: usize,
    done: usize,
    sound: Sound,
    /// Semitones of the accent, wanted and reached.
    accent: (f64, f64),
    /// Voicing, wanted and reached, 0 to 1.
    voicing: (f64, f64),
    /// Resonances, wanted and reached, Hz.
    resonances: ([f64; 3], [f64; 3]),
    tract: [Resonator; 5],
    hiss: Resonator,
    /// Place in the period, and this period's length beside that of the pitch.
    phase: f64,
    wobble: f64,
    flow: f64,
}

impl<'a> Larynx<'a> {
    fn new(throat: &'a Throat, manner: Manner, whole: usize) -> Self {
        let neutral = [500.0, 1_500.0, 2_500.0];
        Self {
            throat,
            manner,
            whole,
            done: 0,
            sound: Sound::Pause,
            accent: (0.0, 0.0),
            voicing: (0.0, 0.0),
            resonances: (neutral, neutral),
            tract: [Resonator::default(); 5],
            hiss: Resonator::default(),
            phase: 0.0,
            wobble: 1.0,
            flow: 0.0,
        }
    }

    fn begin(&mut self, sound: Sound, random: &mut Stream) {
        self.sound = sound;
        let (resonances, voicing) = match sound {
            Sound::Vowel(resonances, stressed) => {
                let size = if stressed { 1.0 } else { 0.4 };
                self.accent.0 = size * f64::from(random.normal()).clamp(-1.0, 2.0);
                (resonances, if stressed { 1.0 } else { 0.8 })
            }
            Sound::Hum(first) => ([first, 1_200.0, 2_300.0], 0.35),
            Sound::Hiss(_) | Sound::Stop(_) | Sound::Pause => (self.resonances.0, 0.0),
        };
        self.resonances.0 = resonances;
        self.voicing.0 = voicing;
        if let Sound::Hiss(hz) | Sound::Stop(hz) = sound {
            self.hiss = Resonator::default();
            self.hiss.tune(hz, hz / 4.0);
        }
    }

    /// How far the mouth is open for what sounds now: the first resonance tells.
    fn mouth(&self) -> f32 {
        let first = self.resonances.1[0];
        (self.voicing.1 * ((first - 220.0) / 500.0)).clamp(0.0, 1.0) as f32
    }

    /// The next sample, at `place` (0 to 1) of the sound.
    fn sample(&mut self, place: f64, random: &mut Stream) -> f64 {
        if self.done.is_multiple_of(CONTROL) {
            self.follow();
        }
        self.done += 1;
        let noise = noise(random);
        let source = self.pulse(random) * (1.0 - self.manner.breath)
            + noise * self.voicing.1 * (0.006 + 0.1 * self.manner.breath);
        let voiced = self.tract.iter_mut().fold(source, |x, r| r.pass(x));
        let hissing = match self.sound {
            Sound::Hiss(_) => (place * PI).sin() * 0.08,
            // closed, then the burst
            Sound::Stop(_) if place > 0.7 => 0.15 * (1.0 - place) / 0.3,
            _ => 0.0,
        };
        voiced + hissing * self.hiss.pass(noise)
    }

    /// Moves pitch, voicing and resonances towards their targets, and tunes the tract.
    fn follow(&mut self) {
        let towards = |(wanted, reached): (f64, f64), seconds: f64| {
            reached + (wanted - reached) * (1.0 - (-(CONTROL as f64) / RATE / seconds).exp())
        };
        self.accent.1 = towards(self.accent, 0.05);
        self.voicing.1 = towards(self.voicing, 0.012);
        for (wanted, reached) in self.resonances.0.iter().zip(&mut self.resonances.1) {
            *reached = towards((*wanted, *reached), 0.02);
        }
        let scale = self.throat.tract * (1.0 + self.manner.resonance);
        let all = self.resonances.1.iter().chain(&UPPER);
        for ((resonator, hz), width) in self.tract.iter_mut().zip(all).zip(BANDWIDTHS) {
            resonator.tune((hz * scale).min(0.47 * RATE), width);
        }
    }

    /// Hz now: it falls over the speech, accents rise from it.
    fn pitch(&self) -> f64 {
        let place = self.done as f64 / self.whole.max(1) as f64;
        let range = self.manner.range.exp2();
        let fall = (0.5 - place) * 3.0 * range;
        // the last third carries the rise
        let rise = self.manner.rise * ((place - 0.67) / 0.33).max(0.0);
        let accent = self.accent.1 * self.throat.accent * range;
        self.throat.pitch * ((self.manner.pitch + fall + rise + accent) / 12.0).exp2()
    }

    /// Change of the flow through the glottis (Rosenberg's pulse B, differentiated), which is what lips radiate.
    fn pulse(&mut self, random: &mut Stream) -> f64 {
        self.phase += self.pitch() / RATE / self.wobble;
        if self.phase >= 1.0 {
            self.phase -= 1.0;
            let jitter = 0.004 + self.manner.jitter;
            self.wobble = 1.0 + jitter * f64::from(random.normal()).clamp(-3.0, 3.0);
        }
        let open = (self.throat.openness + self.manner.openness).clamp(0.3, 0.9);
        // opens over two thirds of the open phase, closes over one
        let (rises, falls) = (open * 2.0 / 3.0, open / 3.0);
        let flow = if self.phase < rises {
            0.5 - 0.5 * (PI * self.phase / rises).cos()
        } else if self.phase < open {
            (PI / 2.0 * (self.phase - rises) / falls).cos()
        } else {
            0.0
        };
        let change = flow - self.flow;
        self.flow = flow;
        change * self.voicing.1
    }
}

/// One resonance: two poles, gain 1 at 0 Hz (Klatt 1980, equation 2).
#[derive(Clone, Copy, Debug, Default)]
struct Resonator {
    a: f64,
    b: f64,
    c: f64,
    last: [f64; 2],
}

impl Resonator {
    fn tune(&mut self, hz: f64, width: f64) {
        self.c = -(-TAU * width / RATE).exp();
        self.b = 2.0 * (-PI * width / RATE).exp() * (TAU * hz / RATE).cos();
        self.a = 1.0 - self.b - self.c;
    }

    fn pass(&mut self, x: f64) -> f64 {
        let y = self.a * x + self.b * self.last[0] + self.c * self.last[1];
        self.last = [y, self.last[0]];
        y
    }
}

/// Even noise, variance 1.
fn noise(random: &mut Stream) -> f64 {
    12.0_f64.sqrt() * (f64::from(random.unit()) - 0.5)
}

/// Scales a signal so that its root mean square is `decibels` beside full scale.
fn level(samples: &mut [f64], decibels: f64) {
    let power = samples.iter().map(|x| x * x).sum::<f64>() / samples.len().max(1) as f64;
    if power > 0.0 {
        let gain = amplitude(decibels) / power.sqrt();
        samples.iter_mut().for_each(|x| *x *= gain);
    }
}

fn amplitude(decibels: f64) -> f64 {
    10.0_f64.powf(decibels / 20.0)
}
