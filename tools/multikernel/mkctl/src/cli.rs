// SPDX-License-Identifier: GPL-2.0

//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use multikernel::{Agent, CpuList, Device, State};
use regex::Regex;

use crate::command::exec::parse_variable;
use crate::policy::Action;
use crate::units::{parse_duration, parse_memory, parse_ring};

const AFTER_HELP: &str = "\
Exit codes: 0 done; 1 failed; 2 wrong command line; 3 no such instance; 4 the \
time is over; 5 this host cannot start instances; 6 the instance ended or \
panicked while it was waited for; 128 + N ended by signal N.";

/// Starts Linux kernels beside the running one, and looks after them.
#[derive(Parser)]
#[command(version, after_help = AFTER_HELP, max_term_width = 100)]
pub struct Cli {
    /// Device of the module
    #[arg(long, global = true, hide = true, value_name = "PATH", default_value = Device::PATH)]
    pub device: PathBuf,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Subcommand)]
pub enum Command {
    /// Create an instance, load a kernel into it and start it
    ///
    /// If that fails before the instance runs, or is interrupted, what was
    /// made is removed again. Once it runs it is left as it is, unless it is to
    /// be looked after.
    #[command(
        mut_arg("read_only", |option| option.requires("console")),
        mut_arg("no_scrollback", |option| option.requires("console")),
        mut_arg("escape", |option| option.requires("console"))
    )]
    Run(Run),

    /// Create an instance and reserve its CPUs and memory
    Create(Create),

    /// Load a kernel into an instance
    Load(Load),

    /// Start what was loaded
    Start(Start),

    /// End instances at once, whatever they do
    Kill(Names),

    /// Ask instances to power off, and end those that do not in time
    ///
    /// It takes the module loaded in the instance, too.
    Stop(Stop),

    /// Ask an instance for an answer, and tell how long it took
    ///
    /// It takes the module loaded in the instance, too.
    Ping(Ping),

    /// Show the console of an instance, and type there
    ///
    /// First what it has shown last, which can be seen also after it has
    /// ended; then what it shows, until it ends. It takes the module loaded in
    /// the instance, too. Any number can watch, and one can type.
    Console(Console),

    /// Remove instances, and give back what they have
    Rm(Remove),

    /// List the instances
    Ls(Format),

    /// Tell where the memory of instances comes from, and how much is free
    ///
    /// First what was set aside at boot (multikernel= on the host's command
    /// line), then what each node has at run time.
    Pool(Format),

    /// Show all about an instance
    Show(Show),

    /// Show the log of an instance's kernel
    ///
    /// It is read from the instance's memory, and so without its help: also
    /// when it has crashed.
    Dmesg(Dmesg),

    /// Tell what has happened to instances: the last 256 changes
    Events(Events),

    /// Wait until an instance is in a state
    Wait(Wait),

    /// Make, remove or list the channels of an instance, and try them
    ///
    /// Each end is a device, /dev/mk/PEER/CHANNEL. It takes the module loaded
    /// in the instance, too, to use one. These commands work in an instance as
    /// well: there INSTANCE is the other end, the name of an instance or
    /// `host`.
    #[command(subcommand)]
    Channel(Channel),

    /// Run a command in an instance
    ///
    /// Its input, output and errors, signals and exit code are those of this
    /// command. The instance runs mkexecd, as the sample user space does.
    Exec(Exec),

    /// Copy files to an instance, or from it
    ///
    /// As cp -r does: below TO if that is a directory, else as TO. The instance
    /// runs mkexecd, as the sample user space does.
    Cp(Copy),

    /// Tell whether this host can start instances, and if not what to do
    Check(Format),

    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },

    /// Write the man pages into a directory
    #[command(hide = true)]
    Man {
        /// The directory
        directory: PathBuf,
    },
}

/// How to show things.
#[derive(Args)]
pub struct Format {
    /// Write JSON, for programs
    #[arg(long)]
    pub json: bool,
}

