//! What every command needs.

use crate::{
    address::{access, coordinator_url},
    cli::Global,
    client::Client,
    console::Console,
    data_folder::DataFolder,
    failure::Failure,
    interrupt::Interrupt,
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
        let url = coordinator_url(self.global.coordinator.as_deref(), &self.data);
        let access = access(&self.global.connect, &self.data, &url)?;
        Client::connect(&url, &access).await
    }
}
