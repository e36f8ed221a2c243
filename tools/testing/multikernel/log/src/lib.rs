// SPDX-License-Identifier: GPL-2.0

//! Reading an instance's log from its memory: the files of the module
//! themselves, and what the tests and the fuzzer need around them.

pub mod damage;
pub mod pure;
pub mod synthetic;
