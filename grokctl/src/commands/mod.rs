//! One file per command (or two that belong together), each from arguments to exit code.

mod compare;
mod context;
mod control;
mod dispatch;
mod export;
mod export_files;
mod export_folder;
mod join;
mod list;
mod login;
mod logs;
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
