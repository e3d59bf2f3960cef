//! One file per command (or two that belong together), each from arguments to exit code.

mod base_model;
mod checkpoints;
mod compare;
mod config;
mod context;
mod control;
mod delete;
mod detect;
mod dispatch;
mod doctor;
mod export;
mod export_files;
mod export_folder;
mod fork;
mod group;
mod join;
mod label;
mod list;
mod login;
mod logs;
mod pilot;
mod problems;
mod rollouts;
mod run_local;
mod secrets;
mod show;
mod submit;
mod up;
mod validate;
mod watch;
mod workers;

pub use dispatch::run;
