//! What goes wrong, and when: it all follows from the seed. What follows from it in turn does not, since real
//! processes and servers run on real time.

use std::time::Duration;

use super::{crew::WORKERS, weather::Weather};
use crate::dice::Dice;

/// How many kills come one soon after the other, and the longest pause between two of them: few processes live long
/// enough to bury another.
const BURST_KILLS: (u64, u64) = (5, 15);
const KILL_PAUSE_MS_MAX: u64 = 450;
/// The spell between two bursts, in which the dead are buried; and with them, a worker that is stopped for longer than
/// what is silent is taken for alive.
const SPELL_MS: (u64, u64) = (2_800, 4_000);
const STOP_AFTER_MS: (u64, u64) = (0, 500);
const STOP_MS: (u64, u64) = (2_500, 3_900);
/// Of a hundred kills, so many are of the database's server, where it may be killed.
const SERVER_KILLS_PERCENT: u64 = 20;
/// How long a killed server is down until it is started again, which takes its own time.
const SERVER_DOWN_MS: (u64, u64) = (0, 1_500);
/// A server that was started is not killed again before so long; the start itself takes seconds of it.
const SERVER_UP_MS_MIN: u64 = 8_000;
/// Time between two cuts of all connections.
const SEVER_PAUSE_MS: (u64, u64) = (500, 4_000);
/// Time between two steps of one worker's clock, where the store's time is the server's, and how far.
const STEP_PAUSE_MS: (u64, u64) = (500, 4_000);
const STEP_S_MAX: u64 = 7_200;
/// The same of the whole machine's clock, which is the store's: then calls are counted by it.
const MACHINE_STEP_PAUSE_MS: (u64, u64) = (6_000, 14_000);
const MACHINE_STEP_FORWARD_S: (u64, u64) = (1, 20);
const MACHINE_STEP_BACK_S: (u64, u64) = (1, 3);
/// How long an upstream's weather stays.
const WEATHER_MS: (u64, u64) = (1_000, 4_000);
/// Time between two keys' dying, and until each works again.
const KEY_PAUSE_MS: (u64, u64) = (1_500, 5_000);
const KEY_DEAD_MS: (u64, u64) = (300, 3_000);

/// Something that goes wrong, or is right again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// `kill -9` of the worker on a seat; another one takes it.
    KillWorker { seat: usize },
    /// `kill -9` of the database's server.
    KillServer,
    /// It is started again.
    RestartServer,
    /// Every connection to the database is cut.
    Sever,
    /// The worker on a seat is stopped.
    Stop { seat: usize },
    /// It goes on, if it was not killed meanwhile.
    Resume { seat: usize },
    /// A worker's clock is set.
    Step { seat: usize, seconds: i64 },
    /// The machine's clock is set, and with it everybody's.
    StepMachine { seconds: i64 },
    /// An upstream's weather changes.
    Weather { server: usize, weather: Weather },
    /// An upstream refuses one of its keys.
    KillKey { server: usize, key: usize },
    /// It takes it again.
    ReviveKey { server: usize, key: usize },
}

/// Which faults a database can be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposure {
    /// A file: there is no server, and its time is the machine's.
    File,
    /// A server of our own, which may be killed and cut off.
    OwnServer,
    /// Somebody's server, which may not.
    OthersServer,
}

/// What goes wrong, in the order of its time.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) faults: Vec<(Duration, Fault)>,
}

impl Plan {
    /// The plan of a seed, with so many kills.
    pub(super) fn of(seed: u64, kills: u32, exposure: Exposure, keys: usize) -> Self {
        let dice = Dice::new(seed);
        let mut faults = Vec::new();
        let end = kill(&dice.fork(), kills, exposure, &mut faults);
        trouble_upstreams(&dice.fork(), end, keys, &mut faults);
        let clocks = dice.fork();
        match exposure {
            Exposure::File => step_machine(&clocks, end, &mut faults),
            Exposure::OwnServer | Exposure::OthersServer => step_workers(&clocks, end, &mut faults),
        }
        if exposure == Exposure::OwnServer {
            each(&dice.fork(), end, SEVER_PAUSE_MS, |at, _| faults.push((at, Fault::Sever)));
        }
        faults.sort_by_key(|(at, _)| *at);
        let faults = faults.into_iter().map(|(at, fault)| (Duration::from_millis(at), fault)).collect();
        Self { faults }
    }
}