/// `mkctl channel`
#[derive(Subcommand)]
pub enum Channel {
    /// Make channels, which are there until they are removed
    Create(ChannelCreate),

    /// Remove channels; who has one open comes to its end
    Rm(ChannelEnds),

    /// List the channels of an instance; in an instance, its own
    Ls(ChannelList),

    /// Send messages that the other end sends back, and tell how long that
    /// takes
    ///
    /// There somebody has to run `mkctl channel echo`, or what does the same.
    Ping(ChannelPing),

    /// Send back what comes, until the other end is closed
    Echo(ChannelEcho),
}

/// An end of a channel in this kernel.
#[derive(Args)]
pub struct ChannelEnd {
    /// Who is at the other end: the name of an instance; in an instance also
    /// `host`
    pub peer: String,

    /// Name of the channel
    pub channel: String,

    /// How long to wait for the other end, and for each message that is to come
    /// back, such as 500ms, 10s
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    pub timeout: Duration,
}

/// `mkctl channel ping`
#[derive(Args)]
pub struct ChannelPing {
    /// Which one.
    #[command(flatten)]
    pub end: ChannelEnd,

    /// How many messages
    #[arg(long, value_name = "N", default_value = "100",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,

    /// How long each message is, in bytes
    #[arg(long, value_name = "BYTES", default_value = "64",
          value_parser = clap::value_parser!(u32).range(1..=multikernel::MESSAGE_MAX as i64))]
    pub size: u32,

    /// How to show it.
    #[command(flatten)]
    pub format: Format,
}

/// `mkctl channel echo`
#[derive(Args)]
pub struct ChannelEcho {
    /// Which one.
    #[command(flatten)]
    pub end: ChannelEnd,
}

/// Which channels, all with the same ends.
#[derive(Args)]
pub struct ChannelEnds {
    /// Name of the instance; in an instance, of the one at the other end, or
    /// `host`
    pub instance: String,

    /// Names of channels
    #[arg(required = true, value_name = "CHANNEL")]
    pub channels: Vec<String>,

    /// The instance at the other end [default: the host]; only on the host
    #[arg(long, value_name = "INSTANCE")]
    pub peer: Option<String>,
}

/// `mkctl channel create`
#[derive(Args)]
pub struct ChannelCreate {
    /// Which ones.
    #[command(flatten)]
    pub ends: ChannelEnds,

    /// Size of both rings, a power of two from 4K to 16M [default: 256K]
    #[arg(long, value_name = "SIZE", value_parser = parse_ring)]
    pub ring: Option<u32>,

    /// Size of the ring that the instance sends with
    #[arg(long, value_name = "SIZE", value_parser = parse_ring)]
    pub from: Option<u32>,

    /// Size of the ring that its peer sends with
    #[arg(long, value_name = "SIZE", value_parser = parse_ring)]
    pub to: Option<u32>,
}

/// `mkctl channel ls`
#[derive(Args)]
pub struct ChannelList {
    /// Name of the instance; in an instance: only channels with that one, or
    /// `host`
    pub instance: Option<String>,

    /// How to show it.
    #[command(flatten)]
    pub format: Format,
}

/// One instance or several.
#[derive(Args)]
pub struct Names {
    /// Names of instances
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// Which CPUs and memory an instance gets.
#[derive(Args)]
#[group(skip)]
pub struct Resources {
    /// CPUs, such as 1-3,5; the instance boots on the first
    #[arg(long, value_name = "LIST", required_unless_present = "ncpus")]
    pub cpus: Option<CpuList>,

    /// Number of CPUs to choose: whole cores, of one NUMA node if possible,
    /// never the boot CPU
    #[arg(long, value_name = "N", conflicts_with = "cpus")]
    pub ncpus: Option<usize>,

    /// Size of its memory, a multiple of 2M, such as 384M or 1G
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    pub memory: u64,

