//! What one request, and all of them together, may ask for. docs/serve.md lists the same numbers.

use std::time::Duration;

/// Bytes of a request's body: a minute of stereo at 48 kHz and 16 bits fits, in base64.
pub(super) const BODY_BYTES: usize = 16 << 20;
/// Bytes of a body that is too large and is read to its end all the same, so that its sender hears why it is refused.
pub(super) const DISCARDED_BYTES: usize = 4 * BODY_BYTES;
/// Rows of a request.
pub(super) const ROWS: usize = 256;
/// Bytes of a text; of a shorter one the model reads as many tokens as it was trained with.
pub(super) const TEXT_BYTES: usize = 64 << 10;
/// Steps of a row's features: a minute of speech at 100 a second.
pub(super) const STEPS: usize = 6_000;
/// Clips whose bytes come in one request; of each a minute is read at most, whatever its bytes would decode to.
pub(super) const CLIPS: usize = 4;
/// Connections that are served at once; further ones wait in the system's queue.
pub(super) const CONNECTIONS: usize = 64;
/// Rows that wait for the model, those that it has included; further requests are refused with 503.
pub(super) const WAITING_ROWS: usize = 1_024;
/// Rows that one batch of the model waits for at most to be filled from the queue; a single request may have more.
pub(super) const BATCH_ROWS: usize = 64;
/// Bytes of a body from which on it is large: JSON takes up to a hundred times its bytes in memory.
pub(super) const LARGE_BYTES: usize = 256 << 10;
/// Large bodies that are held at once, from reading to the answer; what 64 clients can take in memory is bounded by it.
pub(super) const LARGE_BODIES: usize = 2;
/// How long a further large body waits for a place.
pub(super) const PLACE_TIME: Duration = Duration::from_secs(10);
/// Nearest training utterances in an explanation.
pub(super) const NEIGHBOURS: usize = 8;
/// Time for the head of a request.
pub(super) const HEAD_TIME: Duration = Duration::from_secs(5);
/// Time for its body.
pub(super) const BODY_TIME: Duration = Duration::from_secs(30);
/// Time in which a client must have taken its answer.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(30);
/// Time for requests under way when a signal comes.
pub(super) const GRACE: Duration = Duration::from_secs(30);
/// How often a signal is looked for.
pub(super) const PATIENCE: Duration = Duration::from_millis(50);
