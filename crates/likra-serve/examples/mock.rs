//! A server of models that make their numbers up, to try clients and the page on.
//!
//! ```sh
//! cargo run -p likra-serve --example mock -- 8080
//! ```

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "the tests use more of the mock, and fail by panicking"
)]

#[path = "../tests/common/mock.rs"]
mod mock;

use std::net::TcpListener;

use likra_serve::{Settings, serve, stop_signal};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args()
        .nth(1)
        .map_or(Ok(8080), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let address = listener.local_addr()?;
    eprintln!("mock: http://{address}");
    let mut settings = Settings::new(
        mock::MODELS.map(String::from).into(),
        mock::vocab_size(),
        mock::POSITIONS,
    );
    settings.token = std::env::var("LIKRA_TOKEN").ok();
    serve(
        listener,
        settings,
        mock::Mock,
        &mut mock::Models::default(),
        stop_signal(),
    )?;
    eprintln!("mock: stopped");
    Ok(())
}
