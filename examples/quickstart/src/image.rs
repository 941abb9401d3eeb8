//! A container image of two programs of a few machine instructions, so that the real engine has something to run
//! without fetching anything: `/wait` waits for ever, `/fail` says why and ends with status 3.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// The image in an engine. It goes with this value.
#[derive(Debug)]
pub(crate) struct Image {
    program: &'static str,
    name: String,
}

impl Image {
    /// Makes the image known by this name to the engine that this program, `docker` or `podman`, speaks to.
    ///
    /// # Errors
    /// What went wrong, for a person: no program, no engine, or no machine code for this processor.
    pub(crate) fn import(program: &'static str, name: &str) -> Result<Self, String> {
        let archive = archive().ok_or("there is no sample image for this processor")?;
        let mut importing = Command::new(program)
            .args(["import", "-", name])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{program} cannot be run: {error}"))?;
        if let Some(mut input) = importing.stdin.take() {
            // When it ends early, its own words say more than the broken pipe.
            let _ = input.write_all(&archive);
        }
        let output = importing
            .wait_with_output()
            .map_err(|error| error.to_string())?;
        if output.status.success() {
            let name = name.to_owned();
            return Ok(Self { program, name });
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "the sample image cannot be imported: {}",
            complaint.trim()
        ))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // An engine that is gone has nothing to remove.
        let _ = Command::new(self.program)
            .args(["rmi", "--force", &self.name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // a second Ctrl-C is not for it
            .status();
    }
}

/// The root file system of the image, as tar.
fn archive() -> Option<Vec<u8>> {
    let machine = Machine::this()?;
    let mut archive = tar::Builder::new(Vec::new());
    for (name, code) in [("wait", machine.wait()), ("fail", machine.fail())] {
        let program = machine.program(&code);
        let mut header = tar::Header::new_gnu();
        header.set_size(program.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, name, &program[..]).ok()?;
    }
    archive.into_inner().ok()
}

/// What `/fail` says.
const LAST_WORDS: &[u8] = b"the sensor does not answer\n";

/// A processor that we have machine code for.
#[derive(Clone, Copy)]
enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    fn this() -> Option<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Self::X86_64),
            "aarch64" => Some(Self::Aarch64),
            _ => None,
        }
    }

    /// Waits for a signal, again and again.
    fn wait(self) -> Vec<u8> {
        match self {
            Self::X86_64 => [
                &[0xb8, 34, 0, 0, 0][..], // mov eax, pause
                &[0x0f, 0x05],            // syscall
                &[0xeb, 0xf7],            // jmp to the start
            ]
            .concat(),
            Self::Aarch64 => words(&[
                mov(0, 0),
                mov(1, 0),
                mov(2, 0),
                mov(3, 0),
                mov(8, 73), // ppoll
                SVC,
                0x17ff_fffa, // b to the start
            ]),
        }
    }

    /// Writes the last words to standard error and exits with status 3. They follow the code.
    fn fail(self) -> Vec<u8> {
        let length = u8::try_from(LAST_WORDS.len()).unwrap_or(u8::MAX);
        let mut code = match self {
            Self::X86_64 => [
                &[0xb8, 1, 0, 0, 0][..],          // mov eax, write
                &[0xbf, 2, 0, 0, 0],              // mov edi, standard error
                &[0x48, 0x8d, 0x35, 19, 0, 0, 0], // lea rsi, the words
                &[0xba, length, 0, 0, 0],         // mov edx, their length
                &[0x0f, 0x05],                    // syscall
                &[0xb8, 60, 0, 0, 0],             // mov eax, exit
                &[0xbf, 3, 0, 0, 0],              // mov edi, 3
                &[0x0f, 0x05],                    // syscall
            ]
            .concat(),
            Self::Aarch64 => words(&[
                mov(0, 2),
                0x1000_00e1, // adr x1, the words, seven instructions on
                mov(2, u32::from(length)),
                mov(8, 64), // write
                SVC,
                mov(0, 3),
                mov(8, 93), // exit
                SVC,
            ]),
        };
        code.extend_from_slice(LAST_WORDS);
        code
    }

    /// An ELF executable of one segment that begins with this code.
    fn program(self, code: &[u8]) -> Vec<u8> {
        const HEADERS: u64 = 64 + 56;
        const BASE: u64 = 0x40_0000;
        let machine: u16 = match self {
            Self::X86_64 => 62,
            Self::Aarch64 => 183,
        };
        let length = HEADERS + code.len() as u64;
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        let half = |elf: &mut Vec<u8>, values: &[u16]| {
            elf.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        };
        half(&mut elf, &[2, machine]); // executable
        elf.extend(1_u32.to_le_bytes());
        for value in [BASE + HEADERS, 64, 0] {
            elf.extend(value.to_le_bytes()); // entry, program headers, no sections
        }
        elf.extend(0_u32.to_le_bytes());
        half(&mut elf, &[64, 56, 1, 0, 0, 0]);
        elf.extend(1_u32.to_le_bytes()); // load
        elf.extend(5_u32.to_le_bytes()); // read, execute
        for value in [0, BASE, BASE, length, length, 0x1_0000] {
            elf.extend(value.to_le_bytes());
        }
        elf.extend_from_slice(code);
        elf
    }
}

fn words(instructions: &[u32]) -> Vec<u8> {
    instructions
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// `mov x<register>, #value`
const fn mov(register: u32, value: u32) -> u32 {
    0xd280_0000 | value << 5 | register
}

/// `svc #0`
const SVC: u32 = 0xd400_0001;

#[cfg(test)]
mod tests {
    use super::*;

    /// The programs run without a container just as well, so what they do can be seen anywhere.
    #[test]
    fn failing_program_says_why_and_fails() {
        let Some(machine) = Machine::this() else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fail");
        margo_conformance::program::write(&path, machine.program(&machine.fail()));

        let output = Command::new(path).output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(output.stderr, LAST_WORDS);
    }
}
