use std::io;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::world::World;

/// The order service, as a process that can be killed.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
}

/// How long it may take to start.
const START: Duration = Duration::from_secs(20);

impl Child {
    /// Starts this program as an order service, and waits until it answers.
    pub async fn start(world: &World, address: SocketAddr, database: &str, is_naive: bool) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--listen", &address.to_string(), "--database", database]);
        let [alpha, beta] = &world.provider_urls;
        command.args(["--alpha", alpha, "--beta", beta, "--events", &world.events_url]);
        if is_naive {
            command.arg("--naive");
        }
        // It ends with this process, whatever becomes of that: its input ends then.
        let process = command.arg("--until-input-ends").stdin(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut child = Self { process };
        child.wait_until_up(&world.service_url).await?;
        Ok(child)
    }

    async fn wait_until_up(&mut self, url: &str) -> io::Result<()> {
        let client = reqwest::Client::builder().no_proxy().build().map_err(io::Error::other)?;
        let begin = Instant::now();
        while begin.elapsed() < START {
            if let Some(status) = self.process.try_wait()? {
                return Err(io::Error::other(format!("the order service ended at once: {status}")));
            }
            let asked = client.get(format!("{url}/orders/none")).timeout(Duration::from_secs(1)).send().await;
            if asked.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(io::Error::other(format!("the order service did not answer within {START:?}")))
    }

    /// kill -9.
    pub async fn kill(mut self) -> io::Result<()> {
        self.process.kill().await
    }
}
