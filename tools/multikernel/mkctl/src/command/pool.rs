// SPDX-License-Identifier: GPL-2.0

//! `mkctl pool`

use std::fmt::Write as _;
use std::io::Write;

use multikernel::{Device, Pool};
use serde::Serialize;

use super::write_json;
use crate::cli::Format;
use crate::failure::Result;
use crate::units;

#[derive(Serialize)]
struct List {
    pools: Vec<Item>,
}

#[derive(Serialize)]
struct Item {
    kind: String,
    node: i32,
    start: Option<u64>,
    bytes: u64,
    free: u64,
    largest: Option<u64>,
}

/// Tells where the memory of instances comes from.
pub fn pool(device: &Device, format: &Format, out: &mut dyn Write) -> Result<()> {
    let pools = device.pools()?;
    if format.json {
        return write_json(out, &json(&pools));
    }
    Ok(out.write_all(table(&pools).as_bytes())?)
}

fn json(pools: &[Pool]) -> List {
    let pools = pools.iter().map(|pool| Item {
        kind: pool.kind.to_string(),
        node: pool.node,
        start: pool.start,
        bytes: pool.bytes,
        free: pool.free,
        largest: pool.largest,
    });
    List {
        pools: pools.collect(),
    }
}

fn table(pools: &[Pool]) -> String {
    let line = |kind: &str, node: &str, start: &str, sizes: [&str; 3]| {
        let [bytes, free, largest] = sizes;
        format!("{kind:8}  {node:>4}  {start:>12}  {bytes:>9}  {free:>9}  {largest:>9}\n")
    };
    let mut text = line("KIND", "NODE", "START", ["SIZE", "FREE", "LARGEST"]);
    for pool in pools {
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let _ = text.write_str(&line(
            &pool.kind.to_string(),
            &pool.node.to_string(),
            &or_none(pool.start.map(|start| format!("{start:#x}"))),
            [
                // What a page allocator has is no round number.
                &units::size(pool.bytes & !0xf_ffff),
                &units::size(pool.free),
                &or_none(pool.largest.map(units::size)),
            ],
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    use multikernel::PoolKind;

    fn pools() -> Vec<Pool> {
        vec![
            Pool {
                kind: PoolKind::Cma,
                node: 1,
                start: Some(0x1_4000_0000),
                bytes: 512 << 20,
                free: 384 << 20,
                largest: Some(256 << 20),
            },
            Pool {
                kind: PoolKind::RunTime,
                node: 0,
                start: None,
                bytes: 2000 << 20,
                free: 1024 << 20,
                largest: None,
            },
        ]
    }

    #[test]
    fn the_table_is_aligned() {
        assert_eq!(
            table(&pools()),
            "\
KIND      NODE         START       SIZE       FREE    LARGEST
cma          1   0x140000000    512 MiB    384 MiB    256 MiB
run-time     0             -   2000 MiB      1 GiB          -
"
        );
    }

    /// A promise: Documentation/multikernel/mkctl.rst tells these names.
    #[test]
    fn json_is_stable() {
        let mut out = Vec::new();
        write_json(&mut out, &json(&pools())).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{
  "pools": [
    {
      "kind": "cma",
      "node": 1,
      "start": 5368709120,
      "bytes": 536870912,
      "free": 402653184,
      "largest": 268435456
    },
    {
      "kind": "run-time",
      "node": 0,
      "start": null,
      "bytes": 2097152000,
      "free": 1073741824,
      "largest": null
    }
  ]
}
"#
        );
    }
}
