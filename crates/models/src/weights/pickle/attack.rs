//! Calls that no checkpoint has a reason to ask for.

/// Whether only an attack would call this. Other calls are harmless here, since nothing is ever called; these are
/// refused so that whoever has such a file learns of it.
pub(super) fn is_attack(module: &str, name: &str) -> bool {
    const MODULES: [&str; 22] = [
        "os",
        "posix",
        "nt",
        "subprocess",
        "_posixsubprocess",
        "pty",
        "commands",
        "popen2",
        "sys",
        "shutil",
        "socket",
        "runpy",
        "importlib",
        "imp",
        "code",
        "codeop",
        "webbrowser",
        "ctypes",
        "multiprocessing",
        "asyncio",
        "pip",
        "timeit",
    ];
    const BUILTINS: [&str; 8] =
        ["eval", "exec", "execfile", "compile", "open", "__import__", "breakpoint", "input"];
    let top = module.split('.').next().unwrap_or(module);
    match top {
        "builtins" | "__builtin__" => BUILTINS.contains(&name),
        _ => MODULES.contains(&top),
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::Pickle;
    use super::*;

    #[test]
    fn attacks_are_told_from_odd_classes() {
        for (module, name) in [
            ("os", "system"),
            ("nt", "system"),
            ("os.path", "join"),
            ("__builtin__", "eval"),
            ("builtins", "exec"),
        ] {
            assert!(is_attack(module, name), "{module}.{name}");
        }
        for (module, name) in
            [("builtins", "set"), ("argparse", "Namespace"), ("osprey", "Config"), ("numpy", "dtype")]
        {
            assert!(!is_attack(module, name), "{module}.{name}");
        }
    }

    /// However the call is written, and wherever it stands.
    #[test]
    fn every_way_to_call_is_watched() {
        let calls: [&[u8]; 5] = [
            b"\x80\x02cos\nsystem\nU\x02ls\x85R.",
            b"\x80\x02cos\nsystem\nU\x02ls\x85R0N.",
            b"\x80\x02cos\nsystem\nU\x02ls\x85\x81.",
            b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85}\x92.",
            b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94\x93\x94h\x02\x8c\x02ls\x85R.",
        ];
        for call in calls {
            let reason = Pickle::read(call).unwrap_err();
            assert!(reason.contains("os.system") && reason.contains("nothing was run"), "{call:?}: {reason}");
        }
        // The opcodes by which older protocols make instances, and extension codes, are not known at all.
        let unknown: [&[u8]; 3] = [b"(S'ls'\nios\nsystem\n.", b"(cos\nsystem\nU\x02lso.", b"\x82\x01."];
        for call in unknown {
            let reason = Pickle::read(call).unwrap_err();
            assert!(reason.contains("opcode"), "{call:?}: {reason}");
        }
    }

    #[test]
    fn pickles_that_break_off_or_make_no_sense_are_refused() {
        let refused: [(&[u8], &str); 9] = [
            (b"", "truncated"),
            (b"\x80", "truncated"),
            (b"\x80\x09N.", "protocol 9"),
            (b"X\xff\xff\xff\xffabc", "truncated"),
            (b"0", "the stack is empty"),
            (b"N(0", "the stack is empty"),
            (b"t", "no mark"),
            (b"h\x05", "never stored"),
            (b"NK\x01K\x02s", "no dictionary"),
        ];
        for (pickle, expected) in refused {
            let reason = Pickle::read(pickle).unwrap_err();
            assert!(reason.contains(expected), "{pickle:?}: {reason}");
        }
    }
}
