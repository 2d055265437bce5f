use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::Program;

type Failure = Box<dyn Error + Send + Sync>;

/// Starts haproxy in front of `backend`, which has these settings. What waits for it longer than 300 ms is shed with a 503.
pub(super) async fn start(program: PathBuf, settings: &str, backend: SocketAddr) -> Result<Program, Failure> {
    let run = |file: &Path| {
        let mut command = Command::new(&program);
        command.args(["-db", "-f"]).arg(file);
        command
    };
    Program::start(|address, _| configuration(address, backend, settings), run, |_| None).await
}

fn configuration(address: SocketAddr, backend: SocketAddr, settings: &str) -> String {
    format!(
        "global
            maxconn 1000
        defaults
            mode http
            timeout connect 1s
            timeout client 30s
            timeout server 30s
            timeout queue 300ms
            retries 0
        frontend lab
            bind {address}
            default_backend server
        backend server
            server one {backend} {settings}\n"
    )
}
