//! F4: what `virt-event-libvirt` declares is what libvirt is.
//!
//! The crate's own file of declarations is compiled here once more, the names
//! of its types in C are made from the types themselves, and the C compiler
//! compares them with the installed `libvirt.h`. So neither side is compared
//! with a description of itself.

use std::ffi::c_int;
use std::io::Write;
use std::process::{Command, Stdio};

use virt::sys;
use virt_event::{HandleEvents, Period};

use super::broken::DeclaresOneWrongly;
use super::c_types::{CType, name_of};
use super::{Installer, ProcessCase, process_case};

#[allow(dead_code, reason = "only the types are used")]
#[path = "../../../crates/virt-event-libvirt/src/sys.rs"]
mod declared;

pub(super) const CASES: &[ProcessCase] = &[
    process_case!(
        f04_functions_agree_with_the_header,
        "one function takes another type",
        DeclaresOneWrongly("virEventAddHandle")
    ),
    process_case!(
        f04_registration_agrees_with_the_header,
        "one of the six has another type",
        DeclaresOneWrongly("virEventRegisterImpl")
    ),
    process_case!(
        f04_types_agree_with_the_header,
        "one type is another",
        DeclaresOneWrongly("virEventTimeoutCallback")
    ),
    process_case!(
        f04_constants_agree_with_the_header,
        "one constant has another value",
        DeclaresOneWrongly("VIR_EVENT_HANDLE_HANGUP")
    ),
    process_case!(
        f04_every_mistake_is_found,
        "a mistake is repeated until it is right",
        DeclaresOneWrongly("virEventRemoveTimeout")
    ),
    process_case!(
        f04_every_function_is_checked,
        "one declaration is not checked",
        ForgetsOne
    ),
    process_case!(
        f04_functions_agree_with_virt_sys,
        "one function takes another type",
        DeclaresOneWrongly("virGetLastErrorMessage")
    ),
];

/// One line of the file that the C compiler gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    pub(super) name: &'static str,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// Has the type named by a text.
    Function(String),
    /// Is the type named by a text.
    Type(String),
    /// Has this value.
    Constant(i64),
}

impl Declaration {
    /// Makes it wrong.
    pub(super) fn spoil(&mut self) {
        match &mut self.kind {
            Kind::Function(text) | Kind::Type(text) => *text = "void (*)(double)".to_owned(),
            Kind::Constant(value) => *value += 1,
        }
    }

    fn to_c(&self) -> String {
        let name = self.name;
        match &self.kind {
            Kind::Function(text) => format!("FUNCTION({name}, {text})\n"),
            Kind::Type(text) => format!("TYPE({name}, {text})\n"),
            Kind::Constant(value) => format!("CONSTANT({name}, {value})\n"),
        }
    }
}

/// The functions of a module, with as many `_` as they have
/// arguments.
macro_rules! functions {
    ($from:ident, $($name:ident($($argument:tt)*),)+) => {
        vec![$(Declaration {
            name: stringify!($name),
            kind: Kind::Function(name_of(
                $from::$name as unsafe extern "C" fn($($argument)*) -> _
            )),
        }),+]
    };
}

/// All functions of libvirt's that are declared.
macro_rules! libvirt_functions {
    ($from:ident) => {
        functions! {
            $from,
            virInitialize(),
            virResetLastError(),
            virGetLastErrorCode(),
            virGetLastErrorMessage(),
            virEventRegisterImpl(_, _, _, _, _, _),
            virEventRegisterDefaultImpl(),
            virEventRunDefaultImpl(),
            virEventAddHandle(_, _, _, _, _),
            virEventUpdateHandle(_, _),
            virEventRemoveHandle(_),
            virEventAddTimeout(_, _, _, _),
            virEventUpdateTimeout(_, _),
            virEventRemoveTimeout(_),
        }
    };
}

/// What `virt-event-libvirt` and `virt-event` take libvirt to be.
pub(super) fn ours() -> Vec<Declaration> {
    let mut declarations = libvirt_functions!(declared);
    declarations.extend(functions! { declared, fcntl(_, _, ...), });
    declarations.extend([
        ty::<declared::FreeFn>("virFreeCallback"),
        ty::<declared::HandleFn>("virEventHandleCallback"),
        ty::<declared::TimeoutFn>("virEventTimeoutCallback"),
        ty::<declared::AddHandleFn>("virEventAddHandleFunc"),
        ty::<declared::UpdateHandleFn>("virEventUpdateHandleFunc"),
        ty::<declared::RemoveHandleFn>("virEventRemoveHandleFunc"),
        ty::<declared::AddTimeoutFn>("virEventAddTimeoutFunc"),
        ty::<declared::UpdateTimeoutFn>("virEventUpdateTimeoutFunc"),
        ty::<declared::RemoveTimeoutFn>("virEventRemoveTimeoutFunc"),
    ]);
    let constant = |name, value: c_int| Declaration {
        name,
        kind: Kind::Constant(value.into()),
    };
    declarations.extend([
        constant("VIR_EVENT_HANDLE_READABLE", HandleEvents::READABLE.to_raw()),
        constant("VIR_EVENT_HANDLE_WRITABLE", HandleEvents::WRITABLE.to_raw()),
        constant("VIR_EVENT_HANDLE_ERROR", HandleEvents::ERROR.to_raw()),
        constant("VIR_EVENT_HANDLE_HANGUP", HandleEvents::HANGUP.to_raw()),
        constant("VIR_ERR_OK", 0),
        constant("F_GETFD", 1),
        constant("sizeof(int)", size_of::<c_int>() as c_int),
        constant("INT_MAX", Period::millis(u32::MAX).to_raw()),
    ]);
    declarations
}

