//! People that nobody is: a synthesised voice and a drawn face that show an emotion, for tests and the demo with media.
//!
//! [`Person::new`] fixes a voice and a face by a name alone; [`Person::speak`] says a text in a manner that [`Acting`] gives, and
//! [`Person::film`] draws the face that says it, lips moving with the sound. Every draw comes from a named [`Stream`]. How an emotion sounds and looks
//! is taken from what studies of actors and of faces report as typical, in a plain form; it is no model of anybody, and a number
//! measured on it says that code works.

mod acting;
mod face;
mod paint;
mod random;
mod record;
mod voice;

pub use acting::Acting;
pub use face::Film;
pub use random::Stream;
pub use voice::{MOUTH_RATE, Speech};

/// A voice and a face, and the name that both follow from.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    voice: voice::Throat,
    looks: face::Looks,
}

impl Person {
    /// The person of this name; the same for the same name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut random = Stream::new(&format!("person/{name}"));
        let female = random.chance(0.5);
        Self {
            voice: voice::Throat::new(female, &mut random),
            looks: face::Looks::new(female, &mut random),
        }
    }
}
