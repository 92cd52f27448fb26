//! The `rosterd` command: see [`rosterd::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    rosterd::cli::main()
}
