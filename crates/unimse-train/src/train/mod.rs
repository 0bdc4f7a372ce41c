//! The train stage (paper 4.2): the loop, the optimiser, its schedule, and the state that resumes to the same bytes.

pub mod accumulation;
pub mod average;
pub mod checkpoint;
mod course;
mod epoch_end;
mod feed;
pub mod identity;
mod memory;
pub mod optimizer;
pub mod parameter_groups;
pub mod preflight;
pub mod schedule;
mod setup;
mod step;
pub mod trainer;
