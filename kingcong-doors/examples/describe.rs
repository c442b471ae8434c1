//! Prints what the doors take and answer, as JSON, for `cargo xtask faces`.
#![expect(clippy::print_stdout, reason = "it is there to print")]

fn main() {
    println!("{:#}", kingcong_doors::description());
}
