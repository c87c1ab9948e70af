//! ipvsadm and its companions as a shell calls them: `ipvsadm-save`, `ipvsadm-restore`, and files to write to and read
//! from.
//!
//! `ipvsadm-save [-n]` is `ipvsadm -S [-n]`; `ipvsadm-restore` clears the table first, leaves out the lines that begin
//! with `#`, and hands the others to `ipvsadm -R`. Both were recorded with ipvsadm 1.31.

use super::super::words::{ParseError, Word};
use super::{Console, Output};
use net_model::ipvs::Surroundings;

/// A call of ipvsadm or one of its companions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Which program.
    pub tool: Tool,
    /// Its arguments.
    pub args: Vec<String>,
    /// The file that is its standard input (`< FILE`).
    pub input: Option<String>,
    /// The file that its standard output goes to (`> FILE`).
    pub output: Option<String>,
}

/// A program that talks to IPVS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tool {
    /// `ipvsadm`
    Ipvsadm,
    /// `ipvsadm-save`
    Save,
    /// `ipvsadm-restore`
    Restore,
}

impl Tool {
    /// The tool of this name, which may have a path.
    pub fn named(program: &str) -> Option<Tool> {
        match program.rsplit('/').next()? {
            "ipvsadm" => Some(Tool::Ipvsadm),
            "ipvsadm-save" => Some(Tool::Save),
            "ipvsadm-restore" => Some(Tool::Restore),
            _ => None,
        }
    }
}

impl Call {
    /// Reads the words after the program's name; none of the arguments is judged.
    ///
    /// # Errors
    /// A redirection without a file.
    pub fn read(tool: Tool, words: &[Word]) -> Result<Call, ParseError> {
        let mut call = Call { tool, args: Vec::new(), input: None, output: None };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let place = match word.text.as_bytes().first() {
                Some(b'<') => &mut call.input,
                Some(b'>') => &mut call.output,
                _ => {
                    call.args.push(word.text.clone());
                    continue;
                }
            };
            let file = match &word.text[1..] {
                "" => words.next().map(|word| word.text.clone()).unwrap_or_default(),
                file => file.to_owned(),
            };
            if file.is_empty() || file.starts_with(['<', '>']) {
                let cure = "write > FILE or < FILE, such as ipvsadm-save -n > /etc/ipvsadm.rules";
                return Err(ParseError::at(word, format!("`{}' names no file", word.text), cure));
            }
            *place = Some(file);
        }
        Ok(call)
    }

    /// Does it read what it is given on standard input?
    pub fn reads(&self) -> bool {
        match self.tool {
            Tool::Ipvsadm => self.args.first().is_some_and(|arg| matches!(arg.as_str(), "-R" | "--restore")),
            Tool::Save => false,
            Tool::Restore => true,
        }
    }
}

impl<S: Surroundings> Console<'_, S> {
    /// Runs a call's program with its arguments; `stdin` is what it reads.
    pub fn call(&mut self, call: &Call, stdin: &str) -> Output {
        let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
        match call.tool {
            Tool::Ipvsadm => self.run(&args, stdin),
            Tool::Save => self.save(&args),
            Tool::Restore => {
                self.run(&["-C"], "");
                let lines = stdin.split_inclusive('\n').filter(|line| !line.starts_with('#'));
                self.run(&["-R"], &lines.collect::<String>())
            }
        }
    }

    /// Options end at the first word that is none; only `-n` is known.
    fn save(&mut self, args: &[&str]) -> Output {
        let mut numeric = false;
        for option in args.iter().take_while(|arg| arg.len() > 1 && arg.starts_with('-')) {
            if option[1..].bytes().any(|letter| letter != b'n') {
                let stderr = "ipvsadm-save: Script to save the IPVS table to stdout.\n   \
                    With the -n option, prints out the table in numeric format.\n"
                    .to_owned();
                return Output { stdout: String::new(), stderr, status: 1 };
            }
            numeric = true;
        }
        self.run(if numeric { &["-S", "-n"] } else { &["-S"] }, "")
    }
}
