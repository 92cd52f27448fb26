//! Writes an invented roster: `cargo run --release --example roster_file -- ROWS DAY > roster.csv`.

mod invented;

use std::io::{BufWriter, Write};

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>());
    let rows = arguments.next().transpose()?.unwrap_or(1_000_000);
    let day = arguments.next().transpose()?.unwrap_or(1);
    let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    invented::write(&mut out, rows, day)?;
    out.flush()?;
    Ok(())
}
