//! Where the members of a kernel's structures lie, from its own description: the BPF type format (BTF) in
//! `/sys/kernel/btf`, as Documentation/bpf/btf.rst of Linux has it. A module's description goes on where that of the
//! kernel itself ends.

const MAGIC: u16 = 0xeb9f;
/// Kinds of types: structures, functions, their prototypes.
const STRUCT: u32 = 4;
const FUNCTION: u32 = 12;
const PROTOTYPE: u32 = 13;

/// The types of a kernel, or of one of its modules.
pub(super) struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// The kernel's own types, whose numbers and strings come before those of a module.
    kernel: Option<&'a Btf<'a>>,
}

/// A type, as its first words.
struct Type<'a> {
    name: u32,
    info: u32,
    /// Its size, or the number of another type.
    size: u32,
    rest: &'a [u8],
}

impl<'a> Btf<'a> {
    /// The kernel's own; none if it is not understood.
    pub(super) fn of_kernel(file: &'a [u8]) -> Option<Btf<'a>> {
        let (types, strings) = sections(file)?;
        Some(Btf { types, strings, kernel: None })
    }

    /// That of a module of this kernel.
    pub(super) fn of_module(&'a self, file: &'a [u8]) -> Option<Btf<'a>> {
        let (types, strings) = sections(file)?;
        Some(Btf { types, strings, kernel: Some(self) })
    }

    /// Where a member lies in a structure, in bytes; none if there is no such member.
    pub(super) fn offset(&self, structure: &str, member: &str) -> Option<u32> {
        let found =
            self.types().find(|one| one.kind() == STRUCT && self.name(one.name) == structure.as_bytes())?;
        let mut members = found.rest.chunks_exact(12).filter_map(words);
        let [_, _, bits] = members.find(|[name, ..]| self.name(*name) == member.as_bytes())?;
        // With bit fields in the structure, the upper byte says how many bits one has.
        Some(if found.info >> 31 == 1 { bits & 0x00ff_ffff } else { bits } / 8)
    }

    /// The names of a function's parameters, in order.
    pub(super) fn parameters(&self, function: &str) -> Option<Vec<&[u8]>> {
        let is_it = |one: &Type<'_>| one.kind() == FUNCTION && self.name(one.name) == function.as_bytes();
        let prototype =
            self.numbered(self.types().find(is_it)?.size).filter(|one| one.kind() == PROTOTYPE)?;
        let names =
            prototype.rest.chunks_exact(8).map(|one| u32::from_le_bytes([one[0], one[1], one[2], one[3]]));
        Some(names.map(|name| self.name(name)).collect())
    }

    /// The types, in the order of their numbers.
    fn types(&self) -> impl Iterator<Item = Type<'a>> + use<'a> {
        let mut left = self.types;
        std::iter::from_fn(move || {
            let [name, info, size] = words(left)?;
            let beyond = beyond(info >> 24 & 31, (info & 0xffff) as usize);
            let rest = left.get(12..12 + beyond)?;
            left = &left[12 + beyond..];
            Some(Type { name, info, size, rest })
        })
    }

    /// The type of a number. Those of the kernel count from one, those of a module go on there.
    fn numbered(&self, number: u32) -> Option<Type<'a>> {
        let before = self.kernel.map_or(0, |kernel| kernel.types().count());
        match (number as usize).checked_sub(before + 1) {
            Some(index) => self.types().nth(index),
            None => self.kernel.and_then(|kernel| kernel.numbered(number)),
        }
    }

    /// A name, by where it begins; nothing if it is nowhere.
    fn name(&self, at: u32) -> &'a [u8] {
        let (at, before) = (at as usize, self.kernel.map_or(0, |kernel| kernel.strings.len()));
        let strings = match self.kernel {
            Some(kernel) if at < before => kernel.strings.get(at..),
            _ => self.strings.get(at - before..),
        };
        strings.and_then(|text| text.split(|byte| *byte == 0).next()).unwrap_or_default()
    }
}

impl Type<'_> {
    fn kind(&self) -> u32 {
        self.info >> 24 & 31
    }
}

