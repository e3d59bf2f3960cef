//! How each component is started: its program, arguments, environment and port. What other users
//! must not see goes into the environment and never into the arguments.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use groklab_runtime::secret::Secret;

use super::{
    component::{Component, DATABASE_URL, Running, program},
    options::StackOptions,
    programs::{COORDINATOR, Worker},
};
use crate::{
    console::Console,
    data_folder::{CLIENT_TOKEN, WORKER_TOKEN},
    failure::{Exit, Failure},
    url::port_of,
};

/// How long the port used last time is waited for: a former coordinator may still be on its way
/// out.
const PORT_TRIES: u32 = 25;
const PORT_RETRY_EVERY: Duration = Duration::from_millis(200);

pub struct Launcher<'a> {
    pub options: &'a StackOptions,
    /// Where the programs are.
    pub folder: PathBuf,
    pub console: &'a Console,
}

impl Launcher<'_> {
    /// The coordinator that serves at `listen` and writes its address into `address_file`.
    pub fn coordinator(
        &self,
        listen: SocketAddr,
        address_file: &Path,
    ) -> Result<Component, Failure> {
        let data = &self.options.data;
        let args = vec![
            "--listen".to_owned(),
            listen.to_string(),
            "--data".to_owned(),
            data.path().display().to_string(),
            "--address-file".to_owned(),
            address_file.display().to_string(),
        ];
        // Arguments can be read by every user of this machine.
        let mut env = Vec::new();
        if let Some(url) = &self.options.up.database_url {
            env.push((DATABASE_URL, url.clone()));
        }
        if self.options.is_reachable_by_others() {
            let (client, worker) = (data.token_file(CLIENT_TOKEN), data.token_file(WORKER_TOKEN));
            env.push(("GROKLAB_CLIENT_TOKEN_FILE", path_secret(&client)));
            env.push(("GROKLAB_WORKER_TOKEN_FILE", path_secret(&worker)));
        }
        self.component(COORDINATOR, COORDINATOR.to_owned(), args, env)
    }

    /// Starts a worker for the coordinator at `url`.
    pub fn launch_worker(
        &self,
        worker: &Worker,
        url: &str,
    ) -> Result<(Component, Running), Failure> {
        let cache = self.options.data.path().join("cache");
        let mut args = vec![
            "work".to_owned(),
            "--coordinator".to_owned(),
            url.to_owned(),
            "--cache".to_owned(),
            cache.display().to_string(),
        ];
        if let Some(device) = worker.device {
            args.extend(["--device".to_owned(), device.to_string()]);
        }
        let component = self.component(worker.program, worker.name(), args, self.worker_env())?;
        let running = launch(&component)?;
        Ok((component, running))
    }

    fn worker_env(&self) -> Vec<(&'static str, Secret)> {
        let mut env = Vec::new();
        if self.options.is_reachable_by_others() {
            let token = self.options.data.token_file(WORKER_TOKEN);
            env.push(("GROKLAB_TOKEN_FILE", path_secret(&token)));
        }
        let connect = &self.options.connect;
        let tls_files = [
            ("GROKLAB_TLS_CA", &connect.tls_ca),
            ("GROKLAB_TLS_CERT", &connect.tls_cert),
            ("GROKLAB_TLS_KEY", &connect.tls_key),
        ];
        for (name, file) in tls_files {
            if let Some(file) = file {
                env.push((name, path_secret(file)));
            }
        }
        env
    }

    fn component(
        &self,
        program_name: &str,
        name: String,
        args: Vec<String>,
        env: Vec<(&'static str, Secret)>,
    ) -> Result<Component, Failure> {
        let program = program(&self.folder, program_name).ok_or_else(|| {
            let what = format!("find {program_name} in `{}`", self.folder.display());
            Failure::new(Exit::NotFound, what)
        })?;
        Ok(Component {
            program,
            args,
            env,
            log: self.options.data.log_file(&name),
            // The coordinator's Postgres lives in its group, and a restarted coordinator adopts it.
            kill_group: name != COORDINATOR,
            name,
        })
    }

    /// The address that was asked for; else this machine's own, with the port recorded last if it
    /// is free, else the wanted one, else any.
    pub async fn choose_listen_address(&self) -> SocketAddr {
        match self.options.up.listen {
            Some(address) => address,
            None => (Ipv4Addr::LOCALHOST, self.choose_port().await).into(),
        }
    }

    async fn choose_port(&self) -> u16 {
        let recorded = self.options.data.recorded_url();
        if let Some(port) = recorded.as_deref().and_then(port_of) {
            for _ in 0..PORT_TRIES {
                if is_free(port) {
                    return port;
                }
                tokio::time::sleep(PORT_RETRY_EVERY).await;
            }
            self.console.note(format!(
                "port {port}, used last time, is taken by another process; choosing another"
            ));
        }
        // Another coordinator may use the default port on purpose.
        let wanted = self.options.port;
        if is_free(wanted) { wanted } else { 0 }
    }
}

/// Starts a component; the failure names its program.
pub fn launch(component: &Component) -> Result<Running, Failure> {
    component.start().map_err(|error| {
        Failure::other(format!("start `{}`", component.program.display())).because(error)
    })
}

fn path_secret(path: &Path) -> Secret {
    Secret::new(path.display().to_string())
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