    /// NUMA node of its memory [default: that of its CPUs first, then any]
    #[arg(long, value_name = "N")]
    pub node: Option<u32>,

    /// Let two kernels share a core, each with some of its threads
    #[arg(long)]
    pub split_cores: bool,

    /// Count it as hung when its agent is silent for so long, such as 30s; 0:
    /// never
    #[arg(
        long,
        value_name = "TIME",
        default_value = "10s",
        value_parser = parse_duration
    )]
    pub hung_after: Duration,
}

/// What is loaded into an instance.
#[derive(Args)]
#[group(skip)]
pub struct Image {
    /// The kernel: a bzImage, as distributions have it in /boot/vmlinuz-*
    #[arg(long, value_name = "FILE")]
    pub kernel: PathBuf,

    /// The initial RAM disk
    #[arg(long, value_name = "FILE")]
    pub initrd: Option<PathBuf>,

    /// The kernel's command line; what it needs to stay off the host's
    /// hardware is added
    #[arg(
        long,
        value_name = "STRING",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    pub cmdline: String,

    /// Let the command line name a UART, which the host then must not use
    #[arg(long)]
    pub uart: bool,

    /// Load by kexec_file_load(): the host's rules for kernels of its own hold,
    /// such as signatures. Under lockdown there is no other way. It takes a
    /// host whose kernel has the patch series
    #[arg(long, conflicts_with = "uart")]
    pub kexec: bool,
}

/// What is waited for after a start.
#[derive(Args)]
#[group(skip)]
pub struct WaitForLine {
    /// Wait for a line in the instance's log; it fails at once if the instance
    /// ends or its kernel panics
    #[arg(long, value_name = "REGEX")]
    pub wait: Option<Regex>,

    /// How long to wait, such as 30s, 2m [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, requires = "wait")]
    pub timeout: Option<Duration>,
}

/// Whether somebody looks after an instance that runs.
#[derive(Args)]
#[group(skip)]
pub struct Supervision {
    /// Stay, and look after the instance until it has ended for good
    #[arg(long, conflicts_with = "wait")]
    pub supervise: bool,

    /// Stay, and do this when it powers off, halts or restarts [default: leave]
    #[arg(long, value_name = "ACTION", conflicts_with = "wait")]
    pub on_exit: Option<Action>,

    /// Stay, and do this when it panics or hangs [default: leave]
    #[arg(long, value_name = "ACTION", conflicts_with = "wait")]
    pub on_crash: Option<Action>,

    /// How long it may take to power off when a signal ends this, such as 30s,
    /// 2m; then it is killed
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1m")]
    pub stop_timeout: Duration,
}

impl Supervision {
    /// Whether anybody does.
    pub fn is_wanted(&self) -> bool {
        self.supervise || self.on_exit.is_some() || self.on_crash.is_some()
    }
}

/// `mkctl run`
#[derive(Args)]
pub struct Run {
    /// Name of the instance: 1 to 31 printable characters, no space, no `/`
    pub name: String,

    /// CPUs and memory.
    #[command(flatten)]
    pub resources: Resources,

    /// Kernel and initrd.
    #[command(flatten)]
    pub image: Image,

    /// What is waited for.
    #[command(flatten)]
    pub wait: WaitForLine,

    /// Who looks after it.
    #[command(flatten)]
    pub supervision: Supervision,

    /// Show its console then, as `mkctl console` does, until it ends; if the
    /// command line names no console, console=tty0 console=hvc0 is added
    #[arg(long, conflicts_with_all = ["json", "supervise", "on_exit", "on_crash"])]
    pub console: bool,

    /// Of the console.
    #[command(flatten)]
    pub options: ConsoleOptions,

    /// How to show it.
    #[command(flatten)]
    pub format: Format,
}

/// How to show a console.
#[derive(Args)]
#[group(skip)]
pub struct ConsoleOptions {
    /// Only watch: what is typed here goes nowhere
    #[arg(long)]
    pub read_only: bool,

