use std::time::Duration;

use super::clients::Protocol;
use super::nginx::Nginx;
use super::server::Conduct;
use super::upstream::Kind;
use crate::load::Load;
use crate::scenario::{Family, Scenario};
use crate::upstream::Schedule;

/// What is played over sockets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    name: &'static str,
    pub(super) kind: Kind,
    pub(super) load: Load,
    family: Family,
    pub(super) length: Duration,
    pub(super) protocol: Protocol,
    /// Whether each request is an upload of 3 MB.
    pub(super) is_upload: bool,
    /// How much of what is asked the upstream can answer well, where it does not say so itself.
    pub(super) share: f64,
}

const LENGTH: Duration = millis(8_000);
const RATE: u32 = 50;
const STEADY: Load = Load::Poisson { rate: RATE };
/// Of what is uploaded, at 4 Mbit/s: an upload takes 6 s.
const SLOWLY: usize = 500_000;
/// When the server behind haproxy is dead.
const DEAD: (Duration, Duration) = (millis(5_000), millis(6_000));

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Scene {
    const fn new(name: &'static str, kind: Kind) -> Self {
        let protocol = match kind {
            Kind::Http2 { .. } | Kind::HalfOpenHttp2(_) | Kind::Nginx(Nginx { http2: true, .. }) => Protocol::Http2,
            _ => Protocol::Http1,
        };
        Self {
            name,
            kind,
            load: STEADY,
            family: Family::Partial,
            length: LENGTH,
            protocol,
            is_upload: false,
            share: 1.0,
        }
    }

    const fn server(name: &'static str, conduct: Conduct) -> Self {
        Self::new(name, Kind::Http1(conduct))
    }

    const fn nginx(name: &'static str, directives: &'static str) -> Self {
        Self::new(name, Kind::Nginx(Nginx::new(directives)))
    }

    pub(super) fn scenario(&self) -> Scenario {
        let scenario = Scenario::real(self.name, self.load, self.length, self.family);
        match self.kind {
            Kind::Haproxy { down: Some(Schedule::Once { from, length }), .. } => scenario.down(RATE, from, length),
            _ => scenario,
        }
    }
}

/// All of them.
pub(super) fn all() -> Vec<Scene> {
    let mut all = own();
    all.extend(own_http2());
    all.extend(of_nginx());
    all.extend(of_haproxy());
    all
}

fn own() -> Vec<Scene> {
    let healthy = Scene::server("real-healthy", Conduct::Well);
    let burst = Scene::server("real-keep-alive-burst", Conduct::Closes(millis(2_400)));
    let uploads = Scene::server("real-slow-uploads", Conduct::ReadsSlowly(SLOWLY));
    vec![
        Scene { family: Family::Healthy, ..healthy },
        Scene { family: Family::Healthy, load: Load::Constant { rate: 2 }, is_upload: true, ..uploads },
        Scene::server("real-resets-20%", Conduct::Resets(0.2)),
        Scene { load: Load::Bursts { rate: 100, of: 50 }, ..burst },
        Scene::server("real-stalled-bodies-20%", Conduct::Stalls(0.2)),
        Scene::server("real-503-flood", Conduct::Full(1)),
        Scene::new("real-half-open", Kind::HalfOpen(millis(3_000))),
    ]
}

fn own_http2() -> Vec<Scene> {
    let often = Schedule::Every { period: millis(2_500), length: millis(200) };
    let half_open = Kind::HalfOpenHttp2(millis(3_500));
    let unpinged = Scene::new("real-http2-half-open-unpinged", half_open);
    let healthy = Scene::new("real-http2-healthy", Kind::Http2 { reload: None, down: None });
    vec![
        Scene { family: Family::Healthy, ..healthy },
        Scene::new("real-http2-goaway", Kind::Http2 { reload: Some(millis(500)), down: None }),
        Scene::new("real-http2-restart", Kind::Http2 { reload: None, down: Some(often) }),
        Scene::new("real-http2-half-open", half_open),
        Scene { family: Family::Shown, protocol: Protocol::Http2Unpinged, ..unpinged },
    ]
}

fn of_nginx() -> Vec<Scene> {
    let reload = |http2| Kind::Nginx(Nginx { http2, reload: Some(millis(700)), ..Nginx::new("") });
    let limited = Scene::nginx("nginx-limit-req-2x", "limit_req zone=requests burst=5 nodelay; limit_req_status 429;");
    // For each of twice as many clients as it has places, which come back at once.
    let crowded = |name, directives, work| {
        let kind = Kind::Nginx(Nginx { behind: Conduct::Takes(work), ..Nginx::new(directives) });
        Scene { share: 0.5, ..Scene::new(name, kind) }
    };
    let loops = |clients| Load::Loops { clients, pause: millis(20) };
    let many = crowded("nginx-limit-conn-loop", "limit_conn connections 10; limit_conn_status 503;", millis(100));
    let few = crowded("nginx-limit-conn-loop-of-8", "limit_conn connections 4; limit_conn_status 503;", millis(40));
    let race = Scene::nginx("nginx-keep-alive-race", "keepalive_timeout 1s; keepalive_requests 5;");
    vec![
        Scene { share: 0.5, ..limited },
        Scene { load: loops(20), ..many },
        Scene { load: loops(8), family: Family::Shown, ..few },
        // Each burst comes when the connections of the one before have just been idle for a second.
        Scene { load: Load::Bursts { rate: 49, of: 50 }, ..race },
        Scene::new("nginx-reload", reload(false)),
        Scene::new("nginx-http2-reload", reload(true)),
    ]
}

fn of_haproxy() -> Vec<Scene> {
    // One at a time, each for 20 ms.
    let sheds = Kind::Haproxy { settings: "maxconn 1", down: None };
    let (from, length) = DEAD;
    let down = Some(Schedule::Once { from, length });
    let dead = Scene::new("haproxy-dead-server", Kind::Haproxy { settings: "check inter 100ms fall 1 rise 1", down });
    vec![
        Scene { load: Load::Poisson { rate: 100 }, share: 0.5, ..Scene::new("haproxy-sheds-2x", sheds) },
        Scene { family: Family::Outage, load: Load::Constant { rate: RATE }, length: millis(16_000), ..dead },
    ]
}
