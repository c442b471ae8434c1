//! Tests of whole rooms of the core through its public doors: the laws of stores, and models that know the rules
//! independently of the code.

mod laws;