    /// Do not begin with what was shown before
    #[arg(long)]
    pub no_scrollback: bool,

    /// Key that leaves the console, where standard input is a terminal: a
    /// character, ^ and a letter for one with Ctrl, or none
    #[arg(long, value_name = "CHAR", default_value = "^]")]
    pub escape: Escape,
}

/// `mkctl console`
#[derive(Args)]
pub struct Console {
    /// Name of the instance
    pub name: String,

    /// How to show it.
    #[command(flatten)]
    pub options: ConsoleOptions,
}

/// A key, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Escape(Option<u8>);

impl Escape {
    /// Whether this is the key.
    pub fn is(self, byte: u8) -> bool {
        self.0 == Some(byte)
    }

    /// The key as it can be given.
    pub fn name(self) -> Option<String> {
        let key = self.0?;
        Some(match key {
            0..=0x1f | 0x7f => format!("^{}", char::from(key ^ 0x40)),
            _ => char::from(key).to_string(),
        })
    }
}

impl FromStr for Escape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(match text.as_bytes() {
            b"none" => None,
            [key] if key.is_ascii() => Some(*key),
            [b'^', key @ (b'?'..=b'_' | b'a'..=b'z')] => Some(key.to_ascii_uppercase() ^ 0x40),
            _ => {
                return Err(format!(
                    "`{text}` is no key: it is such as ^] or ~, or none"
                ))
            }
        }))
    }
}

/// `mkctl create`
#[derive(Args)]
pub struct Create {
    /// Name of the instance: 1 to 31 printable characters, no space, no `/`
    pub name: String,

    /// CPUs and memory.
    #[command(flatten)]
    pub resources: Resources,
}

/// `mkctl load`
#[derive(Args)]
pub struct Load {
    /// Name of the instance
    pub name: String,

    /// Kernel and initrd.
    #[command(flatten)]
    pub image: Image,
}

/// `mkctl start`
#[derive(Args)]
pub struct Start {
    /// Which.
    #[command(flatten)]
    pub names: Names,

    /// What is waited for.
    #[command(flatten)]
    pub wait: WaitForLine,
}

/// `mkctl stop`
#[derive(Args)]
pub struct Stop {
    /// Which.
    #[command(flatten)]
    pub names: Names,

    /// How long each may take, such as 30s, 2m; then it is killed
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1m")]
    pub timeout: Duration,
}

/// `mkctl ping`
#[derive(Args)]
pub struct Ping {
    /// Name of the instance
    pub name: String,

    /// How often
    #[arg(long, value_name = "N", default_value = "1")]
    pub count: u32,

    /// How long to wait for each answer, such as 500ms, 10s
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    pub timeout: Duration,

    /// How to show it.
    #[command(flatten)]
    pub format: Format,
}

/// `mkctl rm`
#[derive(Args)]
pub struct Remove {
    /// Which.
    #[command(flatten)]
    pub names: Names,

    /// Kill those that run
    #[arg(long, short)]
    pub force: bool,
}

/// `mkctl show`
#[derive(Args)]
pub struct Show {
    /// Name of the instance
    pub name: String,

    /// How to show it.
    #[command(flatten)]
    pub format: Format,
}

/// `mkctl dmesg`
#[derive(Args)]
pub struct Dmesg {
    /// Name of the instance
    pub name: String,

    /// Go on with new lines, until the instance is removed
    #[arg(long, short)]
    pub follow: bool,

    /// How to show it.
    #[command(flatten)]
    pub format: Format,
}

/// `mkctl events`
#[derive(Args)]
pub struct Events {
    /// Names of instances [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,

    /// Go on with what happens from now on
    #[arg(long, short)]
    pub follow: bool,

    /// Leave out what happened longer ago, such as 30s, 2m
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub since: Option<Duration>,

    /// How to show it.
    #[command(flatten)]
    pub format: Format,
}