/// The bytes of a type beyond the three words that each has, by its kind.
const fn beyond(kind: u32, count: usize) -> usize {
    match kind {
        1 | 14 | 17 => 4,              // integers, variables, tags of declarations
        3 => 12,                       // arrays
        4 | 5 | 15 | 19 => 12 * count, // structures, unions, sections, enumerations of 64 bits
        6 | 13 => 8 * count,           // enumerations, prototypes of functions
        _ => 0,
    }
}

/// Types and strings.
fn sections(file: &[u8]) -> Option<(&[u8], &[u8])> {
    if file.get(..2)? != MAGIC.to_le_bytes() {
        return None;
    }
    let word = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?) as usize);
    let body = file.get(word(4)?..)?;
    let section = |at: usize, len: usize| body.get(at..at.checked_add(len)?);
    Some((section(word(8)?, word(12)?)?, section(word(16)?, word(20)?)?))
}

/// The first three words.
fn words(bytes: &[u8]) -> Option<[u32; 3]> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    Some([word(0)?, word(4)?, word(8)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A description of types, each as its words, with these strings.
    fn file(types: &[&[u32]], strings: &str) -> Vec<u8> {
        let types: Vec<u8> = types.concat().into_iter().flat_map(u32::to_le_bytes).collect();
        let header = [24, 0, types.len() as u32, types.len() as u32, strings.len() as u32];
        let mut file = MAGIC.to_le_bytes().to_vec();
        file.extend([1, 0]);
        file.extend(header.into_iter().flat_map(u32::to_le_bytes));
        [file, types, strings.as_bytes().to_vec()].concat()
    }

    const fn info(kind: u32, count: u32) -> u32 {
        kind << 24 | count
    }

    #[test]
    fn members_lie_where_the_description_says() {
        // An integer; a structure `net` with `ns` at byte 8; another, `n`, with a bit field before it.
        let kernel = file(
            &[
                &[1, info(1, 0), 4, 32],
                &[5, info(STRUCT, 1), 16, 9, 1, 64],
                &[7, 1 << 31 | info(STRUCT, 2), 16, 1, 1, 3 << 24, 9, 1, 4 << 24 | 32],
            ],
            "\0int\0net\0ns\0",
        );
        let btf = Btf::of_kernel(&kernel).expect("it is a description");
        assert_eq!((btf.offset("net", "ns"), btf.offset("t", "ns")), (Some(8), Some(4)));
        assert_eq!((btf.offset("net", "int"), btf.offset("none", "ns")), (None, None));
    }

    #[test]
    fn a_module_goes_on_where_the_kernel_ends() {
        let kernel = file(&[&[1, info(1, 0), 4, 32]], "\0net\0");
        // `conn` and `make` are among the module's own strings, `net` among the kernel's. Type 3 is the prototype.
        let module = file(
            &[
                &[5, info(STRUCT, 1), 8, 1, 1, 16],
                &[0, info(PROTOTYPE, 2), 1, 5, 1, 1, 1],
                &[10, info(FUNCTION, 0), 3],
            ],
            "conn\0make\0",
        );
        let kernel = Btf::of_kernel(&kernel).expect("it is a description");
        let btf = kernel.of_module(&module).expect("it is a description");
        assert_eq!((btf.offset("conn", "net"), btf.offset("make", "net")), (Some(2), None));
        assert_eq!(btf.parameters("make"), Some(vec![&b"conn"[..], b"net"]));
        assert_eq!((btf.parameters("conn"), kernel.parameters("make")), (None, None));
    }

    #[test]
    fn what_is_cut_off_is_not_understood() {
        let whole = file(&[&[1, info(STRUCT, 1), 16, 1, 1, 64]], "\0net\0");
        for len in 0..whole.len() {
            let known = Btf::of_kernel(&whole[..len]).and_then(|btf| btf.offset("net", "net"));
            assert_eq!(known, None, "{len} bytes");
        }
        assert!(Btf::of_kernel(&whole).is_some_and(|btf| btf.offset("net", "net") == Some(8)));
        assert!(Btf::of_kernel(b"ELF, rather than this, is no description").is_none());
    }
}
