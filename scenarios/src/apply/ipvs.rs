//! ipvsadm and its companions on a host: their view of it, and the files they read and write.

use super::Shell;
use crate::console::ipvsadm::{Call, Console, Link, Output};
use net_model::frames::FrameId;
use net_model::host::Stack;

impl Shell<'_> {
    /// Runs ipvsadm or a companion with its redirections; `stdin` is what it reads unless a file is named.
    pub(crate) fn call(&mut self, call: &Call, stdin: &str) -> Output {
        let stdin = match &call.input {
            None => stdin.to_owned(),
            Some(file) => match self.files.get(file) {
                Some(text) => text.clone(),
                None => {
                    let stderr = format!("sh: 1: cannot open {file}: No such file\n");
                    return Output { stdout: String::new(), stderr, status: 2 };
                }
            },
        };
        let mut output = self.console(|console| console.call(call, &stdin));
        if let Some(file) = &call.output {
            self.files.insert(file.clone(), std::mem::take(&mut output.stdout));
        }
        output
    }

    /// ipvsadm's view of the host.
    pub(crate) fn console<T>(&mut self, with: impl FnOnce(&mut Console<'_, Stack<FrameId>>) -> T) -> T {
        let now = self.network.now();
        let (director, stack) = self.network.ipvs(self.host, self.kernel);
        director.advance(now);
        let links: Vec<Link> = stack
            .interfaces()
            .map(|(_, i)| Link { name: i.name.clone(), is_usable: i.up && !i.addresses().is_empty() })
            .collect();
        with(&mut Console {
            director,
            host: stack,
            links: &links,
            names: self.names,
            now,
            program: "ipvsadm",
            missing_schedulers: &[],
            is_root: true,
        })
    }
}
