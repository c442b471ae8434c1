//! `split/error`: how far any server's share ever is from its quota, in tasks.
//!
//! Sets of 2 to 14 servers with random weights of several kinds, 10,000 tasks each, looked at after every task. In
//! the same run: what gateways do (weighted random), and smooth weighted round-robin as nginx made it known.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use kingcong_core::{id::ServerId, routing::Split};

use crate::{
    figure::{Figure, Unit},
    stage::Random,
};

const SERVERS: std::ops::RangeInclusive<usize> = 2..=14;
const SETS_PER_SIZE: u64 = 40;
const TASKS: u64 = 10_000;

pub(crate) fn measure() -> Result<Vec<Figure>> {
    let mut random = Random::new(1);
    let (mut quota, mut smooth, mut weighted) = (0.0_f64, 0.0_f64, 0.0_f64);
    for servers in SERVERS {
        for set in 0..SETS_PER_SIZE {
            let weights = weights(&mut random, servers, set);
            quota = quota.max(worst(&weights, by_split(&weights)?));
            smooth = smooth.max(worst(&weights, by_smooth(&weights)));
            weighted = weighted.max(worst(&weights, by_random(&weights, random.clone())));
        }
    }
    Ok(vec![
        Figure::new("split/error", quota, Unit::Tasks, "smooth weighted round-robin", smooth),
        Figure::new("split/error/random", quota, Unit::Tasks, "weighted random", weighted),
    ])
}

/// Even, uneven, very uneven and lopsided weights in turn; the lopsided ones are where round-robin goes wrong.
fn weights(random: &mut Random, servers: usize, set: u64) -> Vec<u32> {
    let mut up_to = |most: u64| u32::try_from(1 + random.below(most)).unwrap_or(u32::MAX);
    (0..servers)
        .map(|place| match set % 4 {
            0 => up_to(3),
            1 => up_to(100),
            2 => up_to(10_000),
            _ if place < servers * 2 / 3 => 1,
            _ => 30 + up_to(10),
        })
        .collect()
}

/// The largest distance from a quota after any of the tasks, in tasks.
fn worst(weights: &[u32], mut pick: impl FnMut() -> usize) -> f64 {
    let total: i128 = weights.iter().map(|&weight| i128::from(weight)).sum();
    let mut dealt = vec![0_i128; weights.len()];
    let mut worst = 0;
    for task in 1..=i128::from(TASKS) {
        dealt[pick()] += 1;
        for (&weight, &got) in weights.iter().zip(&dealt) {
            worst = worst.max((task * i128::from(weight) - got * total).abs());
        }
    }
    worst as f64 / total as f64
}

fn by_split(weights: &[u32]) -> Result<impl FnMut() -> usize> {
    let servers: Vec<ServerId> =
        (0..weights.len()).map(|place| ServerId::new(format!("s{place:02}"))).collect::<Result<_, _>>()?;
    let shares: BTreeMap<ServerId, u32> = servers.iter().cloned().zip(weights.iter().copied()).collect();
    let mut split = Split::new(&shares).context("there are servers")?;
    Ok(move || {
        let picked = split.pick();
        servers.iter().position(|server| server == picked).unwrap_or(0)
    })
}

fn by_smooth(weights: &[u32]) -> impl FnMut() -> usize {
    let weights: Vec<i64> = weights.iter().map(|&weight| i64::from(weight)).collect();
    let total: i64 = weights.iter().sum();
    let mut current = vec![0; weights.len()];
    move || {
        for (current, weight) in current.iter_mut().zip(&weights) {
            *current += weight;
        }
        // The first of several equal ones, as nginx does.
        let picked = (0..current.len()).rev().max_by_key(|&place| current[place]).unwrap_or(0);
        current[picked] -= total;
        picked
    }
}

fn by_random(weights: &[u32], mut random: Random) -> impl FnMut() -> usize {
    let weights: Vec<u64> = weights.iter().map(|&weight| u64::from(weight)).collect();
    let total: u64 = weights.iter().sum();
    move || {
        let mut drawn = random.below(total);
        let reached = |&weight: &u64| match drawn.checked_sub(weight) {
            Some(rest) => {
                drawn = rest;
                false
            }
            None => true,
        };
        weights.iter().position(reached).unwrap_or(0)
    }
}
