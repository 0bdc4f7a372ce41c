//! Demo corpora in the real file layouts.