/// Plans the kills, and stops of one worker in between; when the last one is.
fn kill(dice: &Dice, kills: u32, exposure: Exposure, faults: &mut Vec<(u64, Fault)>) -> u64 {
    let (mut at, mut server_up_since, mut burst) = (0, 0, 0);
    for _ in 0..kills {
        if burst == 0 {
            burst = dice.between(BURST_KILLS.0, BURST_KILLS.1);
            let stop = at + dice.between(STOP_AFTER_MS.0, STOP_AFTER_MS.1);
            let seat = index(dice, WORKERS);
            faults.push((stop, Fault::Stop { seat }));
            faults.push((stop + dice.between(STOP_MS.0, STOP_MS.1), Fault::Resume { seat }));
            at += dice.between(SPELL_MS.0, SPELL_MS.1);
        }
        burst -= 1;
        at += dice.between(0, KILL_PAUSE_MS_MAX);
        let of_server = exposure == Exposure::OwnServer && dice.percent(SERVER_KILLS_PERCENT);
        if of_server && at >= server_up_since + SERVER_UP_MS_MIN {
            server_up_since = at + dice.between(SERVER_DOWN_MS.0, SERVER_DOWN_MS.1);
            faults.push((at, Fault::KillServer));
            faults.push((server_up_since, Fault::RestartServer));
        } else {
            faults.push((at, Fault::KillWorker { seat: index(dice, WORKERS) }));
        }
    }
    at
}

fn step_workers(dice: &Dice, end: u64, faults: &mut Vec<(u64, Fault)>) {
    each(dice, end, STEP_PAUSE_MS, |at, dice| {
        let seconds = i64::try_from(dice.between(0, 2 * STEP_S_MAX)).unwrap_or(0) - STEP_S_MAX.cast_signed();
        faults.push((at, Fault::Step { seat: index(dice, WORKERS), seconds }));
    });
}

fn step_machine(dice: &Dice, end: u64, faults: &mut Vec<(u64, Fault)>) {
    each(dice, end, MACHINE_STEP_PAUSE_MS, |at, dice| {
        let seconds = match dice.percent(50) {
            true => dice.between(MACHINE_STEP_FORWARD_S.0, MACHINE_STEP_FORWARD_S.1).cast_signed(),
            false => -dice.between(MACHINE_STEP_BACK_S.0, MACHINE_STEP_BACK_S.1).cast_signed(),
        };
        faults.push((at, Fault::StepMachine { seconds }));
    });
}

fn trouble_upstreams(dice: &Dice, end: u64, keys: usize, faults: &mut Vec<(u64, Fault)>) {
    for server in 0..super::weather::SERVERS.len() {
        let dice = dice.fork();
        each(&dice.fork(), end, WEATHER_MS, |at, dice| {
            faults.push((at, Fault::Weather { server, weather: dice.pick(&Weather::ALL) }));
        });
        let mut dead_until = vec![0; keys];
        each(&dice, end, KEY_PAUSE_MS, |at, dice| {
            let key = index(dice, keys);
            if dead_until[key] < at {
                dead_until[key] = at + dice.between(KEY_DEAD_MS.0, KEY_DEAD_MS.1);
                faults.push((at, Fault::KillKey { server, key }));
                faults.push((dead_until[key], Fault::ReviveKey { server, key }));
            }
        });
    }
}

/// Does something again and again, with pauses of this length, until the end.
fn each(dice: &Dice, end: u64, pause: (u64, u64), mut act: impl FnMut(u64, &Dice)) {
    let mut at = dice.between(pause.0, pause.1);
    while at < end {
        act(at, dice);
        at += dice.between(pause.0, pause.1);
    }
}

fn index(dice: &Dice, of: usize) -> usize {
    usize::try_from(dice.throw() % of as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_has_one_plan_with_as_many_kills_as_were_asked_for() {
        for (exposure, seed) in [(Exposure::File, 1), (Exposure::OwnServer, 2), (Exposure::OthersServer, 3)] {
            let plan = Plan::of(seed, 100, exposure, 8);
            assert_eq!(plan.faults, Plan::of(seed, 100, exposure, 8).faults);
            assert_ne!(plan.faults, Plan::of(seed + 1, 100, exposure, 8).faults);
            let count = |is: fn(&Fault) -> bool| plan.faults.iter().filter(|(_, fault)| is(fault)).count();
            let servers = count(|fault| *fault == Fault::KillServer);
            assert_eq!(count(|fault| matches!(fault, Fault::KillWorker { .. })) + servers, 100);
            assert_eq!(servers > 0, exposure == Exposure::OwnServer);
            assert_eq!(count(|fault| *fault == Fault::Sever) > 0, exposure == Exposure::OwnServer);
            assert!(plan.faults.is_sorted_by_key(|(at, _)| *at));
        }
    }

    #[test]
    fn what_is_stopped_or_killed_is_right_again_in_the_end() {
        let plan = Plan::of(7, 100, Exposure::OwnServer, 8);
        let mut wrong = 0;
        for (_, fault) in plan.faults {
            wrong += match fault {
                Fault::KillServer | Fault::Stop { .. } | Fault::KillKey { .. } => 1,
                Fault::RestartServer | Fault::Resume { .. } | Fault::ReviveKey { .. } => -1,
                _ => 0,
            };
            assert!(wrong >= 0, "{fault:?}");
        }
        assert_eq!(wrong, 0);
    }
}
