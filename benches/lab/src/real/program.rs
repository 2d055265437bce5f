use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::ports;

type Failure = Box<dyn Error + Send + Sync>;

/// How long a program may take until it listens.
const STARTS_WITHIN: Duration = Duration::from_secs(5);

/// A program of the system that listens on loopback, and the folder that it may write to. Both end with this value.
pub(super) struct Program {
    pub(super) address: SocketAddr,
    pub(super) folder: PathBuf,
    child: Child,
    /// Asks it to end, where it has children of its own.
    stop: Option<Command>,
}

/// Where a program is, if it is installed. Servers stand where not every user's `PATH` leads.
pub(super) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

impl Program {
    /// Starts it with a configuration: `configure` makes its text from the address to listen on and the folder, and
    /// `command` what to run from the file of it. What is stopped by a command writes its number into the file `pid` of the
    /// folder.
    ///
    /// # Errors
    ///
    /// If it cannot be started, or does not listen: then with what it said.
    pub(super) async fn start(
        configure: impl FnOnce(SocketAddr, &Path) -> String,
        command: impl FnOnce(&Path) -> Command,
        stop: impl FnOnce(&Path) -> Option<Command>,
    ) -> Result<Self, Failure> {
        let folder = new_folder()?;
        let address = ports::listen().await?.local_addr()?;
        let file = folder.join("configuration");
        std::fs::write(&file, configure(address, &folder))?;
        let child = command(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("said"))?)
            .spawn()?;
        let mut program = Self { address, stop: stop(&file), folder, child };
        let end = Instant::now() + STARTS_WITHIN;
        while !program.has_begun() || TcpStream::connect(address).await.is_err() {
            if program.child.try_wait()?.is_some() || Instant::now() >= end {
                let words = ["said", "errors"].map(|name| std::fs::read_to_string(program.folder.join(name)));
                let words = words.map(Result::unwrap_or_default).concat();
                return Err(format!("a proxy does not listen on {address}: {words}").into());
            }
            sleep(Duration::from_millis(10)).await;
        }
        Ok(program)
    }
}

impl Program {
    /// Whether it can be asked to stop: before it has written its number it cannot.
    fn has_begun(&self) -> bool {
        self.stop.is_none() || self.folder.join("pid").exists()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Nothing can be done about what fails here.
        let is_asked = self.stop.as_mut().is_some_and(|stop| stop.status().is_ok_and(|status| status.success()));
        if !is_asked {
            drop(self.child.kill());
        }
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn new_folder() -> io::Result<PathBuf> {
    static FOLDERS: AtomicU32 = AtomicU32::new(0);

    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("windbreak-lab-{}-{number}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