/// `mkctl wait`
#[derive(Args)]
pub struct Wait {
    /// Name of the instance
    pub name: String,

    /// The state, or several with commas between
    #[arg(
        long = "state",
        value_name = "STATE",
        required_unless_present = "agents",
        value_delimiter = ',',
        value_parser = named_parser(State::ALL)
    )]
    pub states: Vec<State>,

    /// The state of its agent, or several with commas between
    #[arg(
        long = "agent",
        value_name = "STATE",
        conflicts_with = "states",
        value_delimiter = ',',
        value_parser = named_parser(Agent::ALL)
    )]
    pub agents: Vec<Agent>,

    /// How long to wait, such as 30s, 2m [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
}

/// `mkctl exec`
#[derive(Args)]
pub struct Exec {
    /// Name of the instance
    pub name: String,

    /// Give the command a terminal, for which this one is passed on
    #[arg(long, short)]
    pub tty: bool,

    /// Set a variable in its environment
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub env: Vec<(OsString, OsString)>,

    /// Run it in this directory
    #[arg(long, short = 'C', value_name = "DIR")]
    pub directory: Option<PathBuf>,

    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// `mkctl cp`
#[derive(Args)]
pub struct Copy {
    /// What to copy: PATH, or NAME:PATH in the instance NAME
    #[arg(value_name = "FROM")]
    pub from: String,

