//! What every command needs.

use std::path::PathBuf;

use crate::{
    address::{access, coordinator_url},
    cli::Global,
    client::Client,
    console::Console,
    data_folder::DataFolder,
    experiment_file::{self, Checked, Inputs},
    failure::Failure,
    interrupt::Interrupt,
    login_file::{Login, default_login_file},
};

pub struct Context {
    pub global: Global,
    pub data: DataFolder,
    pub console: Console,
    pub interrupt: Interrupt,
}

impl Context {
    /// Connects to the coordinator that the command line names or the data folder holds.
    pub async fn client(&self) -> Result<Client, Failure> {
        let login = Login::read(&self.login_file())?;
        let named = self.global.coordinator.as_deref();
        let url = coordinator_url(named, &self.data, login.as_ref());
        let access = access(&self.global.connect, &self.data, login.as_ref(), &url)?;
        Client::connect(&url, &access).await
    }

    /// Reads, puts together and checks experiment files.
    pub fn check(&self, inputs: &Inputs) -> Result<Checked, Failure> {
        experiment_file::check(inputs, self.global.model_folder.as_deref())
    }

    /// Where a login is kept.
    pub fn login_file(&self) -> PathBuf {
        let named = self.global.login_file.clone();
        named.unwrap_or_else(default_login_file)
    }
}
