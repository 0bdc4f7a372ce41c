//! A model with what it needs to read text and speak labels: as training builds it, and as it is saved.

pub mod card;
pub mod features;
pub mod saved_model;
pub mod session;