    /// Where to: PATH, or NAME:PATH
    #[arg(value_name = "TO")]
    pub to: String,
}

/// Takes the names of these.
fn named_parser<T>(all: &'static [T]) -> impl TypedValueParser<Value = T>
where
    T: ToString + Clone + Send + Sync + 'static,
{
    PossibleValuesParser::new(all.iter().map(T::to_string)).map(|name| {
        let found = all.iter().find(|known| known.to_string() == name);
        found.cloned().expect("clap takes no other names")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use clap::CommandFactory;

    fn parse(arguments: &[&str]) -> Result<Command, String> {
        let all = ["mkctl"].iter().chain(arguments);
        Cli::try_parse_from(all)
            .map(|cli| cli.command)
            .map_err(|error| error.to_string())
    }

    const RUN: [&str; 4] = ["run", "blue", "--kernel", "k"];

    fn run(arguments: &[&str]) -> Result<Run, String> {
        match parse(&[&RUN[..], arguments].concat())? {
            Command::Run(run) => Ok(run),
            _ => Err("another command".into()),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_takes_what_is_documented() {
        let run = run(&[
            "--initrd",
            "i",
            "--cmdline",
            "-x --y",
            "--cpus",
            "3,1",
            "--memory",
            "384M",
            "--node",
            "1",
            "--split-cores",
            "--wait",
            "a b",
            "--timeout",
            "30",
        ])
        .unwrap();
        assert_eq!(run.name, "blue");
        assert_eq!(run.image.cmdline, "-x --y");
        assert_eq!(*run.resources.cpus.unwrap(), [3, 1]);
        assert_eq!(run.resources.memory, 384 << 20);
        assert_eq!(run.resources.node, Some(1));
        assert!(run.resources.split_cores);
        assert_eq!(run.wait.timeout, Some(Duration::from_secs(30)));
    }

    #[test]
    fn cpus_are_said_in_one_way() {
        assert!(run(&["--cpus", "1", "--memory", "64M"]).is_ok());
        assert!(run(&["--ncpus", "1", "--memory", "64M"]).is_ok());
        assert!(run(&["--memory", "64M"]).is_err());
        assert!(run(&["--cpus", "1", "--ncpus", "1", "--memory", "64M"]).is_err());
    }

    #[test]
    fn a_policy_is_supervised() {
        let resources = ["--cpus", "1", "--memory", "64M"];
        let with = |more: &[&str]| run(&[&resources[..], more].concat());
        assert!(!with(&[]).unwrap().supervision.is_wanted());
        assert!(with(&["--supervise"]).unwrap().supervision.is_wanted());
        let run = with(&["--on-exit", "remove", "--on-crash", "restart"]).unwrap();
        assert!(run.supervision.is_wanted());
        assert_eq!(run.supervision.on_exit, Some(Action::Remove));
        assert_eq!(run.supervision.on_crash, Some(Action::Restart));
        assert!(with(&["--on-exit", "wait"]).is_err());
        assert!(with(&["--on-crash", "leave", "--wait", "x"]).is_err());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (arguments, text) in [
            (
                &["--cpus", "", "--memory", "64M"][..],
                "the list of CPUs is empty",
            ),
            (&["--cpus", "1,x", "--memory", "64M"], "`x` is neither"),
            (
                &["--cpus", "1,1", "--memory", "64M"],
                "CPU 1 is in the list twice",
            ),
            (
                &["--cpus", "1", "--memory", "65M"],
                "the next larger one is 66M",
            ),
            (&["--cpus", "1", "--memory", "0"], "at least 64M"),
            (
                &["--cpus", "1", "--memory", "64M", "--wait", "("],
                "unclosed group",
            ),
            (
                &["--cpus", "1", "--memory", "64M", "--timeout", "1"],
                "--wait",
            ),
            (
                &[
                    "--cpus",
                    "1",
                    "--memory",
                    "64M",
                    "--wait",
                    "x",
                    "--timeout",
                    "1y",
                ],
                "is not a duration",
            ),
        ] {
            let error = run(arguments).err().unwrap_or_default();
            assert!(error.contains(text), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn keys_are_what_is_typed() {
        for (text, byte) in [
            ("^]", 0x1d),
            ("^a", 1),
            ("^A", 1),
            ("^@", 0),
            ("^?", 0x7f),
            ("~", b'~'),
        ] {
            let key: Escape = text.parse().unwrap();
            assert!(key.is(byte), "{text}");
            assert_eq!(key.name().unwrap(), text.to_ascii_uppercase());
        }
        let none: Escape = "none".parse().unwrap();
        assert!((0..=u8::MAX).all(|byte| !none.is(byte)));
        assert_eq!(none.name(), None);
        for text in ["", "ab", "^", "^]x", "\u{e4}", "^1"] {
            // One character alone is itself.
            assert_eq!(text.parse::<Escape>().is_ok(), text == "^", "{text}");
        }
    }

    #[test]
    fn a_console_is_for_people() {
        let arguments = ["--cpus", "1", "--memory", "64M", "--console"];
        assert!(
            run(&[&arguments[..], &["--escape", "^a"]].concat())
                .unwrap()
                .console
        );
        assert!(run(&[&arguments[..], &["--json"]].concat()).is_err());
        for option in [
            &["--read-only"][..],
            &["--no-scrollback"],
            &["--escape", "~"],
        ] {
            assert!(
                run(&[&arguments[..4], option].concat()).is_err(),
                "{option:?}"
            );
            assert!(
                run(&[&arguments[..], option].concat()).is_ok(),
                "{option:?}"
            );
        }
    }

    #[test]
    fn states_are_those_of_the_library() {
        let Ok(Command::Wait(wait)) = parse(&["wait", "blue", "--state", "stopped,crashed"]) else {
            panic!("it is not taken");
        };
        assert_eq!(wait.states, [State::Stopped, State::Crashed]);
        let error = parse(&["wait", "blue", "--state", "asleep"]).err().unwrap();
        assert!(error.contains("loaded"), "{error}");
        let Ok(Command::Wait(wait)) = parse(&["wait", "blue", "--agent", "ready"]) else {
            panic!("it is not taken");
        };
        assert_eq!(wait.agents, [Agent::Ready]);
        assert!(parse(&["wait", "blue"]).is_err());
        assert!(parse(&["wait", "blue", "--agent", "none", "--state", "loaded"]).is_err());
    }
}
