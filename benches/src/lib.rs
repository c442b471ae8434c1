//! Measurements: each prints the figure beside its peer or physical floor.
