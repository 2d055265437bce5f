use std::error::Error;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use super::program::Program;
use super::server::Conduct;

type Failure = Box<dyn Error + Send + Sync>;

/// How an nginx is set up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Nginx {
    /// Directives of the server.
    pub(super) directives: &'static str,
    /// Speaks HTTP/2, and no HTTP/1.
    pub(super) http2: bool,
    /// What the server behind it does.
    pub(super) behind: Conduct,
    /// Loads its configuration again, as often as this.
    pub(super) reload: Option<Duration>,
}

/// One that runs.
pub(super) struct Running {
    pub(super) address: SocketAddr,
    _reloading: JoinSet<()>,
    _program: Program,
}

impl Nginx {
    pub(super) const fn new(directives: &'static str) -> Self {
        Self { directives, http2: false, behind: Conduct::Well, reload: None }
    }

    /// Starts `program` in front of `backend`.
    pub(super) async fn start(self, program: PathBuf, backend: SocketAddr) -> Result<Running, Failure> {
        let folder = |file: &Path| file.parent().map(Path::to_owned).unwrap_or_default();
        let run = |file: &Path| {
            let mut command = Command::new(&program);
            command.arg("-p").arg(folder(file)).arg("-c").arg(file).arg("-e").arg(folder(file).join("errors"));
            command
        };
        let signal = |file: &Path, name: &str| {
            let mut command = run(file);
            command.args(["-s", name]).stderr(Stdio::null());
            command
        };
        let configure = |address, folder: &Path| self.configuration(address, backend, folder);
        let running = Program::start(configure, run, |file| Some(signal(file, "stop"))).await?;
        let mut reloading = JoinSet::new();
        if let Some(period) = self.reload {
            let mut reload = signal(&running.folder.join("configuration"), "reload");
            reloading.spawn(async move {
                loop {
                    sleep(period).await;
                    // It takes a few milliseconds.
                    drop(reload.status());
                }
            });
        }
        Ok(Running { address: running.address, _reloading: reloading, _program: running })
    }

    fn configuration(self, address: SocketAddr, backend: SocketAddr, folder: &Path) -> String {
        let Self { directives, http2, .. } = self;
        let protocol = if http2 { " http2" } else { "" };
        let folder = folder.display();
        let mut temporary = String::new();
        for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
            let _ = writeln!(temporary, "{name}_temp_path {folder}/{name};");
        }
        format!(
            "daemon off;
            worker_processes 1;
            pid {folder}/pid;
            events {{ worker_connections 1024; }}
            http {{
                access_log off;
                {temporary}
                limit_req_zone $server_name zone=requests:1m rate=25r/s;
                limit_conn_zone $server_name zone=connections:1m;
                upstream backend {{ server {backend}; keepalive 64; }}
                server {{
                    listen {address}{protocol};
                    server_name lab;
                    {directives}
                    location / {{
                        proxy_pass http://backend;
                        proxy_http_version 1.1;
                        proxy_set_header Connection '';
                        proxy_next_upstream off;
                    }}
                }}
            }}
            "
        )
    }
}
