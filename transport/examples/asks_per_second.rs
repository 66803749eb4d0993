//! Measures asks over loopback QUIC, both ends in this one thread:
//! `cargo run --release -p plimsoll-transport --example asks_per_second`.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use transport::pki::{Authority, Validity};
use transport::{Config, Connection, Endpoint, Environment, Identity, Incoming};

/// How long each row is measured.
const MEASURED: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let environment = Environment::system();
    let validity = Validity::lasting(&environment, Duration::from_secs(3600));
    let authority = Authority::create(&*environment.random, validity)?;
    let endpoint = |identity: &Identity| -> Result<Endpoint, Box<dyn std::error::Error>> {
        let credentials = authority.issue_identity(&*environment.random, identity, validity)?;
        Ok(Endpoint::bind(Config::new(
            (Ipv4Addr::LOCALHOST, 0).into(),
            credentials,
        ))?)
    };
    let server = endpoint(&Identity::store())?;
    let client = endpoint(&Identity::apiserver())?;
    let address = server.address()?;
    let started = Instant::now();
    tokio::spawn(async move {
        while let Some(Ok(connection)) = server.accept().await {
            tokio::spawn(answer(connection));
        }
    });
    let connection = client.connect(address, &Identity::store()).await?;
    println!("connected in {:.1?}", started.elapsed());
    println!(
        "{:>9} {:>10} {:>12} {:>10}",
        "in flight", "body bytes", "asks/s", "MB/s"
    );
    for (in_flight, body) in [
        (1, 150),
        (8, 150),
        (64, 150),
        (256, 150),
        (64, 2_000),
        (8, 100_000),
        (2, 5_000_000),
    ] {
        let asks = measure(&connection, in_flight, Bytes::from(vec![7; body])).await?;
        println!(
            "{in_flight:>9} {body:>10} {asks:>12.0} {:>10.1}",
            asks * body as f64 / 1e6
        );
    }
    Ok(())
}

async fn answer(connection: Connection) {
    while let Incoming::Ask(message, responder) = connection.next().await {
        if let Ok(number) = message.decode::<u64>() {
            // The asker may have closed the connection.
            let _ = responder.answer(&number, Bytes::new()).await;
        }
    }
}

/// Asks a second, with that many in flight.
async fn measure(
    connection: &Connection,
    in_flight: usize,
    body: Bytes,
) -> Result<f64, Box<dyn std::error::Error>> {
    let started = Instant::now();
    let askers: Vec<_> = (0..in_flight)
        .map(|_| {
            let (connection, body) = (connection.clone(), body.clone());
            tokio::spawn(async move {
                let mut asks = 0_u64;
                while started.elapsed() < MEASURED {
                    connection.ask(&asks, body.clone(), None).await?;
                    asks += 1;
                }
                Ok::<_, transport::Error>(asks)
            })
        })
        .collect();
    let mut asks = 0;
    for asker in askers {
        asks += asker.await??;
    }
    Ok(asks as f64 / started.elapsed().as_secs_f64())
}