fn ty<T: CType>(name: &'static str) -> Declaration {
    Declaration {
        name,
        kind: Kind::Type(T::name()),
    }
}

/// Checks one declaration less.
struct ForgetsOne;

impl Installer for ForgetsOne {
    fn declarations(&self) -> Vec<Declaration> {
        let mut declarations = ours();
        declarations.remove(0);
        declarations
    }
}

fn f04_functions_agree_with_the_header(installer: &dyn Installer) {
    compile(&select(installer, |kind| matches!(kind, Kind::Function(_)))).expect("they differ");
}

/// The prototype of `virEventRegisterImpl` names the types of all six.
fn f04_registration_agrees_with_the_header(installer: &dyn Installer) {
    let all = installer.declarations();
    let one = all.iter().find(|one| one.name == "virEventRegisterImpl");
    let one = one.expect("it is declared").clone();
    let Kind::Function(text) = &one.kind else {
        panic!("it is a function");
    };
    assert_eq!(
        text.matches("(*)").count(),
        11,
        "six functions, four of callbacks: {text}"
    );
    compile(&[one]).expect("it differs");
}

fn f04_types_agree_with_the_header(installer: &dyn Installer) {
    compile(&select(installer, |kind| matches!(kind, Kind::Type(_)))).expect("they differ");
}

fn f04_constants_agree_with_the_header(installer: &dyn Installer) {
    compile(&select(installer, |kind| matches!(kind, Kind::Constant(_)))).expect("they differ");
}

/// The check itself is checked: each declaration, spoilt alone, must fail it.
fn f04_every_mistake_is_found(installer: &dyn Installer) {
    let right = installer.declarations();
    compile(&right).expect("they differ");
    for index in 0..right.len() {
        let mut wrong = right.clone();
        wrong[index].spoil();
        let name = wrong[index].name;
        let said = compile(&wrong).expect_err(name);
        assert!(
            said.contains(name),
            "{name} is wrong, and the compiler said: {said}"
        );
    }
}

/// The list above has every function that the crate declares.
fn f04_every_function_is_checked(installer: &dyn Installer) {
    let source = include_str!("../../../crates/virt-event-libvirt/src/sys.rs");
    let lines = source.lines().map(str::trim);
    let declared = lines.filter_map(|line| {
        let (before, after) = line.split_once("fn ")?;
        before
            .starts_with("pub(crate)")
            .then(|| after.split('(').next().unwrap_or(after))
    });
    let mut declared: Vec<_> = declared.collect();
    let checked = select(installer, |kind| matches!(kind, Kind::Function(_)));
    let mut checked: Vec<_> = checked.iter().map(|one| one.name).collect();
    declared.sort_unstable();
    checked.sort_unstable();
    assert_eq!(declared, checked);
}

/// A second witness, which was generated from another version of the header.
fn f04_functions_agree_with_virt_sys(installer: &dyn Installer) {
    let ours = installer.declarations();
    for theirs in libvirt_functions!(sys) {
        let same = ours.iter().find(|ours| ours.name == theirs.name);
        assert_eq!(same.expect("it is declared"), &theirs);
    }
    let [readable, writable, error, hangup] = [
        sys::VIR_EVENT_HANDLE_READABLE,
        sys::VIR_EVENT_HANDLE_WRITABLE,
        sys::VIR_EVENT_HANDLE_ERROR,
        sys::VIR_EVENT_HANDLE_HANGUP,
    ]
    .map(HandleEvents::from_bits_retain);
    assert_eq!(readable, HandleEvents::READABLE);
    assert_eq!(writable, HandleEvents::WRITABLE);
    assert_eq!(error, HandleEvents::ERROR);
    assert_eq!(hangup, HandleEvents::HANGUP);
}

fn select(installer: &dyn Installer, wanted: fn(&Kind) -> bool) -> Vec<Declaration> {
    let mut selected = installer.declarations();
    selected.retain(|one| wanted(&one.kind));
    assert!(!selected.is_empty());
    selected
}

/// Lets the C compiler check; the error is what it says.
fn compile(declarations: &[Declaration]) -> Result<(), String> {
    let flags = Command::new("pkg-config")
        .args(["--cflags", "libvirt"])
        .output()
        .expect("pkg-config, with which libvirt was found");
    assert!(flags.status.success(), "pkg-config knows libvirt");
    let flags = String::from_utf8(flags.stdout).expect("flags are text");
    let mut compiler = Command::new("cc")
        .args(["-std=gnu11", "-fsyntax-only", "-x", "c", "-"])
        .args(["-include", MACROS])
        .args(flags.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cc, which Rust links with");
    let text: String = declarations.iter().map(Declaration::to_c).collect();
    let mut source = compiler.stdin.take().expect("it is piped");
    source
        .write_all(text.as_bytes())
        .expect("it reads to the end");
    drop(source);
    let checked = compiler.wait_with_output().expect("it ends");
    if checked.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&checked.stderr).into_owned())
    }
}

/// Defines what the lines of [`Declaration::to_c`] use.
const MACROS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/c/check_declarations.h");
