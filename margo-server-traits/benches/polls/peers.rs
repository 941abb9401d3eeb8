//! The servers that are measured.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use margo_conformance::load::{SimulatedDevice, Target};

use crate::{Failure, file, process, serve};

/// A server in a process of its own, which ends with this.
pub(crate) struct Peer {
    name: &'static str,
    process: Child,
    port: u16,
    /// Where clients are served that sign.
    signed_port: Option<u16>,
}

impl Peer {
    /// The server of this crate over the store in this file.
    pub(crate) fn ours(place: &Path, store: &Path) -> Result<Self, Failure> {
        Self::start("ours", place, store)
    }

    /// The same, which serves clients that sign as well, on a listener of their own.
    pub(crate) fn both(place: &Path, store: &Path) -> Result<Self, Failure> {
        Self::start(serve::BOTH, place, store)
    }

    /// The same libraries without anything of ours.
    pub(crate) fn bare(place: &Path) -> Result<Self, Failure> {
        Self::start("bare", place, Path::new(""))
    }

    fn start(name: &'static str, place: &Path, store: &Path) -> Result<Self, Failure> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([
                serve::COMMAND.as_ref(),
                name.as_ref(),
                place.as_os_str(),
                store.as_os_str(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = process.stdout.take().ok_or("the server has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let mut ports = line.split_whitespace().map(str::parse);
        Ok(Self {
            name,
            process,
            port: ports.next().ok_or("the server has no port")??,
            signed_port: ports.next().transpose()?,
        })
    }

    /// nginx with a static file: what it does best.
    pub(crate) fn nginx(place: &Path) -> Result<Self, Failure> {
        let root = place.join("www/api/v1");
        fs::create_dir_all(&root)?;
        fs::write(root.join("deployments"), serve::manifest()?)?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let configuration = NGINX
            .replace("PLACE", &place.to_string_lossy())
            .replace("PORT", &port.to_string());
        fs::write(file(place, "nginx.conf"), configuration)?;
        let program = std::env::var_os("NGINX").unwrap_or_else(|| "nginx".into());
        let process = Command::new(program)
            .arg("-p")
            .arg(place)
            .arg("-e")
            .arg(file(place, "error.log"))
            .arg("-c")
            .arg(file(place, "nginx.conf"))
            .stdin(Stdio::null())
            .stderr(File::create(file(place, "nginx.txt"))?)
            .spawn()?;
        let peer = Self {
            name: "nginx",
            process,
            port,
            signed_port: None,
        };
        let since = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            if since.elapsed() > Duration::from_secs(10) {
                return Err(fs::read_to_string(file(place, "nginx.txt"))?.into());
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(peer)
    }

    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// Where these devices are served.
    pub(crate) fn target(&self, devices: &[SimulatedDevice]) -> Result<Target, Failure> {
        let signs = devices.iter().any(|device| device.certificate().is_some());
        let port = if signs {
            self.signed_port.ok_or("nobody is served here who signs")?
        } else {
            self.port
        };
        let url = format!("https://127.0.0.1:{port}");
        Ok(Target::resolve(&url.parse()?)?)
    }

    pub(crate) fn cpu_time(&self) -> Duration {
        process::cpu_time(self.process.id())
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> u64 {
        process::memory(self.process.id(), "VmRSS")
    }

    /// The most it was.
    pub(crate) fn peak(&self) -> u64 {
        process::memory(self.process.id(), "VmHWM")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Ours end with their input. nginx has workers, which only end when it is asked, not killed.
        drop(self.process.stdin.take());
        if self.name == "nginx" {
            let id = self.process.id().to_string();
            _ = Command::new("kill").args(["-QUIT", &id]).status();
            let since = Instant::now();
            while since.elapsed() < Duration::from_secs(5) {
                if matches!(self.process.try_wait(), Ok(Some(_))) {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
            _ = Command::new("kill").args(["-TERM", &id]).status();
        }
        _ = self.process.wait();
    }
}

/// Each worker has a listener of its own and keeps the file open; nothing is logged.
const NGINX: &str = "
daemon off;
worker_processes 2;
worker_rlimit_nofile 20000;
pid PLACE/nginx.pid;
error_log PLACE/error.log warn;
events { worker_connections 12000; }
http {
    access_log off;
    open_file_cache max=100;
    keepalive_timeout 300s;
    keepalive_requests 1000000000;
    client_body_temp_path PLACE/tmp-body;
    proxy_temp_path PLACE/tmp-proxy;
    fastcgi_temp_path PLACE/tmp-fastcgi;
    uwsgi_temp_path PLACE/tmp-uwsgi;
    scgi_temp_path PLACE/tmp-scgi;
    server {
        listen 127.0.0.1:PORT ssl reuseport;
        ssl_protocols TLSv1.3;
        ssl_certificate PLACE/wfm.pem;
        ssl_certificate_key PLACE/wfm-key.pem;
        ssl_client_certificate PLACE/root.pem;
        ssl_verify_client on;
        ssl_session_cache off;
        ssl_session_tickets off;
        default_type application/vnd.margo.manifest.v1+json;
        root PLACE/www;
    }
}
";
